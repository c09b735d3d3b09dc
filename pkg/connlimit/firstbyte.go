package connlimit

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync/atomic"
)

// handshakeRecord is the first byte of a TLS connection: the content type handshake (RFC 8446
// section 5.1). No HTTP request begins with it, because a method is a token (RFC 9110 section 9.1).
const handshakeRecord = 0x16

// eitherConn is the connection of a client that may use TLS or not. The first byte that the client
// sends decides it. Read and Write may be called concurrently; only one goroutine reads.
type eitherConn struct {
	net.Conn // the network
	config   *tls.Config
	decided  atomic.Pointer[net.Conn] // the connection with or without TLS; nil before the first byte
}

// errUndecided is the error of a write before the first byte. A server writes answers only, so it
// does not occur.
var errUndecided = errors.New("write before the client has sent a byte")

// Read implements net.Conn. The first read waits for the first byte and decides with it.
func (c *eitherConn) Read(p []byte) (int, error) {
	if decided := c.decided.Load(); decided != nil {
		return (*decided).Read(p)
	}
	n, err := c.Conn.Read(p)
	if n == 0 {
		return 0, err
	}
	if p[0] != handshakeRecord {
		c.decided.Store(&c.Conn)
		return n, err
	}
	var encrypted net.Conn = tls.Server(&unreadConn{Conn: c.Conn, unread: slices.Clone(p[:n])}, c.config)
	c.decided.Store(&encrypted)
	return encrypted.Read(p)
}

// Write implements net.Conn.
func (c *eitherConn) Write(p []byte) (int, error) {
	if decided := c.decided.Load(); decided != nil {
		return (*decided).Write(p)
	}
	return 0, errUndecided
}

// CloseWrite closes the sending half of the connection.
func (c *eitherConn) CloseWrite() error {
	if decided := c.decided.Load(); decided != nil {
		return closeWrite(*decided)
	}
	return closeWrite(c.Conn)
}

// Close implements net.Conn. With TLS it tells the client that nothing more follows.
func (c *eitherConn) Close() error {
	if decided := c.decided.Load(); decided != nil {
		return (*decided).Close()
	}
	return c.Conn.Close()
}

// encrypted returns the TLS connection, or nil if the client does not use TLS.
func (c *eitherConn) encrypted() *tls.Conn {
	if decided := c.decided.Load(); decided != nil {
		encrypted, _ := (*decided).(*tls.Conn)
		return encrypted
	}
	return nil
}

// unreadConn is a connection of which some bytes were read already. Read returns them again.
type unreadConn struct {
	net.Conn
	unread []byte // only for the reader
}

// Read implements net.Conn.
func (c *unreadConn) Read(p []byte) (int, error) {
	if len(c.unread) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// closeWrite closes the sending half of a connection that has halves.
func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
