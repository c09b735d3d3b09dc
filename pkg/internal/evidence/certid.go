package evidence

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // names issuers in CertID; it protects nothing
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// oidSHA1 is what most requests name their issuer with.
var oidSHA1 = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}

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

// names reports whether one of the responses in ResponseData (RFC 6960 4.2.1) is about cert of
// issuer. This check is needed because ParseResponseForCert compares only the serial number.
func names(responseData []byte, cert, issuer *x509.Certificate) bool {
	in := cryptobyte.String(responseData)
	var data, responses cryptobyte.String
	if !in.ReadASN1(&data, cbasn1.SEQUENCE) || !data.SkipOptionalASN1(cbasn1.Tag(0).ContextSpecific().Constructed()) ||
		!data.ReadAnyASN1(new(cryptobyte.String), new(cbasn1.Tag)) || !data.SkipASN1(cbasn1.GeneralizedTime) ||
		!data.ReadASN1(&responses, cbasn1.SEQUENCE) {
		return false
	}
	for !responses.Empty() {
		var single, id, algorithm cryptobyte.String
		var name, key []byte
		serial := new(big.Int)
		var oid asn1.ObjectIdentifier
		if !responses.ReadASN1(&single, cbasn1.SEQUENCE) || !single.ReadASN1(&id, cbasn1.SEQUENCE) ||
			!id.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
			!id.ReadASN1Bytes(&name, cbasn1.OCTET_STRING) || !id.ReadASN1Bytes(&key, cbasn1.OCTET_STRING) ||
			!id.ReadASN1Integer(serial) {
			return false
		}
		if serial.Cmp(cert.SerialNumber) != 0 {
			continue
		}
		wantName, wantKey := identify(issuer, oid)
		return wantName != nil && bytes.Equal(name, wantName) && bytes.Equal(key, wantKey)
	}
	return false
}
