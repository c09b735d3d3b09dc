package revocation

import (
	"crypto"
	_ "crypto/sha1" // names issuers in CertID; it protects nothing
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// identify returns the hashes of the issuer's name and key that CertID contains (RFC 6960 4.1.1).
// It returns nil if the hash algorithm is not known.
func identify(issuer *x509.Certificate, algorithm asn1.ObjectIdentifier) (name, key []byte) {
	var hash crypto.Hash
	switch algorithm.String() {
	case "1.3.14.3.2.26":
		hash = crypto.SHA1
	case "2.16.840.1.101.3.4.2.1":
		hash = crypto.SHA256
	case "2.16.840.1.101.3.4.2.2":
		hash = crypto.SHA384
	case "2.16.840.1.101.3.4.2.3":
		hash = crypto.SHA512
	default:
		return nil, nil
	}
	spki := cryptobyte.String(issuer.RawSubjectPublicKeyInfo)
	var body cryptobyte.String
	var bits asn1.BitString
	if !spki.ReadASN1(&body, cbasn1.SEQUENCE) || !body.SkipASN1(cbasn1.SEQUENCE) || !body.ReadASN1BitString(&bits) {
		return nil, nil
	}
	return sum(hash, issuer.RawSubject), sum(hash, bits.RightAlign())
}

func sum(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}
