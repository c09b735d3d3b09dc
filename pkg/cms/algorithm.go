package cms

import (
	"crypto"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// readSignatureAlgorithm sets Algorithm, SignatureHash and SaltLength from the identifier.
// Algorithm stays empty if the identifier or its parameters are unknown.
func (s *SignerInfo) readSignatureAlgorithm(parameters cryptobyte.String) {
	oid := s.SignatureAlgorithm
	s.SignatureHash = s.Hash
	switch {
	case oid.Equal(oidRSAEncryption):
		s.Algorithm = signing.RSAPKCS1
		return
	case oid.Equal(oidECPublicKey): // not a signature algorithm, but some signers write it here
		s.Algorithm = signing.ECDSA
		return
	case oid.Equal(oidRSASSAPSS):
		if hash, salt, ok := readPSS(parameters); ok {
			s.Algorithm, s.SignatureHash, s.SaltLength = signing.RSAPSS, hash, salt
		}
		return
	}
	for _, a := range hashAlgorithms {
		switch {
		case a.rsa.Equal(oid):
			s.Algorithm, s.SignatureHash = signing.RSAPKCS1, a.hash
		case a.ecdsa.Equal(oid):
			s.Algorithm, s.SignatureHash = signing.ECDSA, a.hash
		}
	}
}

// readPSS reads RSASSA-PSS-params (RFC 4055 3.1). Absent fields have their defaults: SHA-1, MGF1
// with SHA-1, 20, 1. It refuses a mask hash that differs from the message hash, because crypto/rsa
// does not support such a signature.
func readPSS(s cryptobyte.String) (hash crypto.Hash, salt int, ok bool) {
	hash, salt = crypto.SHA1, 20
	mask, trailer := crypto.SHA1, 1
	var params, field cryptobyte.String
	var has bool
	if !s.ReadASN1(&params, cbasn1.SEQUENCE) || !s.Empty() {
		return 0, 0, false
	}
	if !params.ReadOptionalASN1(&field, &has, contextTag(0)) {
		return 0, 0, false
	}
	if has {
		if hash, ok = readHash(&field); !ok {
			return 0, 0, false
		}
	}
	if !params.ReadOptionalASN1(&field, &has, contextTag(1)) {
		return 0, 0, false
	}
	if has {
		oid, inner, ok := readAlgorithm(&field)
		if !ok || !oid.Equal(oidMGF1) {
			return 0, 0, false
		}
		if mask, ok = readHash(&inner); !ok {
			return 0, 0, false
		}
	}
	if !params.ReadOptionalASN1Integer(&salt, contextTag(2), 20) ||
		!params.ReadOptionalASN1Integer(&trailer, contextTag(3), 1) ||
		!params.Empty() {
		return 0, 0, false
	}
	return hash, salt, hash == mask && trailer == 1 && salt >= 0 && salt <= 512
}

func readHash(s *cryptobyte.String) (crypto.Hash, bool) {
	oid, _, ok := readAlgorithm(s)
	h := hashByOID(oid)
	return h, ok && h != 0
}
