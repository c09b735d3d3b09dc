package affinity

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Headers that pass between client and peer. A list of the allowed headers is shorter and safer
// than a list of the forbidden ones.
var (
	requestHeaders = []string{
		"Accept", "Content-Type", "Content-Encoding", "Idempotency-Key", "User-Agent", "Traceparent", "Tracestate",
		"Range", "If-Range", "If-Match", "If-None-Match",
	}
	responseHeaders = []string{
		"Content-Type",
		"Content-Length",
		"Content-Disposition",
		"Content-Range",
		"Accept-Ranges",
		"ETag",
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
	a.timer.Reset(idleTimeout)
	_, err := io.Copy(w, &idleReader{a.Body, a.timer})
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

// answerTimer cancels a question whose answer does not begin within limit. The time does not run
// while the request's body is read from the client.
type answerTimer struct {
	limit time.Duration
	mu    sync.Mutex
	timer *time.Timer
	over  bool
	// expired is true once the timer has cancelled the question. It tells that from a client that has
	// gone away.
	expired atomic.Bool
}

func newAnswerTimer(limit time.Duration, cancel func()) *answerTimer {
	t := &answerTimer{limit: limit}
	t.timer = time.AfterFunc(limit, func() {
		t.expired.Store(true)
		cancel()
	})
	return t
}

// end stops the timer permanently. Later calls of set do nothing, because the transport may
// continue to read the request's body for a while.
func (t *answerTimer) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	t.timer.Stop()
}

// ended reports whether end was called: the answer has begun, or there will be none.
func (t *answerTimer) ended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.over
}

func (t *answerTimer) set(running bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.over:
	case running:
		t.timer.Reset(t.limit)
	default:
		t.timer.Stop()
	}
}

// pausingBody is the body of a request to a peer. It stops the timer while it waits for the client
// and restarts it after each read, so that a slow client does not use up the peer's time.
//
// The body is closed when the answer begins, so reads fail then. The HTTP transport closes the
// connection when it notices that, although the answer is still on its way. So a read never fails
// after the answer has begun.
type pausingBody struct {
	ctx  context.Context // of the request; done when the answer was read
	r    io.Reader
	left int64 // bytes until the end; negative = not known
	t    *answerTimer
}

// Read implements io.Reader.
func (b *pausingBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF // the transport reads once more at the end
	}
	b.t.set(false)
	defer b.t.set(true)
	n, err := b.r.Read(p)
	if b.left > 0 {
		b.left = max(b.left-int64(n), 0)
	}
	if err != nil && err != io.EOF && b.t.ended() {
		<-b.ctx.Done()
	}
	return n, err
}

// idleReader reads from a peer and restarts timer, which cancels the answer after a pause of
// idleTimeout.
type idleReader struct {
	r     io.Reader
	timer *time.Timer
}

// Read implements io.Reader.
func (p *idleReader) Read(b []byte) (int, error) {
	p.timer.Reset(idleTimeout)
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
