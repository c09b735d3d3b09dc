package cms

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/ber"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// variants are all variants of SignedData that this package writes.
func variants(t testing.TB) map[string]func() ([]byte, identity, crypto.Hash) {
	content := []byte("content")
	list := map[string]func() ([]byte, identity, crypto.Hash){}
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		for _, algorithm := range []signing.SignatureAlgorithm{signing.RSAPKCS1, signing.RSAPSS} {
			list[fmt.Sprintf("%s with %v", algorithm, hash)] = func() ([]byte, identity, crypto.Hash) {
				id := newIdentity(t, rsaKey(), "org", 7)
				return id.sign(t, algorithm, hash, content), id, hash
			}
		}
		for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
			list[fmt.Sprintf("ECDSA %s with %v", curve.Params().Name, hash)] = func() ([]byte, identity, crypto.Hash) {
				id := newIdentity(t, newKey(t, signing.ECDSA, curve), "org", 7)
				return id.sign(t, signing.ECDSA, hash, content), id, hash
			}
		}
	}
	return list
}

func TestBuildVerifies(t *testing.T) {
	for name, produce := range variants(t) {
		t.Run(name, func(t *testing.T) {
			der, id, hash := produce()
			d, err := Parse(append(der, zeros(100)...))
			if err != nil {
				t.Fatal(err)
			}
			if d.Size != len(der) || d.Padding != 100 || !d.DER || d.Version != 1 {
				t.Errorf("Parse: size %d, padding %d, DER %v, version %d; want %d, 100, true, 1", d.Size, d.Padding, d.DER,
					d.Version, len(der))
			}
			cert, err := d.Verify(sum(hash, []byte("content")))
			if err != nil || !cert.Equal(id.chain[0]) {
				t.Errorf("Verify = %v, %v; want the signing certificate", cert, err)
			}
			if err := d.CheckBaseline(); err != nil {
				t.Errorf("CheckBaseline = %v, want nil", err)
			}
			if _, err := d.Verify(sum(hash, []byte("Content"))); !errors.Is(err, ErrMismatch) {
				t.Errorf("Verify of other content = %v, want ErrMismatch", err)
			}
		})
	}
}

var p256 = elliptic.P256()

func zeros(n int) []byte { return make([]byte, n) }

// The signed attributes must be in DER order for any length of their values, because Bouncy
// Castle and Adobe refuse any other order.
func TestSignedAttributesAreOrdered(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		hash := []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}[random.IntN(3)]
		cert := &x509.Certificate{
			Raw:          []byte{0x30, 0},
			SerialNumber: serial(random),
			RawIssuer:    tlv(0x30, random.IntN(70_000)),
		}
		der, err := SignedAttributes(hash, zeros(hash.Size()), cert)
		if err != nil {
			t.Fatal(err)
		}
		var elements []asn1.RawValue
		if rest, err := asn1.UnmarshalWithParams(der, &elements, "set"); err != nil || len(rest) != 0 || len(elements) != 3 {
			t.Fatalf("attributes = %d elements, %d left, %v; want 3, 0, nil", len(elements), len(rest), err)
		}
		again, err := asn1.MarshalWithParams(elements, "set") // encoding/asn1 sorts a SET OF
		if err != nil || !bytes.Equal(again, der) {
			t.Errorf("issuer of %d bytes: attributes are not in DER order", len(cert.RawIssuer))
		}
	}
}

