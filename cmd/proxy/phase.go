package main

import (
	"net/http"
	"sync/atomic"
)

// phase says whether the process is starting, serving or stopping. It is safe for concurrent use.
type phase struct {
	ready    chan struct{} // closed when the service accepts operations
	draining atomic.Bool   // set when the process was asked to stop
}

// opened is called once, when the service accepts operations.
func (p *phase) opened() { close(p.ready) }

// closing closes each connection after its next answer once the process was asked to stop. Clients
// then open a new connection, which is routed to another instance. Idle connections stay open,
// because closing them could lose a request that is being sent.
func (p *phase) closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
