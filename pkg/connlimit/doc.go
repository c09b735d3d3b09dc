// Package connlimit bounds what connections cost an HTTP server before the server knows who the
// client is.
//
// net/http parses the whole head of a request before a handler sees it. A head of 64 KiB with 9,000
// fields then costs about a megabyte, and a client needs no credentials to send it. This package
// stands between the network and net/http:
//
//   - Listener bounds the number of connections. When all places are taken, a new connection takes
//     the place of one that serves no authenticated request. See Listener for the order.
//   - Each connection hands a head over only when the head is complete and within its limits. An
//     unfinished head costs its bytes and no more. A head beyond the limits is answered 431 and
//     never parsed.
//   - Each write has a deadline, so that a client that does not read its answers cannot hold its
//     connection for ever.
//   - HTTP/2 is limited by the settings of Prepare: frames, buffers, streams and header lists.
package connlimit
