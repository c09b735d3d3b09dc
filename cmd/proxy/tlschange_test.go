package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// relay is a TCP address that stays the same while the process behind it changes, like the DNS name
// of a pod.
type relay struct {
	net.Listener
	target atomic.Pointer[string]
}

func newRelay(t *testing.T) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r := &relay{Listener: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.pass(c)
		}
	}()
	return r
}

// pass passes one connection on.
func (r *relay) pass(c net.Conn) {
	defer c.Close()
	target := r.target.Load()
	if target == nil {
		return
	}
	to, err := net.Dial("tcp", *target)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, c)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, to)
}

// changing is three instances whose settings for TLS change in rolling updates.
type changing struct {
	t       *testing.T
	remote  *remoteSide
	proxies [3]*testProxy
	base    [3][]string // flags without those for TLS
	relays  [3]*relay
	// inUse is read-locked by clients of an instance. A Service sends no client to a pod that stops.
	inUse  [3]sync.RWMutex
	client *http.Client
	tls    []string // flags for TLS
	runs   int
	docs   atomic.Int64 // documents that were sent, each of which must be signed once
	worked atomic.Int64 // calls of work that have ended
}

// newChanging starts three instances without TLS.
func newChanging(t *testing.T) *changing {
	t.Helper()
	c := &changing{t: t, remote: newRemoteSide(t, service.Options{})}
	dir := t.TempDir()
	c.makeCertificate(dir)
	key, peers := filepath.Join(dir, "token.key"), filepath.Join(dir, "endpoints.json")
	write(t, key, []byte(strings.Repeat("k", 40)))
	d := affinity.Directory{Expected: 3, Ever: 3}
	for i := range 3 {
		c.relays[i] = newRelay(t)
		address := c.relays[i].Addr().(*net.TCPAddr)
		d.Endpoints = append(d.Endpoints, affinity.Published{
			Name: fmt.Sprint("proxy-", i), Ordinal: i, Instance: fmt.Sprint("run-", i+1), Host: "127.0.0.1", Port: address.Port,
			Internal: address.String(),
		})
		c.base[i] = append([]string{
			"--affinity.peers.file=" + peers, fmt.Sprint("--instance.ordinal=", i), "--token.signing.key=" + key,
			"--server.host.port=" + address.String(),
		}, c.remote.flags()...)
	}
	data, err := affinity.EncodeDirectory(d)
	if err != nil {
		t.Fatal(err)
	}
	write(t, peers, data)
	for i := range 3 {
		c.proxies[i] = newTestProxy(t)
		c.start(i)
	}
	return c
}

