package main_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
)

const (
	// floodDefault is how many connections `make test` opens of each shape; `make hostile` opens FLOOD
	// (5,000).
	floodDefault = 300
	// floodMemory is the memory of the container, and floodMost what the proxy may take of it.
	floodMemory = 512 << 20
	floodMost   = 400 << 20
	// floodHold is how long the connections stay in the long form after the last was opened.
	floodHold = 5 * time.Second
	// floodSign is how long one document may take until it is signed, repetitions included. The goal
	// is 2 s; a busy machine proves nothing, so that the test tells the longest and fails only where a
	// client gives up.
	floodSign = time.Minute
)

const (
	floodAttacker = "PRT.1-PRT.2-mallory"
	floodSecond   = "PRT.1-PRT.2-trudy"
	floodSecret   = "a secret of the attackers"
)

// floodShape is what each of many connections sends.
type floodShape struct {
	name       string
	management bool   // the port
	text       string // what a connection sends; the answer is not read
}

// floodShapes are the requests that have ended a proxy. big is the id of an operation of the
// attackers.
func floodShapes(big int64) []floodShape {
	var fields strings.Builder
	for i := range 9200 {
		fmt.Fprintf(&fields, "%x:\r\n", i)
	}
	post := "POST " + apiPath + "document/sign/base64 HTTP/1.1\r\nHost: proxy\r\n"
	many := post + "Content-Length: 16000000\r\n" + fields.String() + "\r\n"
	hundred := post + "Content-Length: 16000000\r\n" + strings.Repeat(
		"X-Field: "+strings.Repeat("x", 140)+"\r\n",
		95,
	) + "\r\n"
	unfinished := post + strings.Repeat("X-Field: "+strings.Repeat("x", 140)+"\r\n", 95)
	get := func(path, client string) string {
		return "GET " + apiPath + path + " HTTP/1.1\r\nHost: proxy\r\nAuthorization: Basic " +
			base64.StdEncoding.EncodeToString([]byte(client+":"+floodSecret)) + "\r\n\r\n"
	}
	page := "GET " + strings.Replace(
		apiPath,
		"api/v0/",
		"swagger-ui/swagger-ui-bundle.js",
		1,
	) + " HTTP/1.1\r\nHost: proxy\r\n\r\n"
	return []floodShape{
		{"heads with 9,200 fields", false, many},
		{"heads within the limits, and no body", false, hundred},
		{"unfinished heads", false, unfinished},
		{"many lines without an end", false, strings.TrimSuffix(many, "\r\n")},
		{"heads with 9,200 fields, management", true, many},
		{"unfinished heads, management", true, unfinished},
		{"scrapes that are not read, management", true, strings.Repeat("GET /metrics HTTP/1.1\r\nHost: proxy\r\n\r\n", 50)},
		{"pages that are not read", false, strings.Repeat(page, 50)},
		{"zip files that are not read", false, get(fmt.Sprintf("operation/sign/detail/%d/documents", big), floodAttacker)},
		{
			"details that are not read",
			false,
			get(fmt.Sprintf("operation/sign/detail/%d/contentInResponse/true", big), floodAttacker),
		},
	}
}

// TestFlood throws thousands of connections of each shape at a proxy in a container of 512 MiB. It
// lives and stays small, and a client beside it signs throughout.
func TestFlood(t *testing.T) {
	count, hold := floodDefault, time.Duration(0)
	if text := os.Getenv("FLOOD"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("FLOOD is %q, want a number", text)
		}
		count, hold = n, floodHold
	}
	p := startFlooded(t)
	lives := func() bool {
		select {
		case <-p.Ended():
			return false
		default:
			return true
		}
	}
	big := signBig(t, p)
	for _, shape := range floodShapes(big) {
		if !lives() {
			return // a shape before has failed
		}
		t.Run(shape.name, func(t *testing.T) {
			signer := startSigner(t, p)
			opened, cut := flood(t, p, shape, count, hold)
			signer.end()
			memory, err := p.Memory()
			if err != nil {
				t.Fatalf("the proxy has ended: %v", err)
			}
			t.Logf(
				"%d connections, %d of them cut while they sent; RSS %d MiB, at most %d MiB since the start; %d documents signed meanwhile, "+
					"the longest in %v, %d requests repeated",
				opened,
				cut,
				memory.Now>>20,
				memory.Peak>>20,
				signer.signed.Load(),
				time.Duration(signer.longest.Load()).Round(time.Millisecond),
				signer.repeated.Load(),
			)
			if memory.Peak > floodMost {
				t.Errorf("the proxy took %d MiB, want %d at most", memory.Peak>>20, floodMost>>20)
			}
			if opened < count {
				t.Errorf("only %d connections of %d were opened", opened, count)
			}
		})
	}
}

