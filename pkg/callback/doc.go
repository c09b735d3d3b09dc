// Package callback tells clients' own services that an operation has ended.
//
// A callback is a POST of a small JSON object to the URL that the request or the client service
// names. X-Signstash-Signature is "t=UNIX,v1=HEX": HEX is HMAC-SHA256 with the client service's
// secret over UNIX, a full stop, and the body. A receiver that checks the signature, and that UNIX
// is recent, knows that the proxy sent the callback and that nobody replays it. An answer of 2xx or
// 410 ends a callback. After any other answer the callback is repeated for about a day, with
// growing pauses. A callback may come twice: after a crash, or when an answer was lost.
package callback
