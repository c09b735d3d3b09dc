package pades

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestRefused has one row for each reason why a readable document is refused. Documents of rows
// without a kind are signed.
func TestRefused(t *testing.T) {
	const signed = "<</FT/Sig/T(Old)/V 11 0 R/Subtype/Widget/Rect[0 0 0 0]%s>>"
	// The old signature's ByteRange leaves out the first string of the file.
	old := func(entries string) maker {
		return onePage("/AcroForm<</Fields[10 0 R]>>", "").with(10, fmt.Sprintf(signed, "")).
			with(11, "<</Type/Sig/Contents<00>/ByteRange[0 AAAA BBBB 9]"+entries+">>")
	}
	reference := func(method, params string) string {
		return fmt.Sprintf("/Reference[<</TransformMethod/%s/TransformParams<<%s>>>>]", method, params)
	}
	certified := func(p string) maker {
		m := old(reference("DocMDP", p))
		return m.with(1, "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[10 0 R]>>/Perms<</DocMDP 11 0 R>>>>")
	}
	for _, tt := range []struct {
		name string
		make maker
		kind signing.Kind
		text string
	}{
		{"earlier signature", old(""), "", ""},
		{"certified, no changes", certified("/P 1"), signing.KindForbidden, "certification allows no changes"},
		{"certified, forms", certified("/P 2"), "", ""},
		{"certified, annotations", certified("/P 3"), "", ""},
		{"certified, default", certified(""), "", ""},
		{"all fields locked", old(reference("FieldMDP", "/Action/All")), signing.KindForbidden, "locks its form fields"},
		{"other fields locked", old(reference("FieldMDP", "/Action/Exclude/Fields[(x)]")), signing.KindForbidden,
			"locks its form fields"},
		{"some fields locked", old(reference("FieldMDP", "/Action/Include/Fields[(x)]")), "", ""},
		{"lock of a signed field", old("").with(10, fmt.Sprintf(signed, "/Lock<</Action/All>>")), signing.KindForbidden,
			"locks its form fields"},
		{"lock with permission", old("").with(10, fmt.Sprintf(signed, "/Lock<</Action/Include/Fields[]/P 1>>")),
			signing.KindForbidden, "allows no changes"},
		{"lock of an empty field", onePage("/AcroForm<</Fields[10 0 R]>>", "").with(10,
			"<</FT/Sig/T(a)/Lock<</Action/All>>>>"), "", ""},
		{"ByteRange beyond the end", old("").with(11, "<</Contents<00>/ByteRange[0 9 20 900000]>>"), signing.KindBroken,
			"within the file"},
		{"ByteRange of two numbers", old("").with(11, "<</Contents<00>/ByteRange[0 9]>>"), signing.KindBroken,
			"four numbers"},
		{"ByteRange backwards", old("").with(11, "<</Contents<00>/ByteRange[0 90 20 9]>>"), signing.KindBroken,
			"within the file"},
		{"ByteRange negative", old("").with(11, "<</Contents<00>/ByteRange[0 -9 20 9]>>"), signing.KindBroken, "numbers"},
		{"ByteRange huge", old("").with(11, "<</Contents<00>/ByteRange[0 9 9223372036854775807 9223372036854775807]>>"),
			signing.KindBroken, "within the file"},
		{"ByteRange elsewhere", old("").with(11, "<</Contents<00>/ByteRange[0 10 20 9]>>"), signing.KindBroken,
			"does not leave out"},
		{"XFA without fields", onePage("/AcroForm<</Fields[]/XFA 9 0 R>>", "").with(9, "[(a)(b)]"), signing.KindUnsupported,
			"XFA"},
		{"XFA to be rendered", onePage("/NeedsRendering true/AcroForm<</Fields[10 0 R]/XFA 9 0 R>>", "").with(9,
			"[(a)(b)]").with(10, "<</FT/Tx/T(a)>>"), signing.KindUnsupported, "XFA"},
		{"XFA with fields", onePage("/AcroForm<</Fields[10 0 R]/XFA 9 0 R>>", "").with(9, "[(a)(b)]").with(10,
			"<</FT/Tx/T(a)>>"), "", ""},
		{"catalog with a key twice", onePage("/Lang(a)/Lang(b)", ""), signing.KindDamaged, "/Lang twice"},
		{"page with a key twice", onePage("", "/Annots[]/Annots[4 0 R]"), signing.KindDamaged, "/Annots twice"},
		{"form with a key twice", onePage("/AcroForm<</Fields[]/Fields[4 0 R]>>", ""), signing.KindDamaged, "/Fields twice"},
		{"form no dictionary", onePage("/AcroForm[]", ""), signing.KindDamaged, "not a dictionary"},
		{"fields no array", onePage("/AcroForm<</Fields 1>>", ""), signing.KindDamaged, "not an array"},
		{"annotations no array", onePage("", "/Annots 5"), signing.KindDamaged, "not an array"},
		{"no page", onePage("", "").with(2, "<</Type/Pages/Kids[]/Count 0>>"), signing.KindDamaged, "no page"},
		{"no page tree", onePage("", "").with(1, "<</Type/Catalog>>"), signing.KindDamaged, "page tree"},
		{"deep form", deepForm(200), signing.KindTooComplex, "deeper"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := leaveOut(tt.make.bytes())
			_, err := trySign(t, &Format{}, rsaKey(), file, signing.LevelB)
			e := signing.AsError(err)
			switch {
			case tt.kind == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.kind != "" && err == nil:
				t.Errorf("signed, want %s", tt.kind)
			case tt.kind != "" && (e.Kind != tt.kind || !strings.Contains(e.Detail, tt.text)):
				t.Errorf("refused with %s %q, want %s with %q", e.Kind, e.Detail, tt.kind, tt.text)
			}
		})
	}
}

