package api

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/api/request"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// drainBytes and drainTime bound how much of a refused body is still read. Otherwise a client that
// sends the whole body before it reads would see a broken connection instead of the answer. A
// client that must renew its token would not learn that.
const (
	drainBytes = 16 << 20
	drainTime  = 5 * time.Second
)

// body is a request's body with the limits of the API. Its errors are *signing.Error: KindTooLarge,
// KindHungUp.
type body struct {
	r        *http.Request // head of the request
	w        *response     // its answer
	source   io.Reader
	maxBytes int64
	n        int64 // bytes read
	err      error // sticky; io.EOF at the end
	expects  bool  // the client waits for 100 Continue; the first read sends it
	pace     limits.Pace
	ended    atomic.Bool // all was read; atomic, because a forwarded body may be read while the answer is written
}

func newBody(r *http.Request, w *response, cfg *Config) *body {
	return &body{
		r: r, w: w, source: r.Body, maxBytes: cfg.MaxBodyBytes, pace: limits.Pace{Idle: cfg.IdleTimeout},
		expects: strings.EqualFold(r.Header.Get("Expect"), "100-continue"),
	}
}

// admit checks the headers of a body before any of it is read: KindTooLarge or KindMediaType.
func (b *body) admit() error {
	if b.r.ContentLength > b.maxBytes {
		return b.tooLarge()
	}
	if enc := b.r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return signing.Errorf(request.KindMediaType, "Content-Encoding is not accepted: send the body as it is")
	}
	return nil
}

func (b *body) tooLarge() error {
	return signing.Errorf(signing.KindTooLarge, "the body is larger than %d bytes", b.maxBytes)
}

// Read implements io.Reader. It fails with KindHungUp if the client sends nothing for the idle
// timeout, or sends slower than its pace allows.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	left := b.pace.Left(b.n)
	if left <= 0 {
		b.err = signing.Errorf(signing.KindHungUp, "the body came at less than %d bytes a second", b.pace.Least())
		return 0, b.err
	}
	began := time.Now()
	b.setDeadline(began.Add(left))
	n, err := b.read(p)
	b.pace.Waited += time.Since(began)
	if err != nil {
		b.clearDeadline()
	}
	return n, err
}

func (b *body) read(p []byte) (int, error) {
	// Ask for one byte more than the limit, in order to tell a body that fits from one that does not.
	left := b.maxBytes - b.n
	if int64(len(p)) > left+1 {
		p = p[:left+1]
	}
	n, err := b.source.Read(p)
	b.expects = false
	b.n += int64(n)
	switch {
	case int64(n) > left:
		b.err = b.tooLarge()
		return int(left), b.err
	case err != nil && err != io.EOF:
		b.err = signing.Errorf(signing.KindHungUp, "the body ended early").Because(err)
		return n, b.err
	}
	b.err = err
	b.ended.Store(err == io.EOF)
	return n, err
}

// setDeadline bounds reads from the connection until a point in time.
func (b *body) setDeadline(t time.Time) {
	_ = b.w.control.SetReadDeadline(t) // not every ResponseWriter has one
}

// clearDeadline removes the bound. After the end of the body, net/http reads in order to notice
// that the client goes away, and an expired deadline would look like that.
func (b *body) clearDeadline() { b.setDeadline(time.Time{}) }

// closeConnection ends the connection after the answer, because a part of the body may follow that
// nobody reads.
func (b *body) closeConnection() { b.w.Header().Set("Connection", "close") }

// leave bounds what net/http does with a body that nobody has read to its end. It is called before
// the answer begins. net/http reads the rest of the body before it sends the answer. Without a
// deadline a client that sends nothing more would hold its connection for ever. If the client is
// not authenticated, nothing more is read and the connection ends with the answer, because the head
// of the request stays in memory while net/http reads.
func (b *body) leave(authenticated bool) {
	switch {
	case b.ended.Load() || b.r.Body == http.NoBody:
	case !authenticated && b.r.ProtoMajor < 2:
		b.closeConnection()
		b.setDeadline(time.Now())
	default:
		b.setDeadline(time.Now().Add(drainTime)) // net/http clears it before it reads anything else
	}
}

// drain reads what the client still sends, within bounds, so that the client gets to reading the
// answer.
func (b *body) drain() {
	if b.expects || b.err == io.EOF || b.r.Body == http.NoBody {
		return
	}
	if b.r.ContentLength > b.n+drainBytes {
		return
	}
	b.setDeadline(time.Now().Add(drainTime))
	_, err := io.CopyN(io.Discard, b.source, drainBytes)
	b.clearDeadline()
	if b.w.status != 0 { // the answer was sent before, so nothing more is read
		b.setDeadline(time.Now())
	}
	b.ended.Store(errors.Is(err, io.EOF))
	if err != nil && !errors.Is(err, io.EOF) {
		b.closeConnection()
	}
}
