package pades

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const forgedContent = "<</Length 9>>\nstream\n9 9 m f %\n\nendstream"

// signedContent returns a document whose page shows object 4, signed at B-B. The arguments are
// added to the catalog, the page and the objects.
func signedContent(t *testing.T, catalog, page string, more map[int]string) []byte {
	t.Helper()
	if !strings.Contains(page, "/Contents") {
		page += "/Contents 4 0 R"
	}
	m := onePage(catalog, page).with(4, "<</Length 9>>\nstream\n0 0 m f %\n\nendstream")
	for n, body := range more {
		m = m.with(n, body)
	}
	return mustSign(t, &Format{}, rsaKey(), m.bytes(), signing.LevelB)
}

// appendRevision appends objects with a cross-reference table, whose /Prev is prev or, if that is
// 0, the newest section. Entries of trailer come before the usual ones.
func appendRevision(t *testing.T, file []byte, objects map[int]string, trailer string, prev int64) []byte {
	t.Helper()
	if prev == 0 {
		prev = openPDF(t, file).StartsAt()
	}
	b := bytes.NewBuffer(bytes.Clone(file))
	table := "xref\n"
	for n, body := range objects {
		table += fmt.Sprintf("%d 1\n%010d 00000 n \n", n, b.Len())
		fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", n, body)
	}
	return endRevision(b, table, trailer, prev)
}

func endRevision(b *bytes.Buffer, table, trailer string, prev int64) []byte {
	if !strings.Contains(trailer, "/Root") {
		trailer += "/Root 1 0 R"
	}
	start := b.Len()
	fmt.Fprintf(b, "%strailer\n<</Size 99%s/Prev %d>>\nstartxref\n%d\n%%%%EOF\n", table, trailer, prev, start)
	return b.Bytes()
}

// bodyOf returns the text of the newest version of an object.
func bodyOf(t *testing.T, file []byte, number int) string {
	t.Helper()
	all := regexp.MustCompile(fmt.Sprintf(`(?s)\n%d 0 obj\n(.*?)\nendobj`, number)).FindAllSubmatch(file, -1)
	if len(all) == 0 {
		t.Fatalf("object %d is not in the file", number)
	}
	return string(all[len(all)-1][1])
}

// lastTable returns the text of the newest cross-reference table.
func lastTable(t *testing.T, file []byte) string {
	t.Helper()
	table, _, ok := bytes.Cut(file[openPDF(t, file).StartsAt():], []byte("trailer"))
	if !ok {
		t.Fatal("the file has no table at its end")
	}
	return string(table)
}

// withEntry adds an entry to the text of a dictionary.
func withEntry(dict, entry string) string {
	return strings.TrimSuffix(strings.TrimSpace(dict), ">>") + entry + ">>"
}

