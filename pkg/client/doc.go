// Package client speaks the proxy's REST API from the caller's side.
//
// Documents are streamed both ways: files are encoded while they are sent, and signed content is
// decoded into the caller's Sink while it arrives, so that memory does not grow with documents.
// Answers 429 and 503 and lost connections are tried again, as Retry-After says; a request that
// signs is only ever repeated under its Idempotency-Key, so that nothing is signed twice.
//
// It shares no type with the proxy: what both agree on is the wire.
package client
