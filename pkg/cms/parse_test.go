package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/ber"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func serial(r *rand.Rand) *big.Int { return new(big.Int).SetUint64(r.Uint64()) }

// A signature that the original product made has exactly these values.
func TestParseOriginal(t *testing.T) {
	d, err := Parse(read(t, "testdata/original/contents.der"))
	if err != nil {
		t.Fatal(err)
	}
	if d.Size != 1485 || d.Padding != 64 || !d.DER {
		t.Errorf("size %d, padding %d, DER %v; want 1485, 64, true", d.Size, d.Padding, d.DER)
	}
	digest, _ := hex.DecodeString("AEF512BABAB4C5D97CA64CA4748BAA6DAFE775EC9615E01CC2970BDBDA6DA081")
	cert, err := d.Verify(digest)
	if err != nil {
		t.Fatalf("Verify = %v", err)
	}
	if err := d.CheckBaseline(); err != nil {
		t.Errorf("CheckBaseline = %v", err)
	}
	// Our own signed attributes and SignedData for the same certificate and digest are the same bytes.
	attributes, err := SignedAttributes(crypto.SHA256, digest, cert)
	if err != nil || !bytes.Equal(attributes, d.Signers[0].RawSignedAttributes) {
		t.Errorf("SignedAttributes differ from the original's: %v", err)
	}
	der, err := Build(
		SignedDataParams{attributes, d.Signers[0].Value, d.Certificates, signing.RSAPKCS1, crypto.SHA256, nil},
	)
	if err != nil || !bytes.Equal(der, read(t, "testdata/original/contents.der")[:1485]) {
		t.Errorf("Build differs from the original: %v", err)
	}
}

func TestParseBER(t *testing.T) {
	id := newIdentity(t, rsaKey(), "org", 7)
	der := id.sign(t, signing.RSAPKCS1, crypto.SHA256, []byte("content"))
	ber := toBER(der)
	d, err := Parse(append(bytes.Clone(ber), 0, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if d.DER || d.Size != len(ber) || d.Padding != 3 {
		t.Errorf("DER %v, size %d, padding %d; want false, %d, 3", d.DER, d.Size, d.Padding, len(ber))
	}
	if _, err := d.Verify(sum(crypto.SHA256, []byte("content"))); err != nil {
		t.Errorf("Verify = %v", err)
	}
	if err := d.CheckBaseline(); !errors.Is(err, ErrMismatch) {
		t.Errorf("CheckBaseline = %v, want ErrMismatch: BER is not DER", err)
	}
	if _, err := AddTimestamp(ber, tlv(0x30, 9)); !errors.Is(err, ErrUnsupported) {
		t.Errorf("AddTimestamp to BER = %v, want ErrUnsupported", err)
	}
}

// toBER writes every constructed element with indefinite length, and OCTET STRINGs in two pieces.
func toBER(der []byte) []byte {
	var out []byte
	for len(der) > 0 {
		e, err := ber.ReadElement(der)
		if err != nil {
			panic(err)
		}
		content := der[e.Header : e.Header+e.Content]
		switch {
		case e.Constructed():
			out = append(append(append(append(out, e.Tag...), 0x80), toBER(content)...), 0, 0)
		case e.Tag[0] == 0x04:
			half := len(content) / 2
			out = append(out, 0x24, 0x80)
			out = append(ber.AppendHeader(out, e.Tag, int64(half)), content[:half]...)
			out = append(ber.AppendHeader(out, e.Tag, int64(len(content)-half)), content[half:]...)
			out = append(out, 0, 0)
		default:
			out = append(out, der[:e.Header+e.Content]...)
		}
		der = der[e.Header+e.Content:]
	}
	return out
}

func TestParseRefuses(t *testing.T) {
	der := newIdentity(t, rsaKey(), "org", 7).sign(t, signing.RSAPKCS1, crypto.SHA256, nil)
	deep := bytes.Repeat([]byte{0x30, 0x80}, 5000)
	for name, in := range map[string][]byte{
		"nothing":               nil,
		"one byte":              {0x30},
		"only padding":          zeros(100),
		"cut":                   der[:len(der)-1],
		"padding not zero":      append(bytes.Clone(der), 0, 0, 1),
		"length beyond the end": {0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0},
		"length overflow":       {0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"length of lengths":     {0x30, 0xff, 1},
		"deep":                  deep,
		"deep and ended":        append(bytes.Clone(deep), zeros(10000)...),
		"indefinite primitive":  {0x04, 0x80, 0, 0},
		"no end of contents":    {0x30, 0x80, 0x02, 0x01, 0x01},
		"not SignedData":        {0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01},
		"a certificate":         newIdentity(t, rsaKey(), "org", 7).chain[0].Raw,
		"many certificates":     manyCertificates(t, maxCertificates+1),
	} {
		if _, err := Parse(in); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: Parse = %v, want ErrMalformed", name, err)
		}
	}
	if _, err := Parse(manyCertificates(t, maxCertificates)); err != nil {
		t.Errorf("Parse with %d certificates = %v, want nil", maxCertificates, err)
	}
}

func manyCertificates(t *testing.T, n int) []byte {
	t.Helper()
	der, err := build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(OIDSignedData)
			b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1Int64(1)
					b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {})
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(OIDData) })
					b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) { b.AddBytes(bytes.Repeat([]byte{0x30, 0}, n)) })
					b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {})
				})
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// If any byte of a SignedData is flipped, the result is refused, or is no longer a baseline
// signature over the content by the same certificate chain.
func TestVerifyNoticesEveryFlippedByte(t *testing.T) {
	id := newIdentity(t, newKey(t, signing.ECDSA, p256), "org", 7)
	id.chain = id.chain[:1]
	der := id.sign(t, signing.ECDSA, crypto.SHA256, []byte("content"))
	digest := sum(crypto.SHA256, []byte("content"))
	accepted := 0
	for i := range der {
		bad := bytes.Clone(der)
		bad[i] ^= 0x01
		d, err := Parse(bad)
		if err != nil {
			continue
		}
		cert, err := d.Verify(digest)
		if err == nil && d.CheckBaseline() == nil && cert.Equal(id.chain[0]) {
			// Fields that no signature covers, such as version and digestAlgorithms. No program relies on
			// them.
			accepted++
		}
	}
	if accepted > 30 {
		t.Errorf("%d of %d flipped bytes went unnoticed, want only those of uncovered fields", accepted, len(der))
	}
}

