package main_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
)

const (
	hostileClients = 4
	// hostileLimit is the longest time that an answer may take. Only `make soak` checks it, because a
	// busy machine proves nothing.
	hostileLimit = 2 * time.Second
)

// hostile sends invalid input and counts the answers.
type hostile struct {
	t       *testing.T
	p       *testProxy
	http    *http.Client
	longest atomic.Int64
	last    atomic.Pointer[hostileOperation] // the last one signed; never nil
	mu      sync.Mutex
	answers map[hostileAnswer]int
}

// hostileAnswer is a call and the status of its answer.
type hostileAnswer struct {
	call   string
	status int
}

// count returns how often a call was answered with that status.
func (h *hostile) count(call string, status int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answers[hostileAnswer{call, status}]
}

// good returns how often a call succeeded.
func (h *hostile) good(call string) (n int) {
	for _, status := range []int{http.StatusOK, http.StatusAccepted, http.StatusNoContent} {
		n += h.count(call, status)
	}
	return n
}

func newHostile(t *testing.T) *hostile {
	// No rate limits: requests that are refused at the entry would test nothing, and the good request
	// at the end comes from the same address.
	h := &hostile{
		t:       t,
		p:       newTestProxy(t, "--limits.client.rate=0", "--limits.client.failures=0").start(t),
		answers: map[hostileAnswer]int{},
		http:    &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: hostileClients}},
	}
	h.last.Store(new(hostileOperation))
	return h
}

// each runs f count times, some of them in parallel. Each run has its own random numbers, derived
// from seed and n.
func (h *hostile) each(count int, f func(n int, r *rand.Rand)) {
	seed := rand.Uint64()
	h.t.Logf("seed %d", seed)
	var all sync.WaitGroup
	var next atomic.Int64
	for range hostileClients {
		all.Go(func() {
			for n := next.Add(1); n <= int64(count) && !h.t.Failed(); n = next.Add(1) {
				f(int(n), rand.New(rand.NewPCG(seed, uint64(n))))
			}
		})
	}
	all.Wait()
}

// send checks that the answer is a documented one: no 5xx except 503.
func (h *hostile) send(r *http.Request, call, what string) (int, []byte) {
	started := time.Now()
	resp, err := h.http.Do(r)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	raise(&h.longest, int64(time.Since(started)))
	if err != nil {
		// net/http itself answers input that is not HTTP, and then closes the connection over the unread
		// body. That may reset the connection before the client sees the answer.
		if r.URL.Opaque == "" || !errors.Is(err, syscall.ECONNRESET) {
			h.t.Errorf("%s: no answer: %v", what, err)
		}
		return 0, nil
	}
	h.mu.Lock()
	h.answers[hostileAnswer{call, resp.StatusCode}]++
	h.mu.Unlock()
	if resp.StatusCode >= 500 && resp.StatusCode != http.StatusServiceUnavailable {
		h.t.Errorf("%s: %d %.500s", what, resp.StatusCode, body)
	}
	return resp.StatusCode, body
}

// finish checks that the proxy is healthy, and logs the counts.
func (h *hostile) finish() {
	content, err := os.ReadFile(sample)
	if err != nil {
		h.t.Fatal(err)
	}
	good := h.request("document/sign/base64/", hostileJSON(h.t, "a good one", content))
	if status, body := h.send(good, "good", "a good request"); status != http.StatusOK {
		h.t.Errorf("a good request: %d %.300s", status, body)
	}
	longest := time.Duration(h.longest.Load())
	h.t.Logf("answers %v, the longest took %v", h.answers, longest.Round(time.Millisecond))
	if hostileRequests.long() && longest > hostileLimit {
		h.t.Errorf("an answer took %v, want %v at most", longest, hostileLimit)
	}
	select {
	case <-h.p.Ended():
		h.t.Error("the proxy has ended")
	default:
	}
	if n := strings.Count(h.p.log(h.t), "panic"); n > 0 {
		h.t.Errorf("the log holds %d panics", n)
	}
}

