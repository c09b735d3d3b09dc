package pades

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// signField signs the existing field of a name.
func signField(t *testing.T, f *Format, original []byte, name string, level signing.Level) ([]byte, error) {
	t.Helper()
	in := input(t, original, level)
	in.Signature.Visible = &signing.VisibleSignature{
		LocationType: "SIGN_FIELD", LocationValue: name, TemplateType: "ONE_OFF", OneOffTemplate: "x",
	}
	p, err := f.Prepare(context.Background(), in, rsaKey().credential)
	if err != nil {
		return nil, err
	}
	section, _, err := f.Embed(context.Background(), in, p, rsaKey().sign(t, p.Digest))
	return append(bytes.Clone(original), section...), err
}

// withLock returns a document with the signature fields a and b. Field a locks fields once it is
// signed.
func withLock(lock string) []byte {
	const field = "<</FT/Sig/T(%s)/Subtype/Widget/Rect[0 0 90 90]/P 3 0 R%s>>"
	return onePage("/AcroForm<</Fields[10 0 R 11 0 R]>>", "/Annots[10 0 R 11 0 R]").
		with(10, fmt.Sprintf(field, "a", "/Lock<<"+lock+">>")).with(11, fmt.Sprintf(field, "b", "")).bytes()
}

// TestLocks signs the field that locks, and then either the other field or a new one.
func TestLocks(t *testing.T) {
	for _, tt := range []struct {
		lock          string
		other, newOne bool // may be signed then
	}{
		{"/Action/All", false, false},
		{"/Action/Include/Fields[(a)]", true, true},
		{"/Action/Include/Fields[(a)(b)]", false, true},
		{"/Action/Exclude/Fields[(b)]", true, false},
		{"/Action/Exclude/Fields[(c)]", false, false},
		{"/Action/Include/Fields[]/P 1", false, false},
		{"/Action/Include/Fields[]/P 2", true, true},
	} {
		t.Run(tt.lock, func(t *testing.T) {
			locked, err := signField(t, &Format{}, withLock(tt.lock), "a", signing.LevelB)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := signField(t, &Format{}, locked, "b", signing.LevelB); (err == nil) != tt.other ||
				err != nil && signing.KindOf(err) != signing.KindForbidden {
				t.Errorf("sign the other field: %v, want allowed = %v", err, tt.other)
			}
			if _, err := trySign(t, &Format{}, rsaKey(), locked, signing.LevelB); (err == nil) != tt.newOne ||
				err != nil && signing.KindOf(err) != signing.KindForbidden {
				t.Errorf("sign a new field: %v, want allowed = %v", err, tt.newOne)
			}
		})
	}
}

// TestTimestampPassesLocks reaches B-LTA with a field that locks everything, because locks do not
// cover timestamps.
func TestTimestampPassesLocks(t *testing.T) {
	a := newAuthority(t, rsaKey())
	signed, err := signField(t, &Format{Timestamper: a, Revocation: a}, withLock("/Action/All"), "a", signing.LevelLTA)
	if err != nil {
		t.Fatal(err)
	}
	checkSigned(t, signed, signing.LevelLTA)
}

// TestPermissions clears permission bits of an encrypted document. A new field needs bits 4 and 6,
// an existing field needs bit 6 or 9.
func TestPermissions(t *testing.T) {
	plain, err := os.ReadFile("../pdf/testdata/encrypted/rc4-128-r3.pdf")
	if err != nil {
		t.Fatal(err)
	}
	doc := openPDF(t, plain)
	if err := checkPermissions(doc, ""); err != nil {
		t.Errorf("all permissions: %v", err)
	}
	signed := mustSign(t, &Format{}, rsaKey(), plain, signing.LevelB)
	checkSigned(t, signed, signing.LevelB)
	restricted, err := os.ReadFile("testdata/corpus/qpdf__enc-R3_V2_O_master.pdf")
	if err != nil {
		t.Fatal(err)
	}
	doc = openPDF(t, restricted)
	p := doc.Permissions()
	if err := checkPermissions(doc, ""); (err == nil) != (p&mayModify != 0 && p&mayAnnotate != 0) {
		t.Errorf("new field with permissions %b: %v", p, err)
	}
	if err := checkPermissions(doc, "name"); (err == nil) != (p&(mayAnnotate|mayFill) != 0) {
		t.Errorf("existing field with permissions %b: %v", p, err)
	}
}

