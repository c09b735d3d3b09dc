// Package callback tells clients' own services that an operation has ended.
//
// A callback is a POST of a small JSON object to the URL that the request or the client service
// names. X-Signstash-Signature is "t=UNIX,v1=HEX": HEX is HMAC-SHA256 with the client service's
// secret over UNIX, a full stop, and the body. A receiver that checks it, and that UNIX is not long
// ago, knows that the proxy has sent it and nobody repeats it. Any answer of 2xx ends a callback,
// and so does 410; everything else is repeated, further and further apart, for a day. A callback
// may come twice: after a crash, or where an answer was lost.
package callback
