package main_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// mergeRequests is the number of requests of the promised figures. The remote side signs 100
// digests in a call. The tests count calls and measure no time.
const mergeRequests = 1000

// tinyRequest is a request with one document of 500 bytes. Larger ones would only cost time.
func tinyRequest(t *testing.T, reference string) *client.Request {
	t.Helper()
	r := oneDocument(t, reference, client.SignatureInfo{})
	content := tinyPDF(1)
	r.Documents[0].Size = int64(len(content))
	r.Documents[0].Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	return r
}

// TestMergeAsync checks that a thousand accepted requests with one document each need only a few
// remote calls.
func TestMergeAsync(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{Latency: 100 * time.Millisecond})
	p := newTestProxy(t, remote.flags()...).start(t)
	remote.Hold()
	each(t, 20, func(t *testing.T, c *client.Client, i int) {
		if _, err := c.SignAsync(t.Context(), tinyRequest(t, fmt.Sprint("merged ", i))); err != nil {
			t.Error(err)
		}
	}, p)
	remote.Release()
	until(t, "all are signed", func() bool { return p.signatures(t)["returned"] == mergeRequests })
	wantMerged(t, remote, p, 15)
}

// TestMergeSync checks that a thousand requests with one document each need only a few more calls.
// They come from a hundred clients, and each client waits for its answer. Which documents are
// merged depends on when the requests arrive. A busy machine can spoil one round, but not all
// three. Other tests of this package do not run at the same time.
func TestMergeSync(t *testing.T) {
	for round := 1; ; round++ {
		// The proxy waits for more digests for a third of the latency. The settings let it wait long
		// enough. Otherwise the test would measure how busy the machine is.
		remote := newRemoteSide(t, service.Options{Latency: 300 * time.Millisecond})
		p := newTestProxy(t, append(remote.flags(), "--signing.batch.max-wait.sync=5s", "--signing.batch.quiet=1s")...)
		p.start(t)
		each(t, 100, func(t *testing.T, c *client.Client, i int) {
			op, err := c.Sign(t.Context(), tinyRequest(t, fmt.Sprint("merged ", i)), discard{})
			if err != nil || op.Status != client.StatusExecuted {
				t.Errorf("request %d: %+v, %v", i, op, err)
			}
		}, p)
		const calls = 25
		if remote.signHash() <= calls || round == 3 || t.Failed() {
			wantMerged(t, remote, p, calls)
			return
		}
		t.Logf("round %d took %d signHash calls", round, remote.signHash())
		p.Kill()
	}
}

// wantMerged checks that every signature is made and delivered once, in at most the given number of
// calls.
func wantMerged(t *testing.T, remote *remoteSide, p *testProxy, calls int64) {
	t.Helper()
	n, made := p.signatures(t), remote.Counts()
	if made.Signatures != mergeRequests || n["returned"] != mergeRequests || n["sent"] != mergeRequests ||
		n["unknown"] != 0 {
		t.Errorf("%d signatures made, counters %v, want %d made and returned", made.Signatures, n, mergeRequests)
	}
	t.Logf("%d signHash calls, largest of %d digests", remote.signHash(), made.LargestBatch)
	if got := remote.signHash(); got > calls {
		t.Errorf("%d signHash calls, want at most %d", got, calls)
	}
}

