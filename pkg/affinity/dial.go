package affinity

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// plainProbeDelay is how long a TLS handshake may take before the peer is asked whether it answers
// without TLS. Instances of earlier releases that do not use TLS never answer a handshake. The
// delay is a multiple of what a handshake takes on a busy machine, and leaves half of keyTimeout.
const plainProbeDelay = keyTimeout / 2

// dialTLS connects to a peer with TLS and verifies its certificate. With AllowPlaintext, and only
// then, it connects without TLS if the peer shows that it does not use TLS. Each new connection
// tries TLS first, so nothing that a peer was before can keep a connection in clear text. A failed
// handshake alone, a wrong certificate and silence never lead to clear text.
func (c *ForwarderConfig) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	if !c.AllowPlaintext {
		return c.dialEncrypted(ctx, network, address)
	}
	trying, cancel := context.WithCancel(ctx)
	defer cancel()
	encrypted := make(chan dialed, 1)
	go func() {
		conn, err := c.dialEncrypted(trying, network, address)
		encrypted <- dialed{conn, err}
	}()
	plain := make(chan bool, 1)
	probe := time.AfterFunc(plainProbeDelay, func() { plain <- answersPlainly(trying, network, address) })
	defer probe.Stop()
	for {
		select {
		case d := <-encrypted:
			if !isHTTP(d.err) {
				return d.conn, d.err
			}
			return dialPlain(ctx, network, address)
		case yes := <-plain:
			if yes {
				cancel()
				go closeLate(encrypted)
				return dialPlain(ctx, network, address)
			}
		}
	}
}

// dialed is the result of an attempt to connect.
type dialed struct {
	conn net.Conn
	err  error
}

// closeLate closes a connection that nobody needs any more.
func closeLate(late <-chan dialed) {
	if d := <-late; d.err == nil {
		_ = d.conn.Close()
	}
}

// dialEncrypted connects to a peer with TLS and verifies its certificate.
func (c *ForwarderConfig) dialEncrypted(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout) // the connection, then the handshake
	defer cancel()
	config := c.TLS.Clone()
	if c.Authorities != nil {
		if pool := c.Authorities(); pool != nil {
			config.RootCAs = pool
		}
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: config}
	return d.DialContext(ctx, network, address)
}

func dialPlain(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
}

// isHTTP reports whether err is that of a handshake which the peer answered by HTTP. Instances
// without TLS do that.
func isHTTP(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/"
}

// answersPlainly reports whether an instance answers at an address without TLS. The request that
// finds it out holds no credentials.
func answersPlainly(ctx context.Context, network, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := dialPlain(ctx, network, address)
	if err != nil {
		return false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := io.WriteString(conn, "OPTIONS / HTTP/1.1\r\nHost: "+address+"\r\nConnection: close\r\n\r\n"); err != nil {
		return false
	}
	answer, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxHeaderBytes)), nil)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.Header.Get(InstanceHeader) != ""
}