// leaveOut changes the /ByteRange[0 AAAA BBBB 9] of a signature so that its gap is the string <00>.
func leaveOut(file []byte) []byte {
	if at := bytes.Index(file, []byte("<00>")); at >= 0 {
		file = bytes.Replace(file, []byte("AAAA"), fmt.Appendf(nil, "%*d", len("AAAA"), at), 1)
		file = bytes.Replace(file, []byte("BBBB"), fmt.Appendf(nil, "%*d", len("BBBB"), at+len("<00>")), 1)
	}
	return file
}

// deepForm returns a document whose form has its only field at the given depth.
func deepForm(levels int) maker {
	m := onePage("/AcroForm<</Fields[10 0 R]>>", "")
	for i := range levels {
		m = m.with(10+i, fmt.Sprintf("<</T(a)/Kids[%d 0 R]>>", 11+i))
	}
	return m.with(10+levels, "<</T(b)/FT/Tx>>")
}

func TestLevelsNotConfigured(t *testing.T) {
	original := onePage("", "").bytes()
	stamps := &Format{Timestamper: newAuthority(t, rsaKey())}
	for _, tt := range []struct {
		f     *Format
		level signing.Level
		kind  signing.Kind
	}{
		{&Format{}, signing.LevelT, signing.KindTimestamp},
		{&Format{}, signing.LevelLT, signing.KindTimestamp},
		{&Format{}, signing.LevelLTA, signing.KindTimestamp},
		{stamps, signing.LevelLT, signing.KindRevocation},
		{stamps, signing.LevelLTA, signing.KindRevocation},
		{stamps, "B-X", signing.KindInvalid},
		{stamps, "", signing.KindInvalid},
	} {
		if _, err := trySign(t, tt.f, rsaKey(), original, tt.level); signing.KindOf(err) != tt.kind || err == nil {
			t.Errorf("level %q: %v, want %s", tt.level, err, tt.kind)
		}
	}
}

// TestInjection signs documents that contain text that looks like reserved contents. This text is
// neither changed nor used.
func TestInjection(t *testing.T) {
	hole := "/ByteRange [0 0000000000 0000000000 0000000000]/Contents<" + strings.Repeat("0", 20_000) + ">"
	stream := fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", len(hole), hole)
	fake := "<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached" + hole + ">>"
	for _, tt := range []struct {
		name string
		make maker
	}{
		{"content", onePage("", "/Contents 4 0 R").with(4, stream)},
		{"metadata", onePage("/Metadata 4 0 R", "").with(4, stream)},
		{"object nobody needs", onePage("", "").with(4, fake)},
		{"catalog", onePage("/Custom "+fake, "")},
		{"page", onePage("", "/Custom "+fake)},
		{"form", onePage("/AcroForm<</Fields[]/Custom "+fake+">>", "")},
		{"identifier", func() maker {
			m := onePage("", "")
			m.trailer = "/ID[(" + strings.Repeat("0", 2000) + ")(a)]"
			return m
		}()},
	} {
		for _, packed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, packed %v", tt.name, packed), func(t *testing.T) {
				tt.make.packed = packed
				original := append(tt.make.bytes(), "%"+hole+"\n"...)
				original = append(original,
					original[bytes.LastIndex(original, []byte("startxref")):bytes.LastIndex(original, []byte("%%EOF"))+6]...)
				signed := mustSign(t, &Format{}, rsaKey(), original, signing.LevelB)
				if !bytes.HasPrefix(signed, original) {
					t.Error("the original was changed")
				}
				checkSigned(t, signed, signing.LevelB)
			})
		}
	}
}