// each calls do mergeRequests times, from the given number of clients in parallel.
func each(t *testing.T, clientsAtOnce int, do func(t *testing.T, c *client.Client, i int), p *testProxy) {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: clientsAtOnce}
	defer transport.CloseIdleConnections()
	c, err := client.New(client.Config{
		URL:      p.URL,
		ClientID: "PRT.1-PRT.2-alice",
		Secret:   clients["PRT.1-PRT.2-alice"],
		HTTP:     &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range clientsAtOnce {
		workers.Go(func() {
			for i := next.Add(1); i <= mergeRequests && !t.Failed(); i = next.Add(1) {
				do(t, c, int(i))
			}
		})
	}
	workers.Wait()
}

// discard is a client.Sink that discards contents.
type discard struct{}

func (discard) Begin() error                       { return nil }
func (discard) Create(int) (io.WriteCloser, error) { return closer{io.Discard}, nil }

// TestTokenThatEndsEverySecond checks that a thousand documents are signed although each access
// token expires after a second.
func TestTokenThatEndsEverySecond(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(
		t,
		service.Options{
			TokenLifetime: time.Second,
			Latency:       50 * time.Millisecond,
			Credentials:   []service.Credential{{Multisign: 20}},
		},
	)
	p := newTestProxy(t, remote.flags()...).start(t)
	c := newClient(t, p.Instance)
	began := time.Now()
	r := tinyRequest(t, "tokens")
	for i := 1; i < 1000; i++ {
		d := r.Documents[0]
		d.Reference = fmt.Sprint("tokens ", i)
		r.Documents = append(r.Documents, d)
	}
	if _, err := c.SignAsync(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	op, err := c.Wait(t.Context(), "tokens")
	if err != nil || op.Status != client.StatusExecuted {
		t.Fatalf("Wait = %+v, %v", op, err)
	}
	for i, d := range op.Documents {
		if d.Failure() != "" {
			t.Fatalf("document %d: %s", i, d.Failure())
		}
	}
	counts := remote.Counts()
	if n := p.signatures(t); counts.Signatures != 1000 || n["returned"] != 1000 {
		t.Errorf("%d signatures made, counters %v, want 1000", counts.Signatures, n)
	}
	wantTokenCalls(t, counts, time.Since(began))
}

// wantTokenCalls checks that there are at most three token calls in any second, with some tolerance
// for the start of a second.
func wantTokenCalls(t *testing.T, c service.Counts, took time.Duration) {
	t.Helper()
	var calls int64
	for path, n := range c.Calls {
		if strings.HasSuffix(path, "/token") {
			calls += n
		}
	}
	most := 3 * (int64(took/time.Second) + 2)
	t.Logf("%d token calls in %s", calls, took)
	if calls == 0 || calls > most {
		t.Errorf("%d token calls in %s, want 1 to %d", calls, took, most)
	}
}

// TestWrongSecret checks a client service whose secret the remote side does not know. The answer
// says so, and the proxy does not retry in a fast loop. Once the client file is corrected,
// documents are signed without a restart.
func TestWrongSecret(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{ClientServices: map[string]string{"PRT.1-PRT.2-alice": "another secret"}})
	p := newTestProxy(t, append(remote.flags(), "--signing.tries=1", "--signing.retry.backoff=100ms")...).start(t)
	began := time.Now()
	for i := range 20 {
		op, err := newClient(
			t,
			p.Instance,
		).Sign(t.Context(), oneDocument(t, fmt.Sprint("wrong ", i), client.SignatureInfo{}), discard{})
		if err != nil || op.Status != client.StatusFailed {
			t.Fatalf("Sign = %+v, %v, want it failed", op, err)
		}
		if f := op.Documents[0].Failure(); !strings.Contains(f, "INVALID_CERT_SERVICE_CREDS") ||
			!strings.Contains(f, "client id or secret") ||
			strings.Contains(f, "alice's") {
			t.Fatalf("failure = %s, want it to name the client id or secret", f)
		}
	}
	wantTokenCalls(t, remote.Counts(), time.Since(began))
	if text := p.log(t); strings.Contains(text, "alice's secret") {
		t.Error("the log shows the secret")
	}
	file := p.o.Work + "/client-services-config.json"
	if err := os.WriteFile(file, []byte(`{"PRT.1-PRT.2-alice": {"secret": "another secret"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the new secret signs", func() bool {
		c, err := client.New(client.Config{URL: p.URL, ClientID: "PRT.1-PRT.2-alice", Secret: "another secret"})
		if err != nil {
			t.Fatal(err)
		}
		op, err := c.Sign(t.Context(),
			oneDocument(t, fmt.Sprint("right ", time.Now().UnixNano()), client.SignatureInfo{}), discard{})
		return err == nil && op.Status == client.StatusExecuted
	})
}