// TestEncrypted signs documents with every revision of encryption. Independent programs decrypt
// them and accept the signature.
func TestEncrypted(t *testing.T) {
	k := rsaKey()
	o := askOthers(t, k)
	for _, name := range []string{"rc4-40-r2", "rc4-128-r3", "rc4-128-r4", "aes-128-r4", "aes-128-r4-metadata",
		"aes-256-r5", "aes-256-r6"} {
		t.Run(name, func(t *testing.T) {
			original, err := os.ReadFile("../pdf/testdata/encrypted/" + name + ".pdf")
			if err != nil {
				t.Fatal(err)
			}
			signed := mustSign(t, &Format{}, k, original, signing.LevelB)
			if bytes.Contains(signed, []byte("Lisboa")) || bytes.Contains(signed, []byte("D:2026")) {
				t.Error("strings of the signature are not encrypted")
			}
			list, err := readSignatures(openPDF(t, signed))
			if err != nil || len(list) != 1 {
				t.Fatalf("readSignatures = %v, %v", list, err)
			}
			if s, _ := list[0].dict.Get("Location").(pdf.String); s.Text() != "Lisboa" {
				t.Errorf("/Location = %q", s.Text())
			}
			checkSigned(t, signed, signing.LevelB)
			o.check(t, original, signed)
		})
	}
}

// TestEncryptedXrefStreams raises an encrypted document with cross-reference streams, whose strings
// are not encrypted, to B-LTA, and signs it again.
func TestEncryptedXrefStreams(t *testing.T) {
	k := rsaKey()
	a := newAuthority(t, k)
	f := &Format{Timestamper: a, Revocation: a}
	for _, name := range []string{"aes-128-r4", "aes-128-r4-metadata", "aes-256-r6"} {
		t.Run(name, func(t *testing.T) {
			original, err := os.ReadFile("../pdf/testdata/encrypted/" + name + ".pdf")
			if err != nil {
				t.Fatal(err)
			}
			file := mustSign(t, f, k, original, signing.LevelLTA)
			if r := report(t, file, VerifyOptions{}); !r.Valid() || r.Signatures[0].Level != signing.LevelLTA {
				t.Errorf("report = %+v, want valid at B-LTA", r.Signatures)
			}
			if r := report(t, mustSign(t, f, k, file, signing.LevelLTA), VerifyOptions{}); !r.Valid() || len(r.Signatures) != 4 {
				t.Errorf("signed again, report = %+v, want four valid signatures", r.Signatures)
			}
		})
	}
}

// TestNames tests that a free name is found if fields already have, or contain, the usual names.
func TestNames(t *testing.T) {
	m := onePage("/AcroForm<</Fields[10 0 R 11 0 R 13 0 R]>>", "").with(10, "<</FT/Tx/T(Signature1)>>").
		with(11, "<</T(Signature2)/Kids[12 0 R]>>").with(12, "<</FT/Tx/T(x)/Parent 11 0 R>>").
		with(13, "<</FT/Tx/T<FEFF005300690067006E00610074007500720065 0033>>>")
	s := checkSigned(t, mustSign(t, &Format{}, rsaKey(), m.bytes(), signing.LevelB), signing.LevelB)
	if s == nil || !strings.HasPrefix(s.Field, "Signature4") {
		t.Errorf("the field is called %q, want Signature4", s.Field)
	}
}
