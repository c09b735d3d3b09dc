// Package loopback serves a handler on loopback for tests with a real clock, and knows when no
// request is in progress any more.
//
// If a client gives up, the server still reads its request and carries it out a little later. A
// test that counts the cost of a call must wait for that. Otherwise it counts the cost for the next
// call.
package loopback

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
)

// Server serves a handler on loopback for one client.
type Server struct {
	// Client makes the calls for which Settle waits. It follows no redirects.
	Client *http.Client
	// URL of the handler, without a trailing slash.
	URL string

	server *httptest.Server

	mu       sync.Mutex
	changed  *sync.Cond
	dialled  int // connections that the client has made, ever
	accepted int // connections that the server has taken, ever
	ours     int // open at the client's end
	theirs   int // open at the server's end
}

// Serve starts serving h.
func Serve(h http.Handler) *Server {
	s := &Server{}
	s.changed = sync.NewCond(&s.mu)
	s.server = httptest.NewUnstartedServer(h)
	s.server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.change(func() { s.accepted++; s.theirs++ })
		case http.StateClosed, http.StateHijacked:
			s.change(func() { s.theirs-- })
		}
	}
	s.server.Start()
	s.URL = s.server.URL
	s.Client = &http.Client{
		Transport:     &http.Transport{DialContext: s.dial},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

func (s *Server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.changed.Broadcast()
}

func (s *Server) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s.change(func() { s.dialled++; s.ours++ })
	return &conn{Conn: c, closed: func() { s.change(func() { s.ours-- }) }}, nil
}

// conn reports when it is closed.
type conn struct {
	net.Conn
	once   sync.Once
	closed func()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.closed)
	return err
}

// Settle returns when every request that was sent has been handled and no connection is open at
// either end. Call it only while no call is in progress.
func (s *Server) Settle() {
	s.Client.CloseIdleConnections()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.ours > 0 || s.theirs > 0 || s.accepted < s.dialled {
		s.changed.Wait()
	}
}

// Close stops serving.
func (s *Server) Close() {
	s.Client.CloseIdleConnections()
	s.server.Close()
}
