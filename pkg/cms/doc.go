// Package cms writes, reads and verifies SignedData (RFC 5652) in the form that AdES signatures
// use: detached, one signer, DER.
//
// Writing takes two steps, because the key is at a remote service. SignedAttributes returns the
// bytes whose digest the key signs. Build makes the SignedData from these bytes and the signature
// value. All output is DER and follows ETSI EN 319 142-1 6.3: the signed attributes are exactly
// content-type, message-digest and signing-certificate-v2, without signing-time.
//
// Reading also accepts what other programs wrote. Parse accepts BER where it can, reports what it
// found, and bounds every length, count and depth. Verify and VerifyValue distinguish a wrong
// signature (ErrMismatch) from one that cannot be judged (ErrUnsupported).
//
// Timestamp tokens (RFC 3161) are SignedData too. This package reads them, because several packages
// need them.
package cms
