package affinity

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Headers that pass between client and peer. Naming what may pass is shorter than naming what may not, and safer.
var (
	requestHeaders = []string{
		"Authorization", "Accept", "Content-Type", "Content-Encoding", "Idempotency-Key", "User-Agent", "Traceparent", "Tracestate",
	}
	responseHeaders = []string{
		"Content-Type", "Content-Length", "Content-Disposition", "Cache-Control", "Retry-After", "WWW-Authenticate", "Location", "Allow",
		"Idempotent-Replayed", "X-Content-Type-Options", InstanceHeader,
	}
)

// question is a request to be put to a peer.
type question struct {
	method, uri string
	header      http.Header
	body        io.Reader // nil = none
	length      int64     // of the body; -1 = unknown
}

// outgoing is what is asked of a peer on behalf of r.
func outgoing(r *http.Request, uri string, body io.Reader) question {
	q := question{method: r.Method, uri: uri, header: make(http.Header), body: body}
	if body != nil {
		q.length = r.ContentLength
	}
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

// relay passes an answer on as it comes. An error means that it must not look complete.
func relay(w http.ResponseWriter, resp *http.Response, cancel func()) error {
	copyHeaders(w.Header(), resp.Header, responseHeaders)
	w.WriteHeader(resp.StatusCode)
	timer := time.AfterFunc(silence, cancel)
	defer timer.Stop()
	_, err := io.Copy(w, &patient{resp.Body, timer})
	return err
}

// resetting is a body on its way to a peer: the time for the answer runs from the last of it.
type resetting struct {
	r     io.Reader
	timer *time.Timer
	limit time.Duration
}

// Read implements io.Reader.
func (b *resetting) Read(p []byte) (int, error) {
	b.timer.Reset(b.limit)
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
