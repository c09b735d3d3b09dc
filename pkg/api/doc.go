// Package api is the REST door: it turns HTTP requests into calls of signing.Service, and the
// results into the documented answers. No other package knows an HTTP status or one of the vendor's
// error codes.
//
// The path of a request through the package:
//
//   - exchange.go: one exchange per request, which logs it, counts it and catches panics.
//   - routes.go and path.go: which call is it?
//   - auth.go and pkg/api/limits: who calls, and is the client let in?
//   - sign.go or operations.go: what is done. Package pkg/api/request reads the body of a SignRequest.
//   - answer.go or errors.go: the only writers of answers.
//   - peers.go: other instances are asked for operations that this one does not hold.
//
// Bodies are read as streams: the content of documents goes to a signing.Upload while it arrives.
// Answers are written as streams: results.go reads documents in pages, and answer.go encodes their
// content piece by piece. No document is ever in memory as a whole.
package api
