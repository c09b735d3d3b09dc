package outbound

import "net/http"

// WithBase is a client whose calls go to base instead of the network.
func WithBase(base http.RoundTripper, b Breaker) *http.Client {
	return &http.Client{Transport: &transport{base: base, breakers: newBreakers(b), userAgent: "test"}}
}
