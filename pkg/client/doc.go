// Package client is a client of the proxy's REST API.
//
// It streams documents both ways. It encodes files while it sends them, and decodes signed content
// into the caller's Sink while it arrives, so that memory does not grow with documents. It retries
// after 429, 503 and lost connections, as Retry-After says. It repeats a request that signs only
// with its Idempotency-Key or after a refusal, so that nothing is signed twice.
//
// It shares no type with the proxy. Both agree only on the wire format.
package client
