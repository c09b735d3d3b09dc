// Package cms writes, reads and verifies SignedData (RFC 5652) as AdES signatures use it: detached,
// one signer, DER.
//
// Writing is done in two halves, since the key is elsewhere: SignedAttributes gives the bytes whose
// digest the key signs, Build puts the value that came back around them. What is written is DER
// throughout and follows ETSI EN 319 142-1 6.3: the signed attributes are exactly content-type,
// message-digest and signing-certificate-v2, and there is no signing-time.
//
// Reading is for what others wrote too: Parse takes BER where it can, says what it found, and
// bounds every length, count and depth. Verify and VerifyValue tell a wrong signature (ErrMismatch)
// from one that cannot be judged (ErrUnsupported).
//
// Timestamp tokens (RFC 3161) are SignedData of their own and are read here as well, since several
// packages look into them.
package cms
