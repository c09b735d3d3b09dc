// Package timestamp is the signing.Timestamper that asks RFC 3161 authorities: several in order,
// each within its budget, none believed unchecked.
//
// An authority that fails is left alone for a while, longer each time; one that names a time is
// left alone that long. Every token is checked before it is returned: imprint, nonce, policy, time,
// purpose of the certificate and signature.
package timestamp
