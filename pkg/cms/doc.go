// Package cms writes, reads and verifies SignedData (RFC 5652) in the forms that AdES signatures
// use.
//
// Writing takes two steps, because the key is at a remote service. SignedAttributes returns the
// bytes whose digest the key signs. Build makes a detached SignedData with one signer from these
// bytes and the signature value, as PAdES requires (ETSI EN 319 142-1 6.3). BuildSigner makes the
// SignerInfo alone. Message puts signers, certificates and revocation data around a content of any
// size, for CAdES (ETSI EN 319 122-1). All output is DER.
//
// Reading also accepts what other programs wrote. Parse accepts BER where it can, reports what it
// found, and bounds every length, count and depth. Verify and VerifyValue distinguish a wrong
// signature (ErrMismatch) from one that cannot be judged (ErrUnsupported).
//
// Timestamp tokens (RFC 3161) are SignedData too. This package reads them, because several packages
// need them.
package cms