// TestVerifyForged appends revisions to signed documents that make a reader show another page:
// objects that only the new revision claims to be harmless, another catalog, objects that the
// signed revision left undefined, and cross-reference sections inside the signed bytes.
func TestVerifyForged(t *testing.T) {
	plain := signedContent(t, "", "", nil)
	catalog, field := bodyOf(t, plain, 1), onlySignature(t, plain).field.ref.Number
	for _, tt := range []struct {
		name string
		file func(*testing.T) []byte
		want string
	}{
		{"as metadata", func(t *testing.T) []byte {
			return appendRevision(t, plain, map[int]string{4: forgedContent, 1: withEntry(catalog, "/Metadata 4 0 R")}, "", 0)
		}, "object 4 changed"},
		{"as information", func(t *testing.T) []byte {
			return appendRevision(t, plain, map[int]string{4: forgedContent}, "/Info 4 0 R", 0)
		}, "object 4 changed"},
		{"as validation data", func(t *testing.T) []byte {
			return appendRevision(t, plain, map[int]string{4: forgedContent, 1: withEntry(catalog, "/DSS<</CRLs[4 0 R]>>")},
				"", 0)
		}, "object 4 changed"},
		{"as the appearance of the signature", func(t *testing.T) []byte {
			body := strings.Replace(bodyOf(t, plain, field), "/AP", "/AP<</N<</Off 4 0 R>>>>/Old", 1)
			return appendRevision(t, plain, map[int]string{4: forgedContent, field: body}, "", 0)
		}, "object 4 changed"},
		{"under another catalog", func(t *testing.T) []byte {
			page := strings.Replace(bodyOf(t, plain, 3), "4 0 R", "53 0 R", 1)
			return appendRevision(t, plain, map[int]string{
				50: strings.Replace(catalog, "/Pages 2 0 R", "/Pages 51 0 R", 1),
				51: "<</Type/Pages/Count 1/Kids[52 0 R]/MediaBox[0 0 595 842]>>",
				52: strings.Replace(page, "/Parent 2 0 R", "/Parent 51 0 R", 1), 53: forgedContent,
			}, "/Root 50 0 R", 0)
		}, `/"Pages" of the catalog`},
		{"where nothing was", func(t *testing.T) []byte {
			file := signedContent(t, "", "/Contents[4 0 R 20 0 R]", nil)
			return appendRevision(t, file, map[int]string{20: forgedContent}, "", 0)
		}, "object 20 was added"},
		{"where null was", func(t *testing.T) []byte {
			file := signedContent(t, "", "/Contents[4 0 R 9 0 R]", map[int]string{9: "null"})
			return appendRevision(t, file, map[int]string{9: forgedContent}, "", 0)
		}, "object 9 was added"},
		{"in a section that was hidden", hiddenSection, "object 4 changed"},
		{"by going round a revision", func(t *testing.T) []byte {
			first := onePage("", "/Contents 4 0 R").with(4, forgedContent).bytes()
			second := appendRevision(t, first, map[int]string{4: bodyOf(t, plain, 4)}, "", 0)
			file := mustSign(t, &Format{}, rsaKey(), second, signing.LevelB)
			return endRevision(bytes.NewBuffer(bytes.Clone(file)), lastTable(t, file), "", openPDF(t, first).StartsAt())
		}, "object 4 changed"},
		{"content that was metadata from the start", func(t *testing.T) []byte {
			file := signedContent(t, "/Metadata 4 0 R", "", nil)
			return appendRevision(t, file, map[int]string{4: forgedContent}, "", 0)
		}, "object 4 changed"},
		{"content that was an appearance from the start", func(t *testing.T) []byte {
			file := signedContent(t, "/AcroForm<</Fields[10 0 R]>>", "/Annots[10 0 R]", map[int]string{
				10: "<</FT/Tx/T(a)/Subtype/Widget/Rect[0 0 0 0]/AP<</N 4 0 R>>>>",
			})
			return appendRevision(t, file, map[int]string{4: forgedContent}, "", 0)
		}, "object 4 changed"},
		{"under a key given twice", func(t *testing.T) []byte {
			page := strings.Replace(bodyOf(t, plain, 3), "/Contents", "/Contents 50 0 R/Contents", 1)
			return appendRevision(t, plain, map[int]string{3: page, 50: forgedContent}, "", 0)
		}, `the page has /"Contents" twice`},
		{"by a field that lay ready", func(t *testing.T) []byte {
			file := signedContent(t, "", "",
				map[int]string{7: "<</FT/Sig/T(x)/Subtype/Widget/Rect[0 0 99 99]/AP<</N 8 0 R>>>>", 8: forgedContent})
			return revise(t, file, func(u *pdf.Update) { putField(t, u, pdf.Ref{Number: 7}) })
		}, "annotations were added"},
		{"by a field that nobody signed", func(t *testing.T) []byte {
			return revise(t, plain, func(u *pdf.Update) { putField(t, u, emptyFieldWith(u, "9 9 m f")) })
		}, "annotations were added"},
		{"without its encryption", unsealed, "encryption changed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := report(t, tt.file(t), VerifyOptions{}).Signatures[0]
			if s.Valid() || !strings.Contains(strings.Join(s.Tampered, "\n"), tt.want) {
				t.Errorf("tampered = %q, faults = %q, want %q", s.Tampered, s.Faults, tt.want)
			}
		})
	}
}

// onlySignature returns the signature of a document with exactly one signed field.
func onlySignature(t *testing.T, file []byte) signature {
	t.Helper()
	list, err := readSignatures(openPDF(t, file))
	if err != nil || len(list) != 1 {
		t.Fatalf("signatures = %v, %v, want one", list, err)
	}
	return list[0]
}

// forgedBox is the rectangle of forged fields.
var forgedBox = pdf.Array{pdf.Int(0), pdf.Int(0), pdf.Int(99), pdf.Int(99)}

// emptyFieldWith adds an empty signature field whose appearance has the given content.
func emptyFieldWith(u *pdf.Update, content string) pdf.Ref {
	return u.Add(pdf.NewDict("FT", pdf.Name("Sig"), "T", pdf.Text("x"), "Subtype", pdf.Name("Widget"), "Rect", forgedBox,
		"AP", pdf.NewDict("N", faceWith(u, content))))
}

// putField adds a field to the form and to the page.
func putField(t *testing.T, u *pdf.Update, field pdf.Ref) {
	t.Helper()
	catalog, _, err := u.Document().Catalog()
	form, ok := catalog.Get("AcroForm").(pdf.Ref)
	if err != nil || !ok {
		t.Fatalf("the form is %v, %v, want an object of its own", catalog.Get("AcroForm"), err)
	}
	for ref, key := range map[pdf.Ref]pdf.Name{{Number: 3}: "Annots", form: "Fields"} {
		d, err := u.EditDict(ref)
		if err != nil {
			t.Fatal(err)
		}
		list, _ := d.Get(key).(pdf.Array)
		d.Set(key, append(list.Clone(), field))
	}
}