func TestSignedAttributesContent(t *testing.T) {
	id := newIdentity(t, rsaKey(), "org", 7)
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		der, err := SignedAttributes(hash, zeros(hash.Size()), id.chain[0])
		if err != nil {
			t.Fatal(err)
		}
		attributes, ordered, err := readAttributes(der[headerSize(der):])
		if err != nil || !ordered || len(attributes) != 3 {
			t.Fatalf("%v: %d attributes, ordered %v, %v; want 3, true, nil", hash, len(attributes), ordered, err)
		}
		s := SignerInfo{SignedAttributes: attributes}
		if s.Signed(OIDSigningTime) != nil {
			t.Errorf("%v: there is a signing-time", hash)
		}
		value := s.Signed(OIDSigningCertificateV2)[0]
		alg, _ := byHash(hash)
		oid, _ := asn1.Marshal(alg.digest)
		if named := bytes.Contains(value, oid); named != (hash != crypto.SHA256) {
			t.Errorf("%v: hashAlgorithm is there: %v; the default must be omitted, others named", hash, named)
		}
		if err := s.CheckSigningCertificate(id.chain[0]); err != nil {
			t.Errorf("%v: CheckSigningCertificate = %v", hash, err)
		}
		if err := s.CheckSigningCertificate(id.chain[1]); !errors.Is(err, ErrMismatch) {
			t.Errorf("%v: CheckSigningCertificate of another = %v, want ErrMismatch", hash, err)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	id := newIdentity(t, rsaKey(), "org", 7)
	attributes, err := SignedAttributes(crypto.SHA256, zeros(32), id.chain[0])
	if err != nil {
		t.Fatal(err)
	}
	good := SignedDataParams{
		SignedAttributes: attributes,
		SignatureValue:   []byte{1},
		Chain:            id.chain,
		Algorithm:        signing.RSAPKCS1,
		Hash:             crypto.SHA256,
	}
	for name, change := range map[string]func(p *SignedDataParams){
		"no chain":               func(p *SignedDataParams) { p.Chain = nil },
		"no value":               func(p *SignedDataParams) { p.SignatureValue = nil },
		"SHA-1":                  func(p *SignedDataParams) { p.Hash = crypto.SHA1 },
		"unknown algorithm":      func(p *SignedDataParams) { p.Algorithm = "DSA" },
		"attributes without set": func(p *SignedDataParams) { p.SignedAttributes = attributes[2:] },
		"attributes and more":    func(p *SignedDataParams) { p.SignedAttributes = append(bytes.Clone(attributes), 0) },
		"unsigned without a value": func(p *SignedDataParams) {
			p.UnsignedAttributes = []Attribute{{Type: OIDSignatureTimestamp}}
		},
		"empty attributes are none": func(p *SignedDataParams) { p.SignedAttributes = []byte{0x31, 0} },
	} {
		p := good
		change(&p)
		if _, err := Build(p); err == nil {
			t.Errorf("%s: Build = nil, want an error", name)
		}
	}
	if _, err := SignedAttributes(crypto.SHA256, zeros(20), id.chain[0]); err == nil {
		t.Error("SignedAttributes with a short digest = nil, want an error")
	}
	if _, err := SignedAttributes(crypto.SHA256, zeros(32), nil); err == nil {
		t.Error("SignedAttributes without certificate = nil, want an error")
	}
}

// Certificates are a SET OF too: each once and in DER order, whatever the order of the chain.
func TestCertificatesAreOrdered(t *testing.T) {
	id := newIdentity(t, rsaKey(), "org", 7)
	id.chain = append(id.chain, id.chain[1], id.chain[0])
	d, err := Parse(id.sign(t, signing.RSAPKCS1, crypto.SHA256, nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.RawCertificates) != 2 || bytes.Compare(d.RawCertificates[0], d.RawCertificates[1]) >= 0 {
		t.Errorf("%d certificates, want 2 in DER order", len(d.RawCertificates))
	}
}

func TestEstimateSizeIsEnough(t *testing.T) {
	token := tlv(0x30, 5000)
	for name, produce := range variants(t) {
		der, id, _ := produce()
		d, _ := Parse(der)
		estimate, err := EstimateSize(id.chain, d.Signers[0].Algorithm, len(token))
		if err != nil {
			t.Fatal(err)
		}
		stamped, err := AddTimestamp(der, token)
		if err != nil {
			t.Fatal(err)
		}
		if len(stamped) > estimate || estimate > len(stamped)+300 {
			t.Errorf("%s: EstimateSize = %d, want at least %d and not much more", name, estimate, len(stamped))
		}
		if bare, err := EstimateSize(id.chain, d.Signers[0].Algorithm, 0); err != nil || len(der) > bare ||
			bare > len(der)+300 {
			t.Errorf("%s: EstimateSize without token = %d, %v, want at least %d and not much more", name, bare, err, len(der))
		}
	}
}

func TestAddTimestamp(t *testing.T) {
	id := newIdentity(t, rsaKey(), "org", 7)
	der := id.sign(t, signing.RSAPKCS1, crypto.SHA256, []byte("content"))
	first, second := tlv(0x30, 300), tlv(0x30, 200)
	one, err := AddTimestamp(append(bytes.Clone(der), 0, 0), first)
	if err != nil {
		t.Fatal(err)
	}
	two, err := AddTimestamp(one, second)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Parse(two)
	if err != nil {
		t.Fatal(err)
	}
	tokens := d.Signers[0].Unsigned(OIDSignatureTimestamp)
	// DER order: the shorter one first
	if len(tokens) != 2 || !bytes.Equal(tokens[0], second) || !bytes.Equal(tokens[1], first) {
		t.Errorf("%d tokens, want both in DER order", len(tokens))
	}
	if _, err := d.Verify(sum(crypto.SHA256, []byte("content"))); err != nil {
		t.Errorf("Verify = %v", err)
	}
	if err := d.CheckBaseline(); err != nil {
		t.Errorf("CheckBaseline = %v", err)
	}
	built, err := Build(SignedDataParams{
		SignedAttributes:   d.Signers[0].RawSignedAttributes,
		SignatureValue:     d.Signers[0].Value,
		Chain:              id.chain,
		Algorithm:          signing.RSAPKCS1,
		Hash:               crypto.SHA256,
		UnsignedAttributes: []Attribute{{OIDSignatureTimestamp, [][]byte{first}}},
	})
	if err != nil || !bytes.Equal(built, one) {
		t.Errorf("Build with the token differs from AddTimestamp: %v", err)
	}
	for _, bad := range [][]byte{nil, []byte("no element"), append(bytes.Clone(first), 0)} {
		if _, err := AddTimestamp(der, bad); err == nil {
			t.Errorf("AddTimestamp(%.10q) = nil, want an error", bad)
		}
	}
}

// tlv returns a constructed DER element of NULLs with about n bytes of content.
func tlv(tag byte, n int) []byte {
	return append(ber.AppendHeader(nil, []byte{tag}, int64(n/2*2)), bytes.Repeat([]byte{5, 0}, n/2)...)
}

func headerSize(der []byte) int {
	e, err := ber.ReadElement(der)
	if err != nil {
		panic(err)
	}
	return e.Header
}

func TestCanonicalToken(t *testing.T) {
	token := read(t, "testdata/timestamp/token.der")
	// The token of openssl ends with the signature value. An empty [1] is appended to it, and every
	// enclosing length grows by two.
	empty, err := replaceUnsigned(token, pathToSigner, []byte{0xa1, 0})
	if err != nil || len(empty) != len(token)+2 {
		t.Fatalf("replaceUnsigned = %d bytes, %v; want %d", len(empty), err, len(token)+2)
	}
	if d, err := Parse(empty); err != nil || !d.Signers[0].HasUnsigned {
		t.Fatalf("Parse = %v, want an empty set of unsigned attributes", err)
	}
	for name, in := range map[string][]byte{"as it is": token, "padded": append(bytes.Clone(token), 0, 0),
		"BER": toBER(token), "empty set": empty} {
		if got, err := CanonicalToken(in); err != nil || !bytes.Equal(got, token) {
			t.Errorf("%s: CanonicalToken differs from the token: %v", name, err)
		}
	}
	if _, err := CanonicalToken([]byte("no token")); !errors.Is(err, ErrMalformed) {
		t.Errorf("CanonicalToken of garbage = %v, want ErrMalformed", err)
	}
}
