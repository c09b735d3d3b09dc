package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// UsualTokenSize is enough for a timestamp token of a public authority with its certificates, in
// bytes. With three RSA-2048 certificates a token has about 3.5 KB, with RSA-4096 about 6 KB.
const UsualTokenSize = 8 << 10

// SignedDataParams are the parts from which Build makes a SignedData.
type SignedDataParams struct {
	SignedAttributes   []byte // as SignedAttributes returned them
	SignatureValue     []byte
	Chain              []*x509.Certificate // signing certificate first; root optional
	Algorithm          signing.SignatureAlgorithm
	Hash               crypto.Hash
	UnsignedAttributes []Attribute // if empty, the field is left out, because an empty set is wrong
}

// Build returns the DER ContentInfo with a detached SignedData: version 1, one SignerInfo that
// names its certificate by issuer and serial number, and all sets in DER order. It does not verify
// the signature value. VerifyValue does.
func Build(p SignedDataParams) ([]byte, error) {
	signer, err := BuildSigner(p)
	if err != nil {
		return nil, err
	}
	m := &Message{DigestAlgorithms: [][]byte{DigestAlgorithm(p.Hash)}, Signers: [][]byte{signer}}
	for _, c := range p.Chain {
		m.Certificates = append(m.Certificates, c.Raw)
	}
	head, tail, err := m.Encode()
	return append(head, tail...), err
}

// BuildSigner returns the DER SignerInfo of version 1, which names its certificate by issuer and
// serial number. Of the chain it uses the signing certificate only.
func BuildSigner(p SignedDataParams) ([]byte, error) {
	alg, ok := writable(p.Hash)
	if !ok {
		return nil, unsupported("build SignedData: hash %v is not supported", p.Hash)
	}
	if len(p.Chain) == 0 || len(p.SignatureValue) == 0 {
		return nil, fmt.Errorf("build SignedData: chain or signature value is missing")
	}
	var set cryptobyte.String
	in := cryptobyte.String(p.SignedAttributes)
	if !in.ReadASN1(&set, cbasn1.SET) || !in.Empty() || set.Empty() {
		return nil, &fault{"build SignedData: the signed attributes are malformed", ErrMalformed}
	}
	return buildSignerInfo(p, alg, set)
}

func buildSignerInfo(p SignedDataParams, alg hashAlgorithm, attributes []byte) ([]byte, error) {
	signatureAlgorithm, err := algorithmIdentifier(p.Algorithm, alg)
	if err != nil {
		return nil, err
	}
	var unsigned []byte
	if len(p.UnsignedAttributes) > 0 {
		unsigned, err = marshalAttributes(cbasn1.Tag(1).ContextSpecific().Constructed(), p.UnsignedAttributes)
		if err != nil {
			return nil, err
		}
	}
	cert := p.Chain[0]
	size := len(cert.RawIssuer) + len(attributes) + len(signatureAlgorithm) + len(p.SignatureValue) + len(unsigned) +
		usualSize
	return buildSized(size, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // IssuerAndSerialNumber
				b.AddBytes(cert.RawIssuer)
				b.AddASN1BigInt(cert.SerialNumber)
			})
			addDigestAlgorithm(b, alg)
			b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(attributes) })
			b.AddBytes(signatureAlgorithm)
			b.AddASN1OctetString(p.SignatureValue)
			b.AddBytes(unsigned)
		})
	})
}

// algorithmIdentifier returns the signatureAlgorithm of a SignerInfo (RFC 5754 3.2 and 3.3, RFC
// 4056 3).
func algorithmIdentifier(algorithm signing.SignatureAlgorithm, alg hashAlgorithm) ([]byte, error) {
	switch algorithm {
	case signing.RSAPKCS1:
		return build(func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(alg.rsa)
				b.AddASN1NULL()
			})
		})
	case signing.ECDSA:
		return build(func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(alg.ecdsa) })
		})
	case signing.RSAPSS:
		return pssIdentifier(alg)
	}
	return nil, unsupported("build SignedData: algorithm %q is not supported", algorithm)
}

// pssIdentifier writes RSASSA-PSS-params with MGF1 of the same hash and a salt as long as the hash.
// The trailer field has its default value and is left out. The hash identifiers carry NULL, as RFC
// 4055 2.1 defines them.
func pssIdentifier(alg hashAlgorithm) ([]byte, error) {
	hashIdentifier := func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(alg.digest)
			b.AddASN1NULL()
		})
	}
	explicit := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidRSASSAPSS)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(explicit(0), hashIdentifier)
				b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(oidMGF1)
						hashIdentifier(b)
					})
				})
				b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(alg.hash.Size())) })
			})
		})
	})
}

// EstimateSize returns an upper bound, in bytes, for what Build makes for the chain with any of its
// hashes, plus a timestamp token of tokenSize bytes. tokenSize is 0 without a timestamp, and
// UsualTokenSize if the authority is unknown. It gives the size of the reserved contents.
func EstimateSize(chain []*x509.Certificate, algorithm signing.SignatureAlgorithm, tokenSize int) (int, error) {
	if len(chain) == 0 {
		return 0, fmt.Errorf("estimate SignedData: no certificate")
	}
	attributes, err := SignedAttributes(crypto.SHA512, make([]byte, crypto.SHA512.Size()), chain[0])
	if err != nil {
		return 0, err
	}
	size, err := maxValueSize(chain[0].PublicKey)
	if err != nil {
		return 0, err
	}
	p := SignedDataParams{
		SignedAttributes: attributes,
		SignatureValue:   make([]byte, size),
		Chain:            chain,
		Algorithm:        algorithm,
		Hash:             crypto.SHA512,
	}
	if tokenSize > 0 {
		p.UnsignedAttributes = []Attribute{{OIDSignatureTimestamp, [][]byte{make([]byte, tokenSize)}}}
	}
	der, err := Build(p)
	if err != nil {
		return 0, err
	}
	return len(der), nil
}

// maxValueSize returns the greatest length of a signature value by the key, in bytes.
func maxValueSize(public crypto.PublicKey) (int, error) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return key.Size(), nil
	case *ecdsa.PublicKey:
		// A SEQUENCE of two INTEGERs with headers, each one byte longer than the size of the curve.
		return 2*((key.Curve.Params().BitSize+7)/8+1+3) + 4, nil
	}
	return 0, unsupported("estimate SignedData: a key of type %T is not supported", public)
}
