package affinity

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Headers that pass between client and peer. Naming what may pass is shorter than naming what may
// not, and safer.
var (
	requestHeaders = []string{
		"Accept", "Content-Type", "Content-Encoding", "Idempotency-Key", "User-Agent", "Traceparent", "Tracestate",
	}
	responseHeaders = []string{
		"Content-Type",
		"Content-Length",
		"Content-Disposition",
		"Cache-Control",
		"Retry-After",
		"WWW-Authenticate",
		"Location",
		"Allow",
		"Idempotent-Replayed",
		"X-Content-Type-Options",
		InstanceHeader,
	}
)

// question is a request to be put to a peer.
type question struct {
	method, uri string
	authorize   func(Ask) (Pass, error)
	header      http.Header
	body        io.Reader // nil = none
	length      int64     // of the body; -1 = unknown
}

// outgoing is what is asked of a peer on behalf of r, without its body.
func outgoing(r Request, uri string) question {
	q := question{method: r.Method, uri: uri, authorize: r.Authorize, header: make(http.Header)}
	copyHeaders(q.header, r.Header, requestHeaders)
	return q
}

func copyHeaders(to, from http.Header, names []string) {
	for _, name := range names {
		if values := from.Values(name); len(values) > 0 {
			to[http.CanonicalHeaderKey(name)] = values
		}
	}
}

// answer is a peer's answer whose head is there. Whoever has it ends it.
type answer struct {
	*http.Response
	timer  *time.Timer // cuts it off; stopped
	cancel func()
}

// relay passes an answer on as it comes. An error means that it must not look complete.
func (a *answer) relay(w http.ResponseWriter) error {
	copyHeaders(w.Header(), a.Header, responseHeaders)
	w.WriteHeader(a.StatusCode)
	a.timer.Reset(silence)
	_, err := io.Copy(w, &patient{a.Body, a.timer})
	return err
}

// skip reads a small body, which nobody wants, so that the connection can be used again; within
// limit.
func (a *answer) skip(limit time.Duration) {
	a.timer.Reset(limit)
	_, _ = io.CopyN(io.Discard, a.Body, maxSmallAnswer)
}

// end lets go of an answer, read or not.
func (a *answer) end() {
	a.timer.Stop()
	_ = a.Body.Close()
	a.cancel()
}

// patience ends with the head of an answer. A body on its way to the peer resets it.
type patience struct {
	limit time.Duration
	mu    sync.Mutex
	timer *time.Timer
	over  bool
}

func newPatience(limit time.Duration, cancel func()) *patience {
	return &patience{limit: limit, timer: time.AfterFunc(limit, cancel)}
}

// end stops the clock for good: the transport may go on reading the request's body for a while.
func (p *patience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.timer.Stop()
}

func (p *patience) set(running bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over:
	case running:
		p.timer.Reset(p.limit)
	default:
		p.timer.Stop()
	}
}

// resetting is a body on its way to a peer: the time for the answer runs from the last of it, and
// not while the client is slow.
type resetting struct {
	r io.Reader
	p *patience
}

// Read implements io.Reader.
func (b *resetting) Read(p []byte) (int, error) {
	b.p.set(false)
	defer b.p.set(true)
	return b.r.Read(p)
}

// patient reads from a peer, which may be silent for so long.
type patient struct {
	r     io.Reader
	timer *time.Timer
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	p.timer.Reset(silence)
	n, err := p.r.Read(b)
	if err != nil && err != io.EOF {
		err = signing.Errorf(signing.KindBusy, "the other instance stopped in the middle of its answer").Because(err)
	}
	return n, err
}

// cutOrdinal splits the name of an instance of a set: proxy-12 is the prefix proxy- and 12.
func cutOrdinal(name string) (prefix string, ordinal int, ok bool) {
	i := strings.LastIndexByte(name, '-') + 1
	n, err := strconv.Atoi(name[i:])
	if i == 0 || err != nil || n < 0 || fmt.Sprint(n) != name[i:] {
		return "", 0, false
	}
	return name[:i], n, true
}
