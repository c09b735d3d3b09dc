package connlimit

import (
	"container/list"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// readAhead is how many bytes net/http may read beyond the end of a body: the size of its
// bufio.Reader.
const readAhead = 4 << 10

const (
	// firstHeadBytes is the first size of the buffer for a head that did not come in one piece. Most
	// heads fit into it.
	firstHeadBytes = 1 << 10
	// refusedTime and refusedBytes bound what is read after the answer 431. If the connection were
	// closed at once, it would be reset, and the client might lose the answer.
	refusedTime  = 500 * time.Millisecond
	refusedBytes = 64 << 10
)

// phase says what the next bytes of a connection belong to.
type phase int

const (
	inHead  phase = iota
	untold        // a head was handed over, and begin has not been called for it yet
	inBody        // a body whose remaining length is known
	inChunk       // a body without a known length
	inHTTP2       // frames; HTTP/2 has its own limits
	refused       // nothing more is handed over
)

// conn is a connection with limits. net/http serializes the reads. All other methods may be called
// concurrently.
type conn struct {
	net.Conn          // the connection of the server: TLS, or raw
	raw      net.Conn // the network
	listener *Listener
	since    time.Time

	// Guarded by the mutex of the listener.
	place *list.Element // in young or old; nil = the place was released
	young bool
	holds int

	// Only for the reader.
	buf     []byte // bytes from the network that were not handed over yet
	scanned int    // bytes at the start of buf that were scanned
	ready   int    // bytes at the start of buf that may be handed over
	whole   bool   // a head ends there
	err     error  // to be returned when buf is empty

	mu            sync.Mutex
	phase         phase
	scan          headScan
	left          int64  // of the body
	early         []byte // bytes read while untold, because net/http waits for one byte while a handler runs
	served        bool   // a head was handed over before
	http2         bool   // the first head was the preface of HTTP/2
	idle          bool   // no request is being served
	readDeadline  time.Time
	writeDeadline time.Time
}

func newConn(l *Listener, raw net.Conn) *conn {
	c := &conn{Conn: raw, raw: raw, listener: l, since: time.Now(), idle: true}
	if l.cfg.TLS != nil {
		_ = raw.SetWriteDeadline(c.since.Add(l.cfg.WriteTimeout)) // of the handshake
		c.Conn = tls.Server(raw, l.cfg.TLS)
	}
	return c
}

// Read implements net.Conn. A head is handed over when it is complete, or with the error that ends
// it.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.mu.Lock()
	now, idle := c.phase, c.idle
	c.mu.Unlock()
	switch {
	case now == refused:
		return 0, io.EOF
	case now == inHead && idle:
		return c.readHead(p)
	}
	return c.readOn(p)
}

// readHead reads until a head is complete, and hands over as much of it as fits into p.
func (c *conn) readHead(p []byte) (int, error) {
	for c.ready == 0 {
		if c.scanned < len(c.buf) {
			n, exceeded := c.scanHead(c.buf[c.scanned:])
			if exceeded {
				return 0, c.refuse(p)
			}
			if c.scanned += n; c.whole {
				c.ready = c.scanned
				c.seePreface(c.buf[:c.ready])
				break
			}
		}
		if c.exceeded() { // the head was read together with the previous body
			return 0, c.refuse(p)
		}
		if c.err != nil { // net/http decides what to do with an unfinished head
			if c.ready = len(c.buf); c.ready == 0 {
				return 0, c.err
			}
			break
		}
		if len(c.buf) == 0 && len(p) >= readAhead {
			if n, err := c.readWhole(p); n > 0 || err != nil {
				return n, err
			}
			continue
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buf[:c.ready])
	c.consume(n)
	if c.ready == 0 && c.whole {
		c.handedOver()
	}
	return n, nil
}

// readWhole reads directly into p, and hands p over if it contains a complete head. This is the
// usual case, and it copies nothing.
func (c *conn) readWhole(p []byte) (int, error) {
	n, err := c.read(p)
	end, exceeded := c.scanHead(p[:n])
	switch {
	case exceeded:
		return 0, c.refuse(p)
	case c.whole:
		c.buf, c.err = append(c.buf, p[end:n]...), permanent(err)
		c.seePreface(p[:end])
		c.handedOver()
		return end, nil
	case n > 0:
		c.buf = append(make([]byte, 0, max(firstHeadBytes, n)), p[:n]...)
		c.scanned = n
		c.hurry()
	}
	c.err = permanent(err)
	if c.err != nil {
		return 0, nil // readHead hands over what was read
	}
	return 0, err
}

// fill reads more bytes into buf. It keeps a permanent error for later.
func (c *conn) fill() error {
	if cap(c.buf) == len(c.buf) {
		size := min(max(2*len(c.buf), firstHeadBytes), c.listener.cfg.MaxHeadBytes+firstHeadBytes)
		c.buf = append(make([]byte, 0, max(size, len(c.buf)+1)), c.buf...)
	}
	n, err := c.read(c.buf[len(c.buf):cap(c.buf)])
	began := len(c.buf) == 0 && n > 0
	c.buf = c.buf[:len(c.buf)+n]
	if began {
		c.hurry()
	}
	if c.err = permanent(err); c.err != nil {
		return nil
	}
	return err
}

// permanent returns err, or nil if the connection can still be read after it. net/http ends its own
// reads by a deadline, which is not permanent.
func permanent(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// scanHead scans bytes of a head and returns how many it scanned. It sets whole at the end of the
// head.
func (c *conn) scanHead(b []byte) (n int, exceeded bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, c.whole, exceeded = c.scan.feed(b, c.listener.limits)
	return n, exceeded
}

// exceeded reports whether the scanned part of a head exceeds a limit.
func (c *conn) exceeded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.listener.limits.exceededBy(&c.scan)
}

// consume removes n bytes from the front of buf. It releases an empty buffer, so that an idle
// connection holds none.
func (c *conn) consume(n int) {
	c.buf, c.scanned, c.ready = c.buf[n:], max(c.scanned-n, 0), max(c.ready-n, 0)
	if len(c.buf) == 0 {
		c.buf = nil
	}
}

// handedOver records that a whole head was handed over.
func (c *conn) handedOver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scanned, c.ready = 0, 0
	c.phase, c.scan, c.early = untold, headScan{}, nil
	if c.http2 {
		c.phase = inHTTP2
	}
	c.served = true
}