// makeCertificate writes a certificate for 127.0.0.1 and makes a client that trusts it.
func (c *changing) makeCertificate(dir string) {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	pair := s.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		c.t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write(c.t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	write(c.t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	c.tls = []string{
		"--server.ssl.certificate=" + certFile, "--server.ssl.certificate-private-key=" + keyFile,
		"--affinity.peers.ca-file=" + certFile,
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	c.t.Cleanup(transport.CloseIdleConnections)
	c.client = &http.Client{Transport: transport, Timeout: 3 * time.Minute}
}

// start starts instance i as a new run with these further flags.
func (c *changing) start(i int, flags ...string) {
	c.t.Helper()
	c.runs++
	p := c.proxies[i]
	p.o.Args = append(slices.Clone(c.base[i]), append(flags, fmt.Sprint("--instance.uid=run-", c.runs))...)
	p.start(c.t)
	address := strings.TrimPrefix(p.URL, "http://")
	c.relays[i].target.Store(&address)
}

// roll replaces one instance after the other by a new run with these flags, while clients that use
// scheme work.
func (c *changing) roll(scheme string, flags ...string) {
	c.t.Helper()
	stop := c.load(scheme)
	defer stop()
	for i := range 3 {
		c.inUse[i].Lock()
		if err := c.proxies[i].Stop(c.t.Context()); err != nil {
			c.t.Error(err)
		}
		c.signUnkeyed(scheme, (i+1)%3)
		c.signUnkeyed(scheme, (i+2)%3)
		c.start(i, flags...)
		c.inUse[i].Unlock()
		worked := c.worked.Load()
		until(c.t, "clients work between two replacements", func() bool { return c.worked.Load() > worked+4 })
	}
}

// load starts clients, which work until stop is called. They use each pair of instances in turn,
// but no instance that is being replaced.
func (c *changing) load(scheme string) (stop func()) {
	var clients sync.WaitGroup
	ended := make(chan struct{})
	for n := range 2 {
		clients.Go(func() {
			for turn := n; ; turn++ {
				select {
				case <-ended:
					return
				default:
				}
				if a, b := turn%3, turn/3%3; c.inUse[a].TryRLock() {
					if c.inUse[b].TryRLock() {
						c.work(scheme, a, b)
						c.inUse[b].RUnlock()
					}
					c.inUse[a].RUnlock()
				}
			}
		})
	}
	return func() { close(ended); clients.Wait() }
}

// signUnkeyed signs a document without a key at instance i. Such a request is never refused.
func (c *changing) signUnkeyed(scheme string, i int) {
	name := fmt.Sprint("change ", c.docs.Add(1))
	got := c.call(http.MethodPost, c.at(scheme, i)+"document/sign/base64/", signBody(c.t, name), "")
	c.want(got, "sign without a key, "+scheme, http.StatusOK, `"SIGNED"`)
}

// at returns the URL of the API of instance i.
func (c *changing) at(scheme string, i int) string {
	return scheme + "://" + c.relays[i].Addr().String() + api
}

// work signs two documents at instance a: one without a key, and one in the way of a careful
// client, which sends a key, uses host and port of the answer, and repeats its request at
// instance b.
func (c *changing) work(scheme string, a, b int) {
	defer c.worked.Add(1)
	c.signUnkeyed(scheme, a)
	name := fmt.Sprint("change ", c.docs.Add(1))
	accepted := c.patiently(http.MethodPost, c.at(scheme, a)+"document/sign/async/base64/", signBody(c.t, name), name)
	c.want(accepted, "sign with a key, "+scheme, http.StatusAccepted, `"hostPort":"`+c.relays[a].Addr().String())
	var op struct {
		ID       json.Number `json:"id"`
		HostPort string      `json:"hostPort"`
	}
	if err := json.Unmarshal([]byte(accepted.body), &op); err != nil {
		c.t.Errorf("answer %.300s: %v", accepted.body, err)
		return
	}
	status := scheme + "://" + op.HostPort + api + "operation/status/" + op.ID.String() + "?wait=30s"
	c.want(c.call(http.MethodGet, status, "", ""), "status, "+scheme, http.StatusOK, `"EXECUTED"`)
	detail := c.at(scheme, b) + "operation/sign/detail/" + op.ID.String() + "/contentInResponse/True"
	c.want(c.patiently(http.MethodGet, detail, "", ""), "result, "+scheme, http.StatusOK, `"signedContent":"JVBERi`)
	again := c.patiently(http.MethodPost, c.at(scheme, b)+"document/sign/async/base64/", signBody(c.t, name), name)
	c.want(again, "repetition, "+scheme, http.StatusAccepted, `"id":`+op.ID.String())
}

// patiently repeats a request for as long as an instance asks for that by Retry-After.
func (c *changing) patiently(method, url, body, key string) (got reply) {
	for giveUp := time.Now().Add(time.Minute); ; {
		got = c.call(method, url, body, key)
		after, err := strconv.Atoi(got.header.Get("Retry-After"))
		if got.status != http.StatusServiceUnavailable || err != nil || time.Now().After(giveUp) {
			return got
		}
		time.Sleep(min(time.Duration(after)*time.Second, 100*time.Millisecond))
	}
}

// call sends one request. key is its Idempotency-Key; empty = none.
func (c *changing) call(method, url, body, key string) reply {
	req, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return reply{}
	}
	const alice = "PRT.1-PRT.2-alice"
	req.SetBasicAuth(alice, clients[alice])
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.t.Error(err)
		return reply{}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Error(err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

func (c *changing) want(got reply, what string, status int, holds string) {
	if got.status != status || !strings.Contains(got.body, holds) {
		c.t.Errorf("%s = %d %.300s, want %d with %q", what, got.status, got.body, status, holds)
	}
}

// allReach lets every instance answer for every other one.
func (c *changing) allReach(schemes ...string) {
	for _, scheme := range schemes {
		for a := range 3 {
			for b := range 3 {
				c.work(scheme, a, b)
			}
		}
	}
}

// TestChangeToTLS switches TLS on in three running instances, and off again. In each rolling update
// clients work with the scheme that is accepted before and after it. No request fails, and nothing
// is signed twice.
func TestChangeToTLS(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	both := append(slices.Clone(c.tls), "--server.ssl.allow-plaintext")
	c.roll("http", both...)
	c.allReach("http", "https") // clients change now, each when it likes
	c.roll("https", c.tls...)
	c.allReach("https")
	late := c.call(http.MethodGet, c.at("http", 0)+"operation/status/1", "", "")
	c.want(late, "a client that has not changed", http.StatusBadRequest, "HTTPS")
	c.roll("https", both...)
	c.allReach("https", "http")
	c.roll("http")
	c.allReach("http")
	if made, want := c.remote.Counts().Signatures, c.docs.Load(); made != want {
		t.Errorf("%d signatures were made, want %d", made, want)
	}
}
