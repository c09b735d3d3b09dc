package pades

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// validFor returns the key of the tests with a certificate that is valid between two times.
func validFor(from, to time.Time) *testKey {
	k := *rsaKey()
	leaf := issue("Test Signer", k.key.Public(), k.sub, k.caKey, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.NotBefore, c.NotAfter = false, x509.KeyUsageDigitalSignature, from, to
	})
	credential := *k.credential
	credential.Chain = []*x509.Certificate{leaf, k.sub}
	k.credential = &credential
	return &k
}

// TestVerifyTime tests that a certificate is judged at the time of signing, with and without
// trusted roots, and that the report names the source of this time.
func TestVerifyTime(t *testing.T) {
	now, hour := time.Now(), time.Hour
	original := onePage("", "").bytes()
	noTime := func(t *testing.T, k *testKey) []byte {
		return signSection(t, k, original, func(doc *pdf.Document, f *form, size int) (*preparedSection, error) {
			value := pdf.NewDict("Type", pdf.Name("Sig"), "Filter", pdf.Name("Adobe.PPKLite"), "SubFilter", subFilterCAdES)
			return fieldSection(doc, f, fieldSpec{value: value, size: size, level: extensionSignature})
		})
	}
	at := func(level signing.Level, tokenSize int) func(t *testing.T, k *testKey) []byte {
		return func(t *testing.T, k *testKey) []byte {
			return mustSign(t, &Format{Timestamper: newAuthority(t, k), TokenSize: tokenSize}, k, original, level)
		}
	}
	for _, tt := range []struct {
		name     string
		from, to time.Time
		sign     func(t *testing.T, k *testKey) []byte
		source   TimeSource
		fault    string
		note     string
	}{
		{"claimed while valid", testTime.Add(-hour), now.Add(hour), at(signing.LevelB, 0), ClaimedTime, "", ""},
		{"claimed while valid, expired since", testTime.Add(-hour), testTime.Add(hour), at(signing.LevelB, 0), ClaimedTime,
			"", "no timestamp proves"},
		{"claimed when expired", testTime.Add(-2 * hour), testTime.Add(-hour), at(signing.LevelB, 0), ClaimedTime,
			"expired at 2026-03-04T04:06:07Z", ""},
		{"claimed too early", testTime.Add(hour), now.Add(hour), at(signing.LevelB, 0), ClaimedTime,
			"not valid before 2026-03-04T06:06:07Z", ""},
		{"stamped while valid, claimed too early", now.Add(-hour), now.Add(hour), at(signing.LevelT, 0), StampedTime, "", ""},
		{"stamped when expired, claimed while valid", testTime.Add(-hour), testTime.Add(hour), at(signing.LevelT, 0),
			StampedTime, "expired at", ""},
		{"document timestamp while valid, claimed too early", now.Add(-hour), now.Add(hour), at(signing.LevelT, 1),
			StampedTime, "", ""},
		{"no time while valid", testTime.Add(-hour), now.Add(hour), noTime, VerifyTime, "", ""},
		{"no time when expired", testTime.Add(-hour), testTime.Add(hour), noTime, VerifyTime, "expired at", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := validFor(tt.from, tt.to)
			file := tt.sign(t, k)
			roots := x509.NewCertPool()
			roots.AddCert(k.root)
			for _, o := range []VerifyOptions{{Now: now}, {Now: now, Roots: roots}} {
				s := report(t, file, o).Signatures[0]
				if s.JudgedBy != tt.source || s.Valid() != (tt.fault == "") ||
					!strings.Contains(strings.Join(s.Faults, "\n"), tt.fault) {
					t.Errorf("report = %+v, want it judged by %d with fault %q", s, tt.source, tt.fault)
				}
				if got := strings.Contains(strings.Join(s.Notes, "\n"), "no timestamp proves"); got != (tt.note != "") {
					t.Errorf("notes = %q, want %q", s.Notes, tt.note)
				}
				want := map[TimeSource]time.Time{ClaimedTime: s.Claimed, StampedTime: s.Stamped, VerifyTime: now}[s.JudgedBy]
				if want.IsZero() || !s.Judged.Equal(want) {
					t.Errorf("judged at %v, want %v", s.Judged, want)
				}
			}
		})
	}
}

// TestVerifyTimeOfStranger tests that the time of an untrusted authority is not used.
func TestVerifyTimeOfStranger(t *testing.T) {
	k := validFor(testTime.Add(-time.Hour), testTime.Add(time.Hour))
	stranger := newTestKey(mustRSA(t), signing.RSAPKCS1, k.credential.Hash)
	file := mustSign(t, &Format{Timestamper: newAuthority(t, stranger)}, k, onePage("", "").bytes(), signing.LevelT)
	roots := x509.NewCertPool()
	roots.AddCert(k.root)
	s := report(t, file, VerifyOptions{Roots: roots}).Signatures[0]
	if s.JudgedBy != ClaimedTime || strings.Contains(strings.Join(s.Faults, "\n"), "expired") {
		t.Errorf("report = %+v, want it judged at the claimed time", s)
	}
}

