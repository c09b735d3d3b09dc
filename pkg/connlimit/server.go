package connlimit

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
)

const (
	// maxStreams bounds the requests at a time on one HTTP/2 connection: as many as net/http allows by
	// default. All connections together are bounded by MaxConns.
	maxStreams = 250
	// maxFrameBytes is the least that HTTP/2 allows: net/http makes room for a whole frame when it has
	// read its first nine bytes.
	maxFrameBytes = 16 << 10
	// maxStreamBytes and maxConnBytes bound what is kept of HTTP/2 bodies that a handler has not read
	// yet. The first is also the window for an upload: 256 KiB carry 10 MB a second over 25 ms.
	maxStreamBytes = 256 << 10
	maxConnBytes   = 1 << 20
)

// Prepare sets what s needs to serve this listener, by Serve also where TLS is spoken. It wraps the
// handler, and so comes after it was set.
func (l *Listener) Prepare(s *http.Server) {
	s.Handler = l.handler(s.Handler)
	s.MaxHeaderBytes = max(l.cfg.MaxHeadBytes-readAhead, 1) // net/http adds its buffer to it
	s.ReadHeaderTimeout = l.cfg.HeadTimeout
	s.DisableGeneralOptionsHandler = true // which would not tell what follows its request
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) }
	s.ConnState = func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateActive:
			c.(*conn).setIdle(false)
		case http.StateIdle:
			c.(*conn).setIdle(true)
		}
	}
	s.Protocols = new(http.Protocols)
	s.Protocols.SetHTTP1(true)
	// The server sees no TLS, since conn ends it: HTTP/2 begins with its preface.
	s.Protocols.SetUnencryptedHTTP2(l.cfg.TLS != nil)
	s.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams: maxStreams, MaxReadFrameSize: maxFrameBytes,
		MaxReceiveBufferPerStream: maxStreamBytes, MaxReceiveBufferPerConnection: maxConnBytes,
	}
}

// handler tells the connection what follows the head of each request, and holds what net/http
// cannot: the number of requests over all HTTP/2 connections, and of fields.
func (l *Listener) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer l.requests.Add(-1)
		if l.requests.Add(1) > int64(l.cfg.MaxConns) {
			l.metrics.closed(l.cfg.Port, reasonRefused)
			panic(http.ErrAbortHandler)
		}
		c, ok := r.Context().Value(connKey{}).(*conn)
		if ok && r.ProtoMajor < 2 && !c.begin(r.ContentLength) {
			w.Header().Set("Connection", "close")
		}
		if countFields(r) > l.limits.fields {
			l.metrics.closed(l.cfg.Port, reasonHead)
			http.Error(w, fmt.Sprintf("a request may have %d fields", l.limits.fields), http.StatusRequestHeaderFieldsTooLarge)
			return
		}
		if ok && l.cfg.TLS != nil {
			r = c.withTLS(r)
		}
		next.ServeHTTP(w, r)
	})
}

// countFields counts the fields of a request. net/http takes Host out of the header.
func countFields(r *http.Request) (n int) {
	if r.Host != "" {
		n = 1
	}
	for _, values := range r.Header {
		n += len(values)
	}
	return n
}

// withTLS returns the request with what net/http would say of its TLS.
func (c *conn) withTLS(r *http.Request) *http.Request {
	encrypted, ok := c.Conn.(*tls.Conn)
	if !ok {
		return r
	}
	state := encrypted.ConnectionState()
	r = r.WithContext(r.Context())
	r.TLS = &state
	return r
}