// startFlooded starts a proxy with the memory of the chart's pods.
func startFlooded(t *testing.T) *instance.Instance {
	t.Helper()
	binary, dir := filepath.Join(build(t), "proxy"), t.TempDir()
	secrets := map[string]string{floodAttacker: floodSecret, floodSecond: floodSecret}
	for id, secret := range clients {
		secrets[id] = secret
	}
	if err := instance.WriteClients(dir, secrets); err != nil {
		t.Fatal(err)
	}
	if group, err := newMemoryGroup(t, floodMemory); err != nil {
		t.Logf("no container of %d MiB (%v): the resident memory is measured alone", floodMemory>>20, err)
	} else {
		script := "#!/bin/sh\necho $$ > '" + filepath.Join(group, "cgroup.procs") + "' && exec '" + binary + "' \"$@\"\n"
		binary = filepath.Join(dir, "contained")
		if err := os.WriteFile(binary, []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// Without the limit of requests a second, which would spare the places for downloads.
	return startInstance(
		t,
		instance.Options{Binary: binary, Work: dir, State: filepath.Join(dir, "state"), Log: io.Discard,
			Env: []string{"GOMEMLIMIT=460MiB"}, Args: []string{"--limits.client.rate=0"}},
	)
}

// flood opens count connections that send text and read nothing, keeps them for as long as hold
// says, and resets them. It returns how many were opened, and how many the proxy closed before all
// was sent.
func flood(t *testing.T, p *instance.Instance, shape floodShape, count int, hold time.Duration) (opened, cut int) {
	t.Helper()
	url := p.URL
	if shape.management {
		url = p.Management
	}
	address := url[strings.LastIndex(url, "/")+1:]
	var mu sync.Mutex
	var conns []net.Conn
	var next atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			for next.Add(1) <= int64(count) {
				c, err := net.DialTimeout("tcp", address, 30*time.Second)
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				_ = c.(*net.TCPConn).SetReadBuffer(4 << 10) // what is not read stays with the proxy
				_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second))
				_, err = io.WriteString(c, shape.text)
				mu.Lock()
				conns = append(conns, c)
				if err != nil {
					cut++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	select {
	case <-time.After(hold):
	case <-p.Ended():
		t.Error("the proxy has ended")
	}
	for _, c := range conns {
		_ = c.(*net.TCPConn).SetLinger(0) // leaves no port behind
		_ = c.Close()
	}
	return len(conns), cut
}

// floodSigner is a client that signs one document after the other, on kept and on new connections
// in turn.
type floodSigner struct {
	t                         *testing.T
	url                       string
	ended                     <-chan struct{} // the proxy
	stop                      context.CancelFunc
	running                   sync.WaitGroup
	signed, longest, repeated atomic.Int64
}

func startSigner(t *testing.T, p *instance.Instance) *floodSigner {
	ctx, cancel := context.WithCancel(t.Context())
	s := &floodSigner{t: t, url: p.URL + apiPath + "document/sign/base64", ended: p.Ended(), stop: cancel}
	first := make(chan struct{}, 2)
	for _, kept := range []bool{true, false} {
		s.running.Go(func() {
			transport := &http.Transport{DisableKeepAlives: !kept}
			defer transport.CloseIdleConnections()
			for ctx.Err() == nil && s.sign(transport) {
				select {
				case first <- struct{}{}:
				default:
				}
			}
		})
	}
	select {
	case <-first:
	case <-p.Ended():
	}
	return s
}

// end lets the running request end.
func (s *floodSigner) end() {
	s.stop()
	s.running.Wait()
}

// sign has one document signed, repeats a request that was cut or put off, and notes how long that
// took.
func (s *floodSigner) sign(transport http.RoundTripper) bool {
	ctx, cancel := context.WithTimeout(context.Background(), floodSign)
	defer cancel()
	key := rand.Text()
	body := hostileJSON(s.t, key, tinyPDF(1))
	began := time.Now()
	for {
		status, text, err := s.send(ctx, transport, key, body)
		switch {
		case err == nil && status == http.StatusOK && bytes.Contains(text, []byte(`"SIGNED"`)):
			s.signed.Add(1)
			took := int64(time.Since(began))
			for old := s.longest.Load(); took > old && !s.longest.CompareAndSwap(old, took); old = s.longest.Load() {
			}
			return true
		case ctx.Err() != nil:
			s.t.Errorf("a document was not signed within %v; the last answer: %d, %v", floodSign, status, err)
			return false
		case err == nil && status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable:
			s.t.Errorf("a good request was answered %d %.300s", status, text)
			return false
		}
		s.repeated.Add(1)
		select {
		case <-s.ended:
			s.t.Error("the proxy has ended")
			return false
		default:
		}
	}
}

func (s *floodSigner) send(
	ctx context.Context,
	transport http.RoundTripper,
	key string,
	body []byte,
) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.SetBasicAuth("PRT.1-PRT.2-alice", clients["PRT.1-PRT.2-alice"])
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}

// signBig signs a document of the attackers that is larger than what the network holds of an
// answer.
func signBig(t *testing.T, p *instance.Instance) int64 {
	t.Helper()
	r, err := http.NewRequestWithContext(
		t.Context(),
		http.MethodPost,
		p.URL+apiPath+"document/sign/base64",
		bytes.NewReader(hostileJSON(t, "big", paddedPDF(1, 2<<20))),
	)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(floodAttacker, floodSecret)
	r.Header.Set("Content-Type", "application/json")
	var op struct{ ID int64 }
	answer := exchange(t, r)
	if err := json.Unmarshal(
		answer.body,
		&op,
	); err != nil || answer.status != http.StatusOK ||
		!bytes.Contains(answer.body, []byte(`"SIGNED"`)) {
		t.Fatalf("sign the large document: %d %.300s, %v", answer.status, answer.body, err)
	}
	return op.ID
}

// newMemoryGroup makes a cgroup with that much memory, of version 1 or 2, and removes it after the
// test. It needs the rights to.
func newMemoryGroup(t *testing.T, bytes int64) (string, error) {
	t.Helper()
	for _, version := range []struct{ folder, limit string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"},
	} {
		group, err := os.MkdirTemp(version.folder, "signstash-flood-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(group) })
		limit := filepath.Join(group, version.limit)
		if _, err := os.Stat(limit); err == nil && os.WriteFile(limit, []byte(strconv.FormatInt(bytes, 10)), 0) == nil {
			return group, nil
		}
	}
	return "", fmt.Errorf("no cgroup with a memory limit can be made")
}
