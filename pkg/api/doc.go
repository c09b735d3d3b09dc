// Package api is the REST door: it turns HTTP requests into calls of signing.Service and what comes
// back into the documented answers. Nothing else of the proxy knows an HTTP status or one of the
// vendor's error codes.
//
// A request's way: exchange.go (one event per request: log line, metrics, panics) → routes.go and
// path.go (which call is it) → auth.go (who calls) → sign.go or operations.go (what is done) →
// answer.go or errors.go (the only writers of answers).
//
// Bodies are read as streams: signrequest.go and multipart.go hand the content of documents to a
// signing.Upload while it arrives. Answers are written as streams: answer.go reads documents in
// pages and encodes their content piece by piece. No document is ever in memory.
package api