// raise sets a value to v if it is smaller.
func raise(value *atomic.Int64, v int64) {
	for old := value.Load(); v > old && !value.CompareAndSwap(old, v); old = value.Load() {
	}
}

func (h *hostile) request(path string, body []byte) *http.Request {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, h.p.URL+apiPath+path,
		bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.SetBasicAuth("PRT.1-PRT.2-alice", clients["PRT.1-PRT.2-alice"])
	r.Header.Set("Content-Type", "application/json")
	return r
}

func hostileJSON(t *testing.T, reference string, pdf []byte) []byte {
	t.Helper()
	type object = map[string]any
	body, err := json.Marshal(object{
		"externalReference": reference, "description": "hostile", "returnSignedContent": true,
		"documents": []object{
			{
				"documentRequest": object{
					"externalReference": "d",
					"name":              "d.pdf",
					"contentType":       "application/pdf",
					"base64Content":     base64.StdEncoding.EncodeToString(pdf),
				},
				"signatureInfo": object{
					"signatureType": "PAdES",
					"reason":        "r",
					"level":         "B-B",
					"visibleSignatureInfo": object{
						"locationType":   "COORDINATE",
						"locationValue":  "page=1,x=10,y=10",
						"area":           "width=200,height=100",
						"templateType":   "ONE_OFF",
						"oneOffTemplate": "$reason",
					},
				},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestHostileRequests mutates all parts of a request: body, path, query, headers and method.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	calls := hostileCalls()
	for _, c := range calls[:2] { // operations to read and delete exist from the start
		h.call(c, c.make(t, 0, h.last.Load()), "the first")
	}
	h.each(hostileRequests.count(t), func(n int, r *rand.Rand) {
		c := calls[n%len(calls)]
		seed := c.make(t, n, h.last.Load())
		if seed.body != nil && r.IntN(3) > 0 {
			seed.body, seed.reference = mutate(r, seed.body), ""
		}
		if seed.query != "" && r.IntN(3) > 0 {
			seed.query = safeTarget(mutate(r, []byte(seed.query)))
		}
		h.call(c, seed, fmt.Sprint("request ", n), func(request *http.Request) { mutateHead(r, request) })
	})
	for _, c := range calls {
		if h.good(c.name) == 0 {
			t.Errorf("no %s succeeded, so its handler was not tested", c.name)
		}
		if c.method == http.MethodPost && h.count(c.name, http.StatusBadRequest) == 0 {
			t.Errorf("no %s was refused with 400, so its body was not read", c.name)
		}
	}
	h.finish()
}

// TestHostileDocuments sends mutated documents to sign. Each document that is returned as signed is
// valid.
func TestHostileDocuments(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	var samples [][]byte
	files, err := filepath.Glob(filepath.Join("..", "..", "hack", "samples", "*.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(content) < 250_000 {
			samples = append(samples, content)
		}
	}
	signed := atomic.Int64{}
	h.each(hostileDocuments.count(t), func(n int, r *rand.Rand) {
		pdf := mutate(r, samples[r.IntN(len(samples))])
		status, body := h.send(h.request("document/sign/base64/", hostileJSON(t, fmt.Sprint("document ", n), pdf)), "sign",
			fmt.Sprint("document ", n))
		var op soakOperation
		if status != http.StatusOK || json.Unmarshal(body, &op) != nil || len(op.DocumentList) != 1 ||
			op.DocumentList[0].SignStatus != "SIGNED" {
			return
		}
		signed.Add(1)
		content, err := base64.StdEncoding.DecodeString(op.DocumentList[0].SignedContent)
		if err != nil || !bytes.HasPrefix(content, pdf) {
			t.Errorf("document %d: the signed one does not begin with the original, %v", n, err)
			return
		}
		report, err := pades.Verify(context.Background(), bytes.NewReader(content), int64(len(content)),
			pades.VerifyOptions{})
		if err != nil || len(report.Signatures) == 0 || !report.Signatures[len(report.Signatures)-1].Valid() {
			t.Errorf("document %d was signed and is not valid: %+v, %v", n, report, err)
		}
	})
	t.Logf("%d were signed", signed.Load())
	h.finish()
}
