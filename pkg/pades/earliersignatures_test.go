package pades

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestEarlierBroken tests that a document with a wrong earlier signature or document timestamp is
// refused, and that one whose earlier signature cannot be judged is signed.
func TestEarlierBroken(t *testing.T) {
	k := rsaKey()
	a := newAuthority(t, k)
	original := onePage("", "/Contents 4 0 R").with(4, "<</Length 9>>\nstream\n0 0 m f %\n\nendstream").bytes()
	sign := func(file []byte, level signing.Level) []byte {
		return mustSign(t, &Format{Timestamper: a, Revocation: a}, k, file, level)
	}
	alter := func(file []byte) []byte { return bytes.Replace(file, []byte("0 0 m"), []byte("9 9 m"), 1) }
	stranger := *k
	stranger.key = mustRSA(t)
	stamp := func(file []byte) []byte { // a document timestamp alone
		in := input(t, file, signing.LevelT)
		s := &state{Hash: uint(crypto.SHA256), Midstate: in.Midstate}
		section := &assembly{
			Format: &Format{Timestamper: a},
			in:     in,
			state:  s,
			chains: [][]*x509.Certificate{k.credential.Chain},
		}
		if err := section.timestampDocument(t.Context()); err != nil {
			t.Fatal(err)
		}
		return append(bytes.Clone(file), section.sections...)
	}
	unknown := signSection(t, k, original, func(doc *pdf.Document, f *form, size int) (*preparedSection, error) {
		value := pdf.NewDict("Type", pdf.Name("Sig"), "Filter", pdf.Name("Adobe.PPKLite"), "SubFilter", pdf.Name("new.form"))
		return fieldSection(doc, f, fieldSpec{value: value, size: size, level: extensionSignature})
	})
	for _, tt := range []struct {
		name string
		file []byte
		want string // empty: it is signed
	}{
		{"good", sign(original, signing.LevelB), ""},
		{"two good ones", sign(sign(original, signing.LevelB), signing.LevelB), ""},
		{"good at B-LTA", sign(original, signing.LevelLTA), ""},
		{"good document timestamp", stamp(original), ""},
		{"other content", alter(sign(original, signing.LevelB)), "its digest does not match"},
		{"other content, two signatures", alter(sign(sign(original, signing.LevelB), signing.LevelB)),
			"its digest does not match"},
		{"other content, good signature behind", signRegardless(t, k, alter(sign(original, signing.LevelB))),
			"its digest does not match"},
		{"other content under a document timestamp", alter(stamp(original)), "its digest does not match"},
		{"other key", signRegardless(t, &stranger, original), "does not match"},
		{"form that nobody knows", unknown, ""},
		{"form that nobody knows, other content", alter(unknown), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := trySign(t, &Format{}, k, tt.file, signing.LevelB)
			if tt.want == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if e := signing.AsError(err); tt.want != "" &&
				(err == nil || e.Kind != signing.KindBroken || !strings.Contains(e.Detail, tt.want)) {
				t.Errorf("error = %v, want %s with %q", err, signing.KindBroken, tt.want)
			}
		})
	}
}

// TestEarlierStray tests that objects that no cross-reference section lists are refused after an
// earlier signature, also inside a revision.
func TestEarlierStray(t *testing.T) {
	const forged = "90 0 obj\n<</Type/Page>>\nendobj\n"
	file := signedForm(t)
	blank := strings.Repeat(" ", len(forged))
	revised := appendRevision(t, append(bytes.Clone(file), blank...),
		map[int]string{10: withEntry(bodyOf(t, file, 10), "/M(D:2026)")}, "", 0)
	table := bytes.LastIndex(revised, []byte("xref\n10 1"))
	// The forged object stands between the revision's own object and its table.
	object := revised[len(file)+len(blank) : table]
	moved := bytes.Clone(revised)
	copy(moved[len(file):], object)
	copy(moved[len(file)+len(object):], forged)
	moved = bytes.Replace(moved, offset(len(file)+len(blank)), offset(len(file)), 1)
	if _, err := trySign(t, &Format{}, rsaKey(), revised, signing.LevelB); err != nil {
		t.Errorf("without the forged object: %v", err)
	}
	_, err := trySign(t, &Format{}, rsaKey(), moved, signing.LevelB)
	if e := signing.AsError(err); err == nil || e.Kind != signing.KindDamaged ||
		!strings.Contains(e.Detail, "belong to no revision") {
		t.Errorf("with it: %v, want %s", err, signing.KindDamaged)
	}
}

// TestEarlierBounded tests that the number of bytes hashed for earlier signatures is bounded.
func TestEarlierBounded(t *testing.T) {
	const size = 1 << 20
	file := bytes.NewReader(make([]byte, size))
	var list []earlier
	for range (minHashed + hashedPerByte*size) / size {
		list = append(
			list,
			earlier{
				byteRange: byteRange{gapStart: 1, gapEnd: 2, end: size},
				hash:      crypto.SHA256,
				check:     func([]byte) error { return nil },
			},
		)
	}
	if err := hashEarlier(t.Context(), file, size, list); err != nil {
		t.Errorf("%d signatures: %v", len(list), err)
	}
	list = append(list, list[0])
	if err := hashEarlier(t.Context(), file, size, list); signing.KindOf(err) != signing.KindTooComplex {
		t.Errorf("%d signatures: %v, want %s", len(list), err, signing.KindTooComplex)
	}
}