// TestVerdicts tests that a broken signature is distinguished from one that this program cannot
// judge.
func TestVerdicts(t *testing.T) {
	k := rsaKey()
	signed := mustSign(t, &Format{}, k,
		onePage("", "/Contents 4 0 R").with(4, "<</Length 9>>\nstream\n0 0 m f %\n\nendstream").bytes(), signing.LevelB)
	other := func(file []byte) []byte { // an encoding of signatures that nobody knows
		return signSection(t, k, file, func(doc *pdf.Document, f *form, size int) (*preparedSection, error) {
			value := pdf.NewDict("Type", pdf.Name("Sig"), "Filter", pdf.Name("Adobe.PPKLite"), "SubFilter", pdf.Name("new.form"))
			return fieldSection(doc, f, fieldSpec{value: value, size: size, level: extensionSignature})
		})
	}
	altered := func(file []byte, old, new string) []byte {
		if !bytes.Contains(file, []byte(old)) {
			t.Fatalf("the file does not hold %q", old)
		}
		return bytes.Replace(file, []byte(old), []byte(new), 1)
	}
	sample := func(name string) []byte {
		b, err := os.ReadFile("testdata/corpus/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	// The certificate of its first signature had expired, and its second signature is made with
	// Ed25519.
	ed25519 := sample("pyHanko__extensions-update-direct.pdf")
	for _, tt := range []struct {
		name string
		file []byte
		want []Verdict
		all  Verdict
	}{
		{"good", signed, []Verdict{Good}, Good},
		{"other content", altered(signed, "0 0 m", "9 9 m"), []Verdict{Broken}, Broken},
		{"form that nobody knows", other(onePage("", "").bytes()), []Verdict{CannotBeJudged}, CannotBeJudged},
		{"form that nobody knows behind a good one", other(signed), []Verdict{Good, CannotBeJudged}, CannotBeJudged},
		{"form that nobody knows behind a broken one", other(altered(signed, "0 0 m", "9 9 m")),
			[]Verdict{Broken, CannotBeJudged}, Broken},
		{"algorithm that is not known", ed25519, []Verdict{Broken, CannotBeJudged}, Broken},
		{"algorithm that is not known, other content", altered(ed25519, "/Pages", "/Pagse"), []Verdict{Broken, Broken},
			Broken},
		{"missing certificate, other content", sample("verapdf__veraPDF_test_suite_6-1-12-t02-fail-a.pdf"),
			[]Verdict{Broken}, Broken},
		{"no signature", onePage("", "").bytes(), nil, Unsigned},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := report(t, tt.file, VerifyOptions{})
			if r.Verdict() != tt.all || len(r.Signatures) != len(tt.want) {
				t.Fatalf("verdict = %d on %d signatures, want %d on %d: %+v", r.Verdict(), len(r.Signatures), tt.all,
					len(tt.want), r.Signatures)
			}
			for i, want := range tt.want {
				if s := &r.Signatures[i]; s.Verdict() != want || s.Valid() != (want == Good) {
					t.Errorf("verdict on signature %d = %d, want %d: %+v", i+1, s.Verdict(), want, s)
				}
			}
		})
	}
}

// TestVerifyNegativeSerial tests that a good signature is not called broken because crypto/x509
// refuses its certificate.
func TestVerifyNegativeSerial(t *testing.T) {
	k := validFor(testTime.Add(-time.Hour), time.Now().Add(time.Hour))
	serial := []byte{2, 8, 0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0x56, 0x78}
	leaf := issue("Test Signer", k.key.Public(), k.sub, k.caKey, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.SerialNumber = false, x509.KeyUsageDigitalSignature, new(big.Int).SetBytes(serial[2:])
	})
	negative := bytes.Clone(serial)
	negative[2] = 0x92
	odd, err := certchain.Parse(resign(t, k.caKey, bytes.Replace(leaf.Raw, serial, negative, 1)))
	if err != nil || odd.SerialNumber.Sign() >= 0 {
		t.Fatalf("certificate with a negative serial number: %v, %v", odd, err)
	}
	k.credential.Chain = []*x509.Certificate{odd, k.sub}
	file := mustSign(t, &Format{}, k, onePage("", "").bytes(), signing.LevelB)
	roots := x509.NewCertPool()
	roots.AddCert(k.root)
	for _, o := range []VerifyOptions{{}, {Roots: roots}} {
		if r := report(t, file, o); r.Verdict() != Good {
			t.Errorf("verdict = %d, want %d: %+v", r.Verdict(), Good, r.Signatures)
		}
	}
}

// resign signs a certificate again after its content was changed in place.
func resign(t *testing.T, by crypto.Signer, der []byte) []byte {
	t.Helper()
	var parts struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &parts); err != nil {
		t.Fatal(err)
	}
	value, err := by.Sign(rand.Reader, sha256Of(parts.TBS.FullBytes), crypto.SHA256)
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
