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

// Headers that pass between client and peer. A list of the allowed headers is shorter and safer
// than a list of the forbidden ones.
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

// question is a request to a peer.
type question struct {
	method, uri string
	authorize   func(Ask) (Pass, error)
	header      http.Header
	body        io.Reader // nil = none
	length      int64     // of the body; -1 = unknown
}

// outgoing returns the question to a peer on behalf of r, without the body.
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

// answer is an answer of a peer after its headers arrived. The holder must call end.
type answer struct {
	*http.Response
	timer  *time.Timer // cancels the answer; stopped at first
	cancel func()
}

// relay streams an answer to w. After an error the answer must not look complete to the client.
func (a *answer) relay(w http.ResponseWriter) error {
	copyHeaders(w.Header(), a.Header, responseHeaders)
	w.WriteHeader(a.StatusCode)
	a.timer.Reset(silence)
	_, err := io.Copy(w, &patient{a.Body, a.timer})
	return err
}

// skip reads and drops a small body within limit, so that the connection can be reused.
func (a *answer) skip(limit time.Duration) {
	a.timer.Reset(limit)
	_, _ = io.CopyN(io.Discard, a.Body, maxSmallAnswer)
}

// end releases an answer, whether it was read or not.
func (a *answer) end() {
	a.timer.Stop()
	_ = a.Body.Close()
	a.cancel()
}

// patience cancels a question whose answer does not begin within limit. The time does not run while
// the request's body is read from the client.
type patience struct {
	limit time.Duration
	mu    sync.Mutex
	timer *time.Timer
	over  bool
}

func newPatience(limit time.Duration, cancel func()) *patience {
	return &patience{limit: limit, timer: time.AfterFunc(limit, cancel)}
}

// end stops the timer for good. Later calls of set do nothing, because the transport may go on
// reading the request's body for a while.
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

// resetting is the body of a request to a peer. It stops patience while it waits for the client and
// restarts it after each read, so that a slow client does not use up the peer's time.
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

// patient reads from a peer and restarts timer, which cancels the answer after a pause of silence.
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

// cutOrdinal splits the name of an instance into prefix and ordinal: proxy-12 gives proxy- and 12.
func cutOrdinal(name string) (prefix string, ordinal int, ok bool) {
	i := strings.LastIndexByte(name, '-') + 1
	n, err := strconv.Atoi(name[i:])
	if i == 0 || err != nil || n < 0 || fmt.Sprint(n) != name[i:] {
		return "", 0, false
	}
	return name[:i], n, true
}
