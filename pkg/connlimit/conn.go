package connlimit

import (
	"container/list"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// refusedTime and refusedBytes bound what is read after a last answer. If the connection were
	// closed at once, it would be reset, and the client might lose the answer.
	refusedTime  = 500 * time.Millisecond
	refusedBytes = 64 << 10
)

// conn is a connection with limits. net/http serializes the reads. All other methods may be called
// concurrently.
type conn struct {
	net.Conn          // the connection of the server: TLS, raw, or one of both
	raw      net.Conn // the network
	listener *Listener
	since    time.Time

	// Guarded by the mutex of the listener.
	place *list.Element // in young or old; nil = the place was released
	young bool
	holds int

	began    bool       // a byte was read; only for the reader
	head     headReader // only for the reader
	position position

	mu            sync.Mutex // guards the deadlines
	readDeadline  time.Time
	writeDeadline time.Time
}

func newConn(l *Listener, raw net.Conn) *conn {
	c := &conn{Conn: raw, raw: raw, listener: l, since: time.Now()}
	c.head.conn = c
	c.position = position{limits: l.limits, acceptsHTTP2: l.cfg.TLS != nil, idle: true}
	if l.cfg.TLS != nil {
		_ = raw.SetWriteDeadline(c.since.Add(l.cfg.WriteTimeout)) // of the handshake
		if l.cfg.AllowPlaintext {
			c.Conn = &eitherConn{Conn: raw, config: l.cfg.TLS}
		} else {
			c.Conn = tls.Server(raw, l.cfg.TLS)
		}
	}
	return c
}

// Read implements net.Conn. A head is handed over when it is complete, or with the error that ends
// it.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	switch now, idle := c.position.now(); {
	case now == refused:
		return 0, io.EOF
	case now == inHead && idle:
		return c.head.read(p)
	}
	return c.readRest(p)
}

// readRest hands over bytes that are not part of a head, and finds where the next head begins.
func (c *conn) readRest(p []byte) (n int, err error) {
	p = c.position.bound(p)
	n, err = c.head.take(p)
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		n, err = c.read(p)
	}
	c.position.advance(p[:n])
	return n, err
}

// limitHeadTime sets the deadline for the rest of a head that has begun. net/http would start its
// own timeout only when it gets the first byte, and that is when the head is complete.
func (c *conn) limitHeadTime() {
	c.mu.Lock()
	defer c.mu.Unlock()
	until := time.Now().Add(c.listener.cfg.HeadTimeout)
	if c.readDeadline.IsZero() || c.readDeadline.After(until) {
		_ = c.Conn.SetReadDeadline(until)
	}
}

// read reads from the network. The first read makes the TLS handshake. A client that begins a TLS
// handshake where there is no TLS gets an answer at once. Otherwise both sides would wait for each
// other, because the server waits for the end of a head.
func (c *conn) read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.began {
		c.began = true
		if p[0] == handshakeRecord && c.listener.cfg.TLS == nil {
			return 0, c.end(p, "400 Bad Request", "Client began a TLS handshake at an HTTP server.\n")
		}
	}
	var record tls.RecordHeaderError
	if err == nil || !errors.As(err, &record) {
		return n, err
	}
	if record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
		_, _ = io.WriteString(record.Conn,
			"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
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
	c.listener.metrics.countClosed(c.listener.cfg.Port, reasonHead)
	const status = "431 Request Header Fields Too Large"
	text := fmt.Sprintf("%s: the limits are %d bytes and %d fields\n", status, c.listener.limits.bytes,
		c.listener.limits.fields)
	return c.end(p, status, text)
}

// end sends a last answer and returns the error that ends the connection. It uses p as a buffer.
func (c *conn) end(p []byte, status, text string) error {
	_ = c.SetWriteDeadline(time.Now().Add(refusedTime))
	_, _ = fmt.Fprintf(
		c.Conn, "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, len(text), text,
	)
	_ = c.CloseWrite()
	c.position.refuse()
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
	if now, _ := c.position.now(); now == refused { // the last answer was 431
		return 0, net.ErrClosed
	}
	c.mu.Lock()
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
func (c *conn) CloseWrite() error { return closeWrite(c.Conn) }

// Close implements net.Conn.
func (c *conn) Close() error {
	c.listener.remove(c)
	return c.Conn.Close()
}
