package connlimit

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
)

const (
	// maxStreams bounds the concurrent requests on one HTTP/2 connection. It is the default of
	// net/http. MaxConns bounds the requests of all connections together.
	maxStreams = 250
	// maxFrameBytes is the smallest value that HTTP/2 allows, because net/http allocates a whole frame
	// when it has read the first nine bytes of it.
	maxFrameBytes = 16 << 10
	// maxStreamBytes and maxConnBytes bound the buffered part of HTTP/2 bodies that a handler has not
	// read yet. maxStreamBytes is also the window of an upload: 256 KiB allow 10 MB a second at a
	// delay of 25 ms.
	maxStreamBytes = 256 << 10
	maxConnBytes   = 1 << 20
)

// Prepare configures s to serve this listener. Call s.Serve then, also with TLS. Prepare wraps
// s.Handler, so set the handler before.
func (l *Listener) Prepare(s *http.Server) {
	s.Handler = l.handler(s.Handler)
	s.MaxHeaderBytes = max(l.cfg.MaxHeadBytes-readAhead, 1) // net/http adds its buffer to it
	s.ReadHeaderTimeout = l.cfg.HeadTimeout
	s.DisableGeneralOptionsHandler = true // that handler would not call begin
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) }
	s.ConnState = func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateActive:
			c.(*conn).position.setIdle(false)
		case http.StateIdle:
			c.(*conn).position.setIdle(true)
		}
	}
	s.Protocols = new(http.Protocols)
	s.Protocols.SetHTTP1(true)
	// conn terminates TLS, so the server sees plain connections, on which HTTP/2 begins with its
	// preface. With AllowPlaintext this includes connections without TLS, with the same limits.
	s.Protocols.SetUnencryptedHTTP2(l.cfg.TLS != nil)
	s.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams: maxStreams, MaxReadFrameSize: maxFrameBytes,
		MaxReceiveBufferPerStream: maxStreamBytes, MaxReceiveBufferPerConnection: maxConnBytes,
	}
}

// handler tells the connection the length of each request's body. It also enforces two limits that
// net/http does not have: the number of requests over all HTTP/2 connections, and the number of
// fields.
func (l *Listener) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer l.requests.Add(-1)
		if l.requests.Add(1) > int64(l.cfg.MaxConns) {
			l.metrics.countClosed(l.cfg.Port, reasonRefused)
			panic(http.ErrAbortHandler)
		}
		c, ok := r.Context().Value(connKey{}).(*conn)
		if ok && r.ProtoMajor < 2 && !c.position.begin(r.ContentLength) {
			w.Header().Set("Connection", "close")
		}
		if countFields(r) > l.limits.fields {
			l.metrics.countClosed(l.cfg.Port, reasonHead)
			http.Error(w, fmt.Sprintf("a request may have %d fields", l.limits.fields), http.StatusRequestHeaderFieldsTooLarge)
			return
		}
		if ok && l.cfg.TLS != nil {
			r = c.withTLS(r)
			if r.TLS == nil {
				l.metrics.countPlaintext(l.cfg.Port)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// countFields returns the number of fields of a request. net/http removes Host from the header.
func countFields(r *http.Request) (n int) {
	if r.Host != "" {
		n = 1
	}
	for _, values := range r.Header {
		n += len(values)
	}
	return n
}

// withTLS returns the request with its field TLS set, as net/http would set it. The field stays nil
// if the client does not use TLS.
func (c *conn) withTLS(r *http.Request) *http.Request {
	var encrypted *tls.Conn
	switch of := c.Conn.(type) {
	case *tls.Conn:
		encrypted = of
	case *eitherConn:
		encrypted = of.encrypted()
	}
	if encrypted == nil {
		return r
	}
	state := encrypted.ConnectionState()
	r = r.WithContext(r.Context())
	r.TLS = &state
	return r
}
