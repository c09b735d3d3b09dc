package outbound

import "net/http"

// WithBase returns a client whose calls go to base instead of the network.
func WithBase(base http.RoundTripper, b Breaker) *http.Client {
	return &http.Client{Transport: &transport{base: base, breakers: newBreakers(b), userAgent: "test"}}
}

// Dialled returns the decision of g about an address that is about to be dialled.
func Dialled(g *Guard, address string) error { return g.control("tcp", address, nil) }
