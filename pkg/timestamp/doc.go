// Package timestamp is a signing.Timestamper that asks RFC 3161 authorities. It asks several in
// order, each within its budget, and checks every token.
//
// An authority that fails is not asked for a while, and longer after each further failure. If it
// names a time, that time is used. Every token is checked before it is returned: imprint, nonce,
// policy, time, purpose of the certificate, and signature.
package timestamp
