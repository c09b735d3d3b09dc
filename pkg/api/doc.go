// Package api is the REST door: it turns HTTP requests into calls of signing.Service, and the
// results into the documented answers. No other package knows an HTTP status or one of the vendor's
// error codes.
//
// The path of a request through the package:
//
//   - exchange.go: an exchange is one request. It knows the order of the steps, logs and counts the
//     request, and catches panics. Its parts each touch their own state: response.go writes and
//     counts the answer, body.go reads the body within its limits.
//   - routes.go and path.go find the call.
//   - auth.go and pkg/api/limits find out who calls, and whether the client is let in.
//   - sign.go and operations.go do what the call asks. Package pkg/api/request reads a SignRequest.
//   - answer.go and errors.go write the bodies of answers. errors.go has the table of error codes.
//   - peers.go asks other instances for operations that this one does not hold.
//
// Bodies are read as streams: the content of documents goes to a signing.Upload while it arrives.
// Answers are written as streams: results.go reads documents in pages, and answer.go encodes their
// content piece by piece. No document is ever in memory as a whole.
package api