func TestCheckBaselineFaults(t *testing.T) {
	id := newIdentity(t, rsaKey(), "org", 7)
	good := id.sign(t, signing.RSAPKCS1, crypto.SHA256, nil)
	signingTime := Attribute{OIDSigningTime, [][]byte{append([]byte{0x17, 13}, "260101000000Z"...)}}
	for name, change := range map[string]func(d *SignedData){
		"BER":                    func(d *SignedData) { d.DER = false },
		"content inside":         func(d *SignedData) { d.Content = []byte{} },
		"content type":           func(d *SignedData) { d.ContentType = OIDTSTInfo },
		"no signer":              func(d *SignedData) { d.Signers = nil },
		"two signers":            func(d *SignedData) { d.Signers = append(d.Signers, d.Signers[0]) },
		"no signing certificate": func(d *SignedData) { d.Certificates = d.Certificates[:0] },
		"signing-time": func(d *SignedData) {
			s := &d.Signers[0]
			s.SignedAttributes = append(s.SignedAttributes, signingTime)
		},
		"content-type missing": func(d *SignedData) { s := &d.Signers[0]; s.SignedAttributes = s.SignedAttributes[1:] },
		"message-digest doubled": func(d *SignedData) {
			s := &d.Signers[0]
			s.SignedAttributes = append(s.SignedAttributes, s.SignedAttributes[1])
		},
		"signing-cert missing":      func(d *SignedData) { s := &d.Signers[0]; s.SignedAttributes = s.SignedAttributes[:2] },
		"attributes out of order":   func(d *SignedData) { d.Signers[0].Sorted = false },
		"unsigned attributes empty": func(d *SignedData) { d.Signers[0].HasUnsigned = true },
	} {
		d, err := Parse(good)
		if err != nil {
			t.Fatal(err)
		}
		change(d)
		if err := d.CheckBaseline(); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: CheckBaseline = %v, want ErrMismatch", name, err)
		}
	}
}

// Attributes that were signed out of order still verify, because OpenSSL made such signatures. They
// are not a baseline signature.
func TestVerifyUnsortedAttributes(t *testing.T) {
	id := newIdentity(t, rsaKey(), "org", 7)
	attributes, err := SignedAttributes(crypto.SHA256, sum(crypto.SHA256, nil), id.chain[0])
	if err != nil {
		t.Fatal(err)
	}
	elements, _ := readElements(attributes[headerSize(attributes):], 3)
	turned := append(attributes[:headerSize(attributes):headerSize(attributes)],
		bytes.Join([][]byte{elements[2], elements[0], elements[1]}, nil)...)
	d, err := Parse(id.signAttributes(t, signing.RSAPKCS1, crypto.SHA256, turned))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Verify(sum(crypto.SHA256, nil)); err != nil {
		t.Errorf("Verify = %v, want nil", err)
	}
	if err := d.CheckBaseline(); !errors.Is(err, ErrMismatch) {
		t.Errorf("CheckBaseline = %v, want ErrMismatch", err)
	}
}