// seePreface records whether the first head of a connection is the beginning of the HTTP/2 client
// preface, RFC 9113 section 3.4. The server accepts it on TLS connections.
func (c *conn) seePreface(head []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.http2 = c.listener.cfg.TLS != nil && !c.served && string(head) == "PRI * HTTP/2.0\r\n\r\n"
}

// readOn hands over bytes that are not part of a head, and finds where the next head begins.
func (c *conn) readOn(p []byte) (n int, err error) {
	c.mu.Lock()
	if c.phase == inBody && int64(len(p)) > c.left {
		p = p[:c.left]
	}
	c.mu.Unlock()
	switch {
	case len(c.buf) > 0:
		n = copy(p, c.buf)
		c.consume(n)
	case c.err != nil:
		return 0, c.err
	default:
		n, err = c.read(p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.phase { // begin may have changed the phase meanwhile
	case untold:
		if len(c.early) < readAhead {
			c.early = append(c.early, p[:n]...)
		}
	case inHead: // net/http waits for one byte while a handler runs
		c.scan.feed(p[:n], c.listener.limits)
	case inBody:
		if c.left -= int64(n); c.left <= 0 {
			c.phase, c.scan = inHead, headScan{}
		}
	case inChunk:
		c.scan.follow(p[:n])
	}
	return n, err
}

// begin tells the connection the length of the body of the request that is served now; -1 means
// that the length is unknown. It returns false if the head was read together with the previous body
// and was therefore not counted from its start. The connection must then end with the answer.
func (c *conn) begin(length int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.phase {
	case untold:
	case inHTTP2:
		return true
	case refused:
		return false
	default:
		c.phase = inChunk
		return false
	}
	switch {
	case length < 0:
		c.phase = inChunk
		c.scan.follow(c.early)
	case length > int64(len(c.early)):
		c.phase, c.left = inBody, length-int64(len(c.early))
	default:
		c.phase = inHead
		c.scan.feed(c.early[length:], c.listener.limits)
	}
	c.early = nil
	return true
}

// setIdle records whether net/http serves a request on the connection. After a body without a known
// length, the next bytes are a head, and its beginning may have been read already.
func (c *conn) setIdle(idle bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = idle
	if idle && (c.phase == untold || c.phase == inChunk) {
		c.phase = inHead
	}
}

// hurry sets the deadline for the rest of a head that has begun. net/http would start its own
// timeout only when it gets the first byte, and that is when the head is complete.
func (c *conn) hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	until := time.Now().Add(c.listener.cfg.HeadTimeout)
	if c.readDeadline.IsZero() || c.readDeadline.After(until) {
		_ = c.Conn.SetReadDeadline(until)
	}
}

// read reads from the network. The first read makes the TLS handshake.
func (c *conn) read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	var record tls.RecordHeaderError
	if err == nil || !errors.As(err, &record) {
		return n, err
	}
	if record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
		_, _ = io.WriteString(
			record.Conn,
			"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
		)
	}
	return 0, io.EOF
}

// looksLikeHTTP reports whether a client that should speak TLS has sent the beginning of an HTTP
// request.
func looksLikeHTTP(b [5]byte) bool {
	switch string(b[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET":
		return true
	}
	return false
}

// refuse answers 431 to a head that exceeds a limit, and returns the error that ends the
// connection. It uses p as a buffer.
func (c *conn) refuse(p []byte) error {
	c.buf, c.scanned, c.ready = nil, 0, 0
	c.listener.metrics.closed(c.listener.cfg.Port, reasonHead)
	const status = "431 Request Header Fields Too Large"
	text := fmt.Sprintf(
		"%s: the limits are %d bytes and %d fields\n",
		status,
		c.listener.limits.bytes,
		c.listener.limits.fields,
	)
	_ = c.SetWriteDeadline(time.Now().Add(refusedTime))
	_, _ = fmt.Fprintf(
		c.Conn,
		"HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status,
		len(text),
		text,
	)
	_ = c.CloseWrite()
	c.mu.Lock()
	c.phase = refused
	c.mu.Unlock()
	_ = c.SetReadDeadline(time.Now().Add(refusedTime))
	for rest := refusedBytes; rest > 0; {
		n, err := c.Conn.Read(p)
		if rest -= n; err != nil {
			break
		}
	}
	return io.EOF
}

// Write implements net.Conn. If no deadline is set, it waits at most WriteTimeout for the client.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.phase == refused { // the last answer was 431
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	if c.writeDeadline.IsZero() {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(c.listener.cfg.WriteTimeout))
	}
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readDeadline = t
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeDeadline = t
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite closes the sending half of the connection.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.listener.remove(c)
	return c.Conn.Close()
}
