package connlimit

import "sync"

// readAhead is how many bytes net/http may read beyond the end of a body: the size of its
// bufio.Reader.
const readAhead = 4 << 10

// phase says what the next bytes of a connection belong to.
type phase int

const (
	inHead        phase = iota
	awaitingBegin       // a head was handed over, and begin has not been called for it yet
	inBody              // a body whose remaining length is known
	inChunk             // a body without a known length
	inHTTP2             // frames; HTTP/2 has its own limits
	refused             // nothing more is handed over
)

// position says where in its requests a connection is. It is safe for concurrent use, because
// net/http reads while a handler runs.
type position struct {
	limits       headLimits
	acceptsHTTP2 bool

	mu     sync.Mutex
	phase  phase
	scan   headScan
	left   int64  // of the body
	early  []byte // bytes read before begin, because net/http waits for one byte while a handler runs
	served bool   // a head was handed over before
	http2  bool   // the first head was the preface of HTTP/2
	idle   bool   // no request is being served
}

// now returns the phase, and whether no request is being served.
func (p *position) now() (now phase, idle bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.phase, p.idle
}

// scanHead scans bytes of a head and returns how many it scanned. ended means that the head ends
// there.
func (p *position) scanHead(b []byte) (n int, ended, exceeded bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.scan.feed(b, p.limits)
}

// exceeded reports whether the scanned part of a head exceeds a limit.
func (p *position) exceeded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limits.exceededBy(&p.scan)
}

// headDone records that a whole head was handed over.
func (p *position) headDone() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase, p.scan, p.early = awaitingBegin, headScan{}, nil
	if p.http2 {
		p.phase = inHTTP2
	}
	p.served = true
}

// seePreface records whether the first head of a connection is the beginning of the HTTP/2 client
// preface, RFC 9113 section 3.4. The server accepts it on ports with TLS.
func (p *position) seePreface(head []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.http2 = p.acceptsHTTP2 && !p.served && string(head) == "PRI * HTTP/2.0\r\n\r\n"
}

// bound shortens b to what is left of a body, so that no byte of the next head is read into it.
func (p *position) bound(b []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == inBody && int64(len(b)) > p.left {
		return b[:p.left]
	}
	return b
}

// advance takes note of bytes that were handed over and are not part of a head.
func (p *position) advance(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.phase { // begin may have changed the phase meanwhile
	case awaitingBegin:
		if len(p.early) < readAhead {
			p.early = append(p.early, b...)
		}
	case inHead: // net/http waits for one byte while a handler runs
		p.scan.feed(b, p.limits)
	case inBody:
		if p.left -= int64(len(b)); p.left <= 0 {
			p.phase, p.scan = inHead, headScan{}
		}
	case inChunk:
		p.scan.follow(b)
	}
}

// refuse ends the connection: nothing more is handed over.
func (p *position) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = refused
}

// begin tells the connection the length of the body of the request that is served now; -1 means
// that the length is unknown. It returns false if the head was read together with the previous body
// and was therefore not counted from its start. The connection must then end with the answer.
func (p *position) begin(length int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.phase {
	case awaitingBegin:
	case inHTTP2:
		return true
	case refused:
		return false
	default:
		p.phase = inChunk
		return false
	}
	switch {
	case length < 0:
		p.phase = inChunk
		p.scan.follow(p.early)
	case length > int64(len(p.early)):
		p.phase, p.left = inBody, length-int64(len(p.early))
	default:
		p.phase = inHead
		p.scan.feed(p.early[length:], p.limits)
	}
	p.early = nil
	return true
}

// setIdle records whether net/http serves a request on the connection. After a body without a known
// length, the next bytes are a head, and its beginning may have been read already.
func (p *position) setIdle(idle bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = idle
	if idle && (p.phase == awaitingBegin || p.phase == inChunk) {
		p.phase = inHead
	}
}