// unsealed returns a signed, encrypted document with a revision whose trailer lacks /Encrypt.
func unsealed(t *testing.T) []byte {
	original, err := os.ReadFile("../pdf/testdata/encrypted/rc4-128-r3.pdf")
	if err != nil {
		t.Fatal(err)
	}
	file := mustSign(t, &Format{}, rsaKey(), original, signing.LevelB)
	revised := revise(t, file, func(u *pdf.Update) { u.Add(pdf.Int(1)) })
	return append(file, bytes.Replace(revised[len(file):], []byte("/Encrypt"), []byte("/Ciphers"), 1)...)
}

// hiddenSection returns a signed document with a cross-reference section and its object hidden in a
// stream. A later update links the section.
func hiddenSection(t *testing.T) []byte {
	const object = "4 0 obj\n" + forgedContent + "\nendobj\n"
	build := func(at, prev int) []byte {
		section := fmt.Sprintf("%sxref\n4 1\n%010d 00000 n \ntrailer\n<</Size 7/Root 1 0 R/Prev %010d>>\n", object, at, prev)
		return onePage("", "/Contents 4 0 R").with(4, "<</Length 9>>\nstream\n0 0 m f %\n\nendstream").
			with(6, fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", len(section), section)).bytes()
	}
	draft := build(0, 0) // as long as what becomes of it
	at := bytes.Index(draft, []byte(object))
	file := mustSign(t, &Format{}, rsaKey(), build(at, int(openPDF(t, draft).StartsAt())), signing.LevelB)
	return endRevision(bytes.NewBuffer(bytes.Clone(file)), lastTable(t, file), "", int64(at+len(object)))
}

// TestVerifyHonest appends harmless revisions that look like forgeries.
func TestVerifyHonest(t *testing.T) {
	for name, file := range map[string]func(*testing.T) []byte{
		"validation data that was missing": func(t *testing.T) []byte {
			file := signedContent(t, "/DSS<</Certs[20 0 R]>>", "", nil)
			return appendRevision(t, file, map[int]string{20: "<</Length 0>>\nstream\n\nendstream"}, "", 0)
		},
		"metadata": func(t *testing.T) []byte {
			file := signedContent(t, "/Metadata 6 0 R", "", map[int]string{6: "<</Length 0>>\nstream\n\nendstream"})
			return appendRevision(t, file, map[int]string{6: forgedContent}, "", 0)
		},
		"a field to be signed": func(t *testing.T) []byte {
			return revise(t, signedContent(t, "", "", nil), func(u *pdf.Update) { putField(t, u, emptyFieldWith(u, "\n")) })
		},
		"validation data that was extended, and then replaced": func(t *testing.T) []byte {
			file := signedContent(t, "/DSS 20 0 R", "", map[int]string{20: "<</Certs[]>>"})
			file = appendRevision(t, file, map[int]string{20: "<</Certs[40 0 R]>>", 40: "<</Length 0>>\nstream\n\nendstream"},
				"", 0)
			return revise(t, file, func(u *pdf.Update) { set(t, 1, "DSS", u.Add(pdf.NewDict("Certs", pdf.Array{})))(u) })
		},
		"a field that was filled in twice": func(t *testing.T) []byte {
			file := appendRevision(t, signedForm(t), map[int]string{11: "<</Length 0>>\nstream\n\nendstream"}, "", 0)
			return revise(t, file, func(u *pdf.Update) { set(t, 10, "AP", pdf.NewDict("N", faceWith(u, "f")))(u) })
		},
		"another catalog that says the same": func(t *testing.T) []byte {
			file := signedContent(t, "", "", nil)
			return appendRevision(t, file, map[int]string{50: bodyOf(t, file, 1)}, "/Root 50 0 R", 0)
		},
		"what only a writer's own trailer entry refers to": func(t *testing.T) []byte {
			m := onePage("", "")
			m.trailer = "/AdditionalStreams[/application#2Fx 20 0 R]"
			file := mustSign(t, &Format{}, rsaKey(), m.bytes(), signing.LevelB)
			return appendRevision(t, file, map[int]string{20: forgedContent}, "", 0)
		},
		"an appearance that is a number": func(t *testing.T) []byte {
			file := signedContent(t, "/AcroForm<</Fields[10 0 R]>>", "/Annots[10 0 R]", map[int]string{
				10: "<</FT/Tx/T(a)/Subtype/Widget/Rect[0 0 0 0]/AP 7>>",
			})
			return revise(t, file, func(u *pdf.Update) { u.Add(pdf.Text("unused")) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := report(t, file(t), VerifyOptions{})
			if !r.Valid() || slices.ContainsFunc(r.Signatures, func(s SignatureReport) bool { return s.Whole }) {
				t.Errorf("report = %+v, want valid and changed", r.Signatures)
			}
		})
	}
}
