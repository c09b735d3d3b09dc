package certchain_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

// commonName returns a distinguished name with one common name of the given string type.
func commonName(t *testing.T, tag cbasn1.Tag, content string) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{2, 5, 4, 3})
				b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(content)) })
			})
		})
	})
	return b.BytesOrPanic()
}

// issueDER makes a certificate for key with raw names.
func issueDER(
	t *testing.T, key *ecdsa.PrivateKey, subject []byte, serial []byte, issuerName []byte, by *ecdsa.PrivateKey,
) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(0x1234),
		RawSubject:            subject,
		NotBefore:             now.Add(-1),
		NotAfter:              now.Add(1),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{RawSubject: issuerName}, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	if serial == nil {
		return der
	}
	return resign(t, bytes.Replace(der, []byte{2, 2, 0x12, 0x34}, append([]byte{2, byte(len(serial))}, serial...), 1), by)
}

// resign replaces the signature of a certificate after a change in place of its content.
func resign(t *testing.T, der []byte, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	var parts struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &parts); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(parts.TBS.FullBytes)
	value, err := by.Sign(rand.Reader, digest[:], nil)
	if err != nil {
		t.Fatal(err)
	}
	parts.Signature = asn1.BitString{Bytes: value, BitLength: 8 * len(value)}
	out, err := asn1.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestParseAcceptsHarmlessFaults(t *testing.T) {
	issuerKey, key := issue(t, "x", nil).key, issue(t, "y", nil).key
	clean := commonName(t, cbasn1.UTF8String, "issuer")
	for name, c := range map[string]struct {
		subject, issuer []byte
		serial          []byte
		wantName        string
		wantSerial      int64
	}{
		"underscore": {commonName(t, cbasn1.PrintableString, "SVC_SIGN_01"), clean, nil, "SVC_SIGN_01", 0x1234},
		"at-sign": {
			commonName(t, cbasn1.PrintableString, "seal@example.org"), clean, nil, "seal@example.org", 0x1234,
		},
		"in the issuer":   {clean, commonName(t, cbasn1.PrintableString, "CORP_CA #1"), nil, "issuer", 0x1234},
		"NumericString":   {commonName(t, 18, "12-34"), clean, nil, "12-34", 0x1234},
		"VisibleString":   {commonName(t, 26, "visible"), clean, nil, "visible", 0x1234},
		"negative serial": {clean, clean, []byte{0xff, 0x34}, "issuer", -0xcc},
		"lowest serial":   {clean, clean, []byte{0x80, 0x01}, "issuer", -0x7fff},
		"both":            {commonName(t, cbasn1.PrintableString, "a_b"), clean, []byte{0x80, 0}, "a_b", -0x8000},
	} {
		t.Run(name, func(t *testing.T) {
			der := issueDER(t, key, c.subject, c.serial, c.issuer, issuerKey)
			if _, err := x509.ParseCertificate(der); err == nil {
				t.Fatal("crypto/x509 reads it too: the case shows nothing")
			}
			got, err := certchain.Parse(der)
			if err != nil {
				t.Fatalf("Parse = %v", err)
			}
			if got.Subject.CommonName != c.wantName || got.SerialNumber.Int64() != c.wantSerial {
				t.Errorf("Parse = %q, serial number %d, want %q, %d",
					got.Subject.CommonName, got.SerialNumber, c.wantName, c.wantSerial)
			}
			if !bytes.Equal(got.Raw, der) || !bytes.Equal(got.RawSubject, c.subject) || !bytes.Equal(got.RawIssuer, c.issuer) {
				t.Error("Parse changed the bytes of the certificate")
			}
			issuer, err := certchain.Parse(issueDER(t, issuerKey, c.issuer, nil, c.issuer, issuerKey))
			if err != nil {
				t.Fatal(err)
			}
			if !certchain.SignedBy(got, issuer) {
				t.Error("the signature does not verify any more")
			}
			roots := x509.NewCertPool()
			roots.AddCert(issuer)
			anyUse := []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
			if _, err := got.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: anyUse}); err != nil {
				t.Errorf("Verify = %v", err)
			}
		})
	}
}

func TestParseNamesWhatItRefuses(t *testing.T) {
	key := issue(t, "x", nil).key
	clean := commonName(t, cbasn1.UTF8String, "issuer")
	for name, c := range map[string]struct {
		subject, issuer, serial []byte
		want                    []string
	}{
		"a letter beyond ASCII": {
			commonName(t, cbasn1.PrintableString, "Caf\xe9"), clean, nil,
			[]string{`"Caf"`, "1234", "subject's commonName", "PrintableString", "0xE9"},
		},
		"a control character": {
			commonName(t, cbasn1.IA5String, "a_\x00\xe9b"), clean, nil,
			[]string{`"a_`, "subject's commonName", "IA5String", "0x00"},
		},
		"not UTF-8": {
			clean, commonName(t, cbasn1.UTF8String, "S\xe3o"), nil, []string{`"issuer"`, "issuer's commonName", "UTF8String"},
		},
		"UniversalString": {
			commonName(t, 28, "\x00\x00\x00a"), clean, nil, []string{"subject's commonName", "UniversalString"},
		},
		"not a string": {
			commonName(t, cbasn1.BIT_STRING, "\x00\x01"), clean, nil, []string{"subject's commonName", "not a string"},
		},
		"a serial number not DER": {clean, clean, []byte{0xff, 0xff}, []string{`"issuer"`, "serial number"}},
	} {
		_, err := certchain.Parse(issueDER(t, key, c.subject, c.serial, c.issuer, key))
		if err == nil {
			t.Errorf("%s: Parse = nil, want an error", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Parse = %v, want %q in it", name, err, want)
			}
		}
	}
}

func TestParseCRLAcceptsTheNamesThatParseAccepts(t *testing.T) {
	key := issue(t, "x", nil).key
	name := commonName(t, cbasn1.PrintableString, "CORP_CA")
	der := issueDER(t, key, name, nil, name, key)
	ca, err := certchain.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	ca.KeyUsage, ca.SubjectKeyId = x509.KeyUsageCRLSign, []byte{1}
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(1e9),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(7), RevocationTime: now}},
	}, &x509.Certificate{
		Subject: pkix.Name{CommonName: "CORP CA"}, KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte{1},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	list = resign(t, bytes.Replace(list, []byte("\x13\x07CORP CA"), []byte("\x13\x07CORP_CA"), 1), key)
	if _, err := x509.ParseRevocationList(list); err == nil {
		t.Fatal("crypto/x509 reads it too: the case shows nothing")
	}
	crl, err := certchain.ParseCRL(list)
	if err != nil {
		t.Fatalf("ParseCRL = %v", err)
	}
	if !bytes.Equal(crl.Raw, list) || !bytes.Equal(crl.RawIssuer, name) || len(crl.RevokedCertificateEntries) != 1 {
		t.Errorf("ParseCRL = issuer %x with %d entries, want %x with 1",
			crl.RawIssuer, len(crl.RevokedCertificateEntries), name)
	}
	if err := crl.CheckSignatureFrom(ca); err != nil {
		t.Errorf("the list's signature does not verify any more: %v", err)
	}
	if _, err := certchain.ParseCRL(list[:len(list)-1]); err == nil {
		t.Error("ParseCRL of a cut list = nil, want an error")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		if c, err := certchain.Parse(der); err == nil && !bytes.Equal(c.Raw, der) {
			t.Error("Parse changed the bytes of the certificate")
		}
		_, _ = certchain.ParseCRL(der)
	})
}
