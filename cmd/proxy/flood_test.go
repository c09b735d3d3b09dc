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
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
)

const (
	// floodMemory is the memory limit of the container in bytes. floodMaxRSS is how much of it the
	// proxy may use.
	floodMemory = 512 << 20
	floodMaxRSS = 400 << 20
	// floodHold is how long the connections stay open after the last one was opened. It applies only
	// if the test runs with many connections (floodConnections).
	floodHold = 5 * time.Second
	// floodSign is how long one document may take until it is signed, including retries. The goal is 2
	// s. On a busy machine the measured time proves nothing, so the test only reports the longest
	// time, and fails if a client would give up.
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
	management bool   // which port
	text       string // what a connection sends; the test does not read the answer
}

// floodShapes returns requests that crashed an earlier version of the proxy. big is the id of an
// operation of the attackers with a large document.
func floodShapes(big int64) []floodShape {
	var fields strings.Builder
	for i := range 9200 {
		fmt.Fprintf(&fields, "%x:\r\n", i)
	}
	post := "POST " + apiPath + "document/sign/base64 HTTP/1.1\r\nHost: proxy\r\n"
	manyFields := post + "Content-Length: 16000000\r\n" + fields.String() + "\r\n"
	withinLimits := post + "Content-Length: 16000000\r\n" + strings.Repeat(
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
		{"heads with 9,200 fields", false, manyFields},
		{"heads within the limits, and no body", false, withinLimits},
		{"unfinished heads", false, unfinished},
		{"many lines without an end", false, strings.TrimSuffix(manyFields, "\r\n")},
		{"heads with 9,200 fields, management", true, manyFields},
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

// TestFlood opens thousands of connections of each shape to a proxy in a container of 512 MiB. The
// proxy keeps running within its memory, and it keeps signing for another client.
func TestFlood(t *testing.T) {
	t.Parallel()
	count, hold := floodConnections.count(t), time.Duration(0)
	if floodConnections.long() {
		hold = floodHold
	}
	p := startFlooded(t)
	running := func() bool {
		select {
		case <-p.Ended():
			return false
		default:
			return true
		}
	}
	big := signBig(t, p)
	for _, shape := range floodShapes(big) {
		if !running() {
			return // the proxy has ended, and the subtest of an earlier shape has failed
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
				"%d connections, %d of them cut while they sent; RSS %d MiB, at most %d MiB since the start; "+
					"%d documents signed meanwhile, the longest in %v, %d requests repeated",
				opened,
				cut,
				memory.Now>>20,
				memory.Peak>>20,
				signer.signed.Load(),
				time.Duration(signer.longest.Load()).Round(time.Millisecond),
				signer.repeated.Load(),
			)
			if memory.Peak > floodMaxRSS {
				t.Errorf("the proxy took %d MiB, want %d at most", memory.Peak>>20, floodMaxRSS>>20)
			}
			if opened < count {
				t.Errorf("only %d connections of %d were opened", opened, count)
			}
		})
	}
}

// startFlooded starts a proxy with the same memory as the chart's pods.
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
		binary = group.contain(t, dir, binary)
	}
	// The request rate limit is off, because it would keep the download slots free.
	return startInstance(
		t,
		instance.Options{Binary: binary, Work: dir, State: filepath.Join(dir, "state"), Log: io.Discard,
			Env: []string{"GOMEMLIMIT=460MiB"}, Args: []string{"--limits.client.rate=0"}},
	)
}

// flood opens count connections that send text and read nothing. It keeps them open as long as hold
// says, then resets them. It returns how many were opened and how many the proxy closed before the
// whole text was sent.
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
				_ = c.(*net.TCPConn).SetReadBuffer(4 << 10) // unread data stays in the proxy
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
		_ = c.(*net.TCPConn).SetLinger(0) // leaves no port in TIME_WAIT
		_ = c.Close()
	}
	return len(conns), cut
}

// floodSigner is a client that signs one document after the other, alternately on a kept and on a
// new connection.
type floodSigner struct {
	t                         *testing.T
	url                       string
	ended                     <-chan struct{} // closed when the proxy has ended
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

// end waits for the running request.
func (s *floodSigner) end() {
	s.stop()
	s.running.Wait()
}

// sign signs one document. It repeats a request that was cut or refused for now, and records how
// long that took.
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
			raise(&s.longest, int64(time.Since(began)))
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
	ctx context.Context, transport http.RoundTripper, key string, body []byte,
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

// signBig signs a document of the attackers that is larger than the part of an answer that network
// buffers hold.
func signBig(t *testing.T, p *instance.Instance) int64 {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+apiPath+"document/sign/base64",
		bytes.NewReader(hostileJSON(t, "big", paddedPDF(1, 2<<20))))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(floodAttacker, floodSecret)
	r.Header.Set("Content-Type", "application/json")
	var op struct{ ID int64 }
	answer := exchange(t, r)
	if err := json.Unmarshal(answer.body, &op); err != nil || answer.status != http.StatusOK ||
		!bytes.Contains(answer.body, []byte(`"SIGNED"`)) {
		t.Fatalf("sign the large document: %d %.300s, %v", answer.status, answer.body, err)
	}
	return op.ID
}
