package tsa

import (
	"crypto"
	_ "crypto/sha1" // for the client's request, and for tokens that must not be used
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
)

// The structures of RFC 3161 2.4, as encoding/asn1 reads and writes them.

type request struct {
	Version    int
	Imprint    imprint
	Policy     asn1.ObjectIdentifier `asn1:"optional"`
	Nonce      *big.Int              `asn1:"optional"`
	CertReq    bool                  `asn1:"optional,default:false"`
	Extensions []pkix.Extension      `asn1:"optional,tag:0"`
}

type imprint struct {
	Algorithm pkix.AlgorithmIdentifier
	Digest    []byte
}

type response struct {
	Status statusInfo
	Token  asn1.RawValue `asn1:"optional"`
}

type statusInfo struct {
	Status int
	Text   []asn1.RawValue `asn1:"optional"` // UTF8String
	Fail   asn1.BitString  `asn1:"optional"`
}

type info struct {
	Version  int
	Policy   asn1.ObjectIdentifier
	Imprint  imprint
	Serial   *big.Int
	Time     asn1.RawValue
	Accuracy accuracy
	Nonce    *big.Int `asn1:"optional"`
}

type accuracy struct {
	Seconds int
}

// PKIStatus and PKIFailureInfo bits of RFC 3161 2.4.2.
const (
	granted         = 0
	grantedWithMods = 1
	rejection       = 2
	waiting         = 3

	badAlg           = 0
	badRequest       = 2
	badDataFormat    = 5
	unacceptedPolicy = 15
	systemFailure    = 25
)

func failure(bit int) asn1.BitString {
	b := asn1.BitString{Bytes: make([]byte, bit/8+1), BitLength: bit + 1}
	b.Bytes[bit/8] |= 0x80 >> (bit % 8)
	return b
}

var digestAlgorithms = map[string]crypto.Hash{
	"1.3.14.3.2.26":          crypto.SHA1,
	"2.16.840.1.101.3.4.2.1": crypto.SHA256,
	"2.16.840.1.101.3.4.2.2": crypto.SHA384,
	"2.16.840.1.101.3.4.2.3": crypto.SHA512,
}

// parse reads a request. If err is not nil, fail is the failure bit of the refusal.
func parse(body []byte) (r request, fail int, err error) {
	rest, err := asn1.Unmarshal(body, &r)
	switch {
	case err != nil || len(rest) != 0:
		return r, badDataFormat, errors.New("the request is not a TimeStampReq")
	case r.Version != 1 || len(r.Extensions) != 0:
		return r, badRequest, errors.New("version is not 1 or there are extensions")
	}
	hash, known := digestAlgorithms[r.Imprint.Algorithm.Algorithm.String()]
	if !known || len(r.Imprint.Digest) != hash.Size() {
		return r, badAlg, errors.New("imprint of no known algorithm or wrong length")
	}
	return r, 0, nil
}
