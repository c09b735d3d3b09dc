package tsa

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"time"
)

var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidTSTInfo       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidSigningCertV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
)

// algorithms holds the identifiers of a hash and of the signature algorithms that use it.
var algorithms = map[crypto.Hash]struct{ hash, rsa, ecdsa asn1.ObjectIdentifier }{
	crypto.SHA256: {
		asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11},
		asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2},
	},
	crypto.SHA1: {
		asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5},
		asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1},
	},
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,tag:0"`
}

type signedData struct {
	Version      int
	Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
	Content      encapsulated
	Certificates asn1.RawValue `asn1:"optional"`
	Signers      []signerInfo  `asn1:"set"`
}

type encapsulated struct {
	Type    asn1.ObjectIdentifier
	Content []byte `asn1:"explicit,tag:0"`
}

type signerInfo struct {
	Version            int
	Issuer             issuerAndSerial
	Digest             pkix.AlgorithmIdentifier
	Attributes         asn1.RawValue
	SignatureAlgorithm pkix.AlgorithmIdentifier
	Value              []byte
}

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

type essCertID struct{ Hash []byte }

// builder writes one token. Handler.spoil may have changed its fields.
type builder struct {
	info         info
	key          crypto.Signer
	certificate  *x509.Certificate   // named as signer
	certificates []*x509.Certificate // sent with the token; empty if the client does not ask for them
	ess          *x509.Certificate   // named by signing-certificate-v2; nil = no such attribute
	hash         crypto.Hash         // of the signature
	spoilValue   bool
}

// genTime returns a GeneralizedTime with milliseconds. RFC 3161 allows no trailing zeros.
func genTime(at time.Time) asn1.RawValue {
	text := strings.TrimRight(strings.TrimRight(at.UTC().Format("20060102150405.000"), "0"), ".")
	return asn1.RawValue{Tag: asn1.TagGeneralizedTime, Bytes: []byte(text + "Z")}
}

func (b *builder) token() ([]byte, error) {
	content, err := asn1.Marshal(b.info)
	if err != nil {
		return nil, err
	}
	attributes, err := b.attributes(content)
	if err != nil {
		return nil, err
	}
	value, err := b.key.Sign(rand.Reader, sum(b.hash, attributes), b.hash)
	if err != nil {
		return nil, err
	}
	if b.spoilValue {
		value[len(value)-1] ^= 0xff
	}
	algorithm := pkix.AlgorithmIdentifier{Algorithm: algorithms[b.hash].rsa, Parameters: asn1.NullRawValue}
	if _, ok := b.key.Public().(*ecdsa.PublicKey); ok {
		algorithm = pkix.AlgorithmIdentifier{Algorithm: algorithms[b.hash].ecdsa}
	}
	sha := pkix.AlgorithmIdentifier{Algorithm: algorithms[b.hash].hash}
	implicit := append([]byte{0xa0}, attributes[1:]...)
	data := signedData{
		Version: 3, Digests: []pkix.AlgorithmIdentifier{sha}, Content: encapsulated{oidTSTInfo, content},
		Signers: []signerInfo{{
			1, issuerAndSerial{asn1.RawValue{FullBytes: b.certificate.RawIssuer}, b.certificate.SerialNumber}, sha,
			asn1.RawValue{FullBytes: implicit}, algorithm, value,
		}},
	}
	if len(b.certificates) > 0 {
		data.Certificates = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true}
		for _, c := range b.certificates {
			data.Certificates.Bytes = append(data.Certificates.Bytes, c.Raw...)
		}
	}
	inner, err := asn1.Marshal(data)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(
		contentInfo{oidSignedData, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: inner}},
	)
}

// attributes returns the signed attributes as SET OF. They include a signing-time, because most
// authorities send one.
func (b *builder) attributes(content []byte) ([]byte, error) {
	values := map[string]any{
		oidContentType.String():   oidTSTInfo,
		oidMessageDigest.String(): sum(b.hash, content),
		oidSigningTime.String():   time.Now().UTC(),
	}
	if b.ess != nil {
		hash := sha256.Sum256(b.ess.Raw)
		values[oidSigningCertV2.String()] = struct{ Certs []essCertID }{[]essCertID{{hash[:]}}}
	}
	var set []attribute
	for _, oid := range []asn1.ObjectIdentifier{oidContentType, oidMessageDigest, oidSigningTime, oidSigningCertV2} {
		value, ok := values[oid.String()]
		if !ok {
			continue
		}
		raw, err := asn1.Marshal(value)
		if err != nil {
			return nil, err
		}
		set = append(set, attribute{oid, []asn1.RawValue{{FullBytes: raw}}})
	}
	return asn1.MarshalWithParams(set, "set")
}

func sum(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}