func TestVerifyUnknownAlgorithm(t *testing.T) {
	id := newIdentity(t, rsaKey(), "org", 7)
	d, err := Parse(id.sign(t, signing.RSAPKCS1, crypto.SHA256, nil))
	if err != nil {
		t.Fatal(err)
	}
	digest := sum(crypto.SHA256, nil)
	for name, change := range map[string]func(s *SignerInfo){
		"signature algorithm": func(s *SignerInfo) { s.Algorithm = "" },
		"digest algorithm":    func(s *SignerInfo) { s.Hash = 0 },
	} {
		changed := *d
		changed.Signers = []SignerInfo{d.Signers[0]}
		change(&changed.Signers[0])
		if _, err := changed.Verify(digest); !errors.Is(err, ErrUnsupported) || errors.Is(err, ErrMismatch) {
			t.Errorf("%s: Verify = %v, want ErrUnsupported", name, err)
		}
	}
	d.Certificates = nil
	if _, err := d.Verify(digest); !errors.Is(err, ErrUnsupported) {
		t.Errorf("Verify without certificate = %v, want ErrUnsupported", err)
	}
	if _, err := d.Verify(digest, id.chain...); err != nil {
		t.Errorf("Verify with the certificate from elsewhere = %v, want nil", err)
	}
}

func TestVerifyValue(t *testing.T) {
	ec, rs := newIdentity(t, newKey(t, signing.ECDSA, p256), "org", 7), newIdentity(t, rsaKey(), "org", 7)
	digest := sum(crypto.SHA256, []byte("x"))
	value := map[signing.SignatureAlgorithm][]byte{
		signing.ECDSA:    ec.value(t, signing.ECDSA, crypto.SHA256, digest),
		signing.RSAPKCS1: rs.value(t, signing.RSAPKCS1, crypto.SHA256, digest),
		signing.RSAPSS:   rs.value(t, signing.RSAPSS, crypto.SHA256, digest),
	}
	for have, v := range value {
		for want := range value {
			public := rs.key.Public()
			if want == signing.ECDSA {
				public = ec.key.Public()
			}
			err := VerifyValue(public, want, crypto.SHA256, digest, v)
			if have == want && err != nil || have != want && !errors.Is(err, ErrMismatch) {
				t.Errorf("VerifyValue of %s as %s = %v", have, want, err)
			}
		}
	}
	for name, err := range map[string]error{
		"ECDSA by an RSA key": VerifyValue(rs.key.Public(), signing.ECDSA, crypto.SHA256, digest, value[signing.ECDSA]),
		"RSA by an ECDSA key": VerifyValue(ec.key.Public(), signing.RSAPKCS1, crypto.SHA256, digest, value[signing.RSAPKCS1]),
		"short digest": VerifyValue(rs.key.Public(), signing.RSAPKCS1, crypto.SHA256, digest[1:],
			value[signing.RSAPKCS1]),
		"empty value": VerifyValue(rs.key.Public(), signing.RSAPKCS1, crypto.SHA256, digest, nil),
	} {
		if !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: VerifyValue = %v, want ErrMismatch", name, err)
		}
	}
	if err := VerifyValue("no key", signing.ECDSA, crypto.SHA256, digest, nil); !errors.Is(err, ErrUnsupported) {
		t.Errorf("VerifyValue with an unknown key = %v, want ErrUnsupported", err)
	}
}

func TestTimestamp(t *testing.T) {
	token := read(t, "testdata/timestamp/token.der")
	ts, err := ParseTimestamp(token)
	if err != nil {
		t.Fatal(err)
	}
	if want := 1500*time.Millisecond + 100*time.Microsecond; ts.Accuracy != want || ts.Nonce == nil ||
		ts.Serial.Sign() <= 0 {
		t.Errorf("accuracy %v, nonce %v, serial %v; want %v, a nonce and a serial number", ts.Accuracy, ts.Nonce,
			ts.Serial, want)
	}
	if !ts.Policy.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}) {
		t.Errorf("policy = %v", ts.Policy)
	}
	cert, err := ts.Verify(sum(crypto.SHA256, []byte("timestamped")), crypto.SHA256)
	if err != nil {
		t.Fatalf("Verify = %v", err)
	}
	block, _ := pem.Decode(read(t, "testdata/timestamp/ca.pem"))
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil || cert.CheckSignatureFrom(ca) != nil {
		t.Errorf("Verify returned a certificate that the CA did not sign: %v", err)
	}
	if _, err := ts.Verify(sum(crypto.SHA256, []byte("other")), crypto.SHA256); !errors.Is(err, ErrMismatch) {
		t.Errorf("Verify of other data = %v, want ErrMismatch", err)
	}
	if _, err := ts.Verify(sum(crypto.SHA512, []byte("timestamped")), crypto.SHA512); !errors.Is(err, ErrMismatch) {
		t.Errorf("Verify with another hash = %v, want ErrMismatch", err)
	}
	late := *ts
	late.Time = cert.NotAfter.Add(time.Second)
	if _, err := late.Verify(late.Imprint, late.Hash); !errors.Is(err, ErrMismatch) {
		t.Errorf("Verify after the certificate's end = %v, want ErrMismatch", err)
	}
	if _, err := ParseTimestamp(read(t, "testdata/original/contents.der")); !errors.Is(err, ErrMalformed) {
		t.Errorf("ParseTimestamp of a signature = %v, want ErrMalformed", err)
	}
}
