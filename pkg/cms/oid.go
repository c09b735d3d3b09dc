package cms

import (
	"crypto"
	"encoding/asn1"

	_ "crypto/sha1" // earlier signatures by other programs use it
	_ "crypto/sha256"
	_ "crypto/sha512"
)

// Attribute and content types: RFC 5652 11, RFC 5035 3 and 4, RFC 3161 3.3 and appendix A, ETSI EN
// 319 122-1 5.
var (
	OIDData                 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	OIDSignedData           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	OIDTSTInfo              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	OIDContentType          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	OIDMessageDigest        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	OIDSigningTime          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	OIDSigningCertificate   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	OIDSigningCertificateV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	OIDSignatureTimestamp   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 14}
	OIDSignaturePolicy      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 15}
	OIDCommitmentType       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 16}
	OIDCountersignature     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 6}
	OIDMIMEType             = asn1.ObjectIdentifier{0, 4, 0, 1733, 2, 1}
	OIDArchiveTimestampV3   = asn1.ObjectIdentifier{0, 4, 0, 1733, 2, 4}
	OIDHashIndexV3          = asn1.ObjectIdentifier{0, 4, 0, 19122, 1, 5}
)

var (
	oidRSAEncryption = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidRSASSAPSS     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidECPublicKey   = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidOCSPResponse  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 16, 2} // RFC 5940 2.1
)

// hashAlgorithm maps a hash to its own identifier and to those of the signature algorithms with
// this hash (RFC 4055, RFC 5758).
type hashAlgorithm struct {
	hash   crypto.Hash
	digest asn1.ObjectIdentifier
	rsa    asn1.ObjectIdentifier
	ecdsa  asn1.ObjectIdentifier
}

// hashAlgorithms lists the hashes that can be read. Only SHA-256, SHA-384 and SHA-512 are written.
var hashAlgorithms = []hashAlgorithm{
	{
		crypto.SHA256,
		asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1},
		asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11},
		asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2},
	},
	{
		crypto.SHA384,
		asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2},
		asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12},
		asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3},
	},
	{
		crypto.SHA512,
		asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3},
		asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13},
		asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4},
	},
	{
		crypto.SHA224,
		asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 4},
		asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 14},
		asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 1},
	},
	{
		crypto.SHA1,
		asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26},
		asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5},
		asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1},
	},
}

// writable returns the identifiers of a hash that may be written. ok is false for any other hash.
func writable(h crypto.Hash) (a hashAlgorithm, ok bool) {
	switch h {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512:
		return byHash(h)
	}
	return hashAlgorithm{}, false
}

func byHash(h crypto.Hash) (hashAlgorithm, bool) {
	for _, a := range hashAlgorithms {
		if a.hash == h {
			return a, true
		}
	}
	return hashAlgorithm{}, false
}

// hashByOID returns the hash of a digest algorithm identifier, or 0 if it is unknown.
func hashByOID(oid asn1.ObjectIdentifier) crypto.Hash {
	for _, a := range hashAlgorithms {
		if a.digest.Equal(oid) {
			return a.hash
		}
	}
	return 0
}
