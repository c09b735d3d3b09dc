package appearance

import (
	"bytes"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"testing"
	"time"

	"crypto/x509"
	"crypto/x509/pkix"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// pageSpec is a page to draw on; zero values are left out of the file.
type pageSpec struct {
	media, crop string
	rotate      int
	unit        float64
	catalog     string // more entries of the catalog
}

// onePage writes a document of one page with the word "page" in its middle and a frame around its
// crop box.
func onePage(s pageSpec) []byte {
	if s.media == "" {
		s.media = "[0 0 595.303937007874 841.889763779528]"
	}
	tree := "" // the boxes and the rotation are inherited
	if s.crop != "" {
		tree += " /CropBox " + s.crop
	}
	if s.rotate != 0 {
		tree += fmt.Sprintf(" /Rotate %d", s.rotate)
	}
	own := ""
	if s.unit != 0 {
		own = fmt.Sprintf(" /UserUnit %g", s.unit)
	}
	const content = "q 0.8 g 0 0 m 5000 5000 l 0.3 w S Q BT /F1 20 Tf 150 300 Td (page) Tj ET"
	objects := []string{
		"<</Type /Catalog /Pages 2 0 R " + s.catalog + ">>",
		"<</Type /Pages /Kids [3 0 R] /Count 1 /MediaBox " + s.media + tree + ">>",
		"<</Type /Page /Parent 2 0 R /Contents 4 0 R /Resources <</Font <</F1 5 0 R>>>>" + own + ">>",
		fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", len(content), content),
		"<</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>",
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	var offsets []int
	for i, o := range objects {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d /Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.Bytes()
}

func openPDF(t *testing.T, b []byte) *pdf.Document {
	t.Helper()
	d, err := pdf.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func withUpdate(t *testing.T, original []byte, u *pdf.Update) []byte {
	t.Helper()
	section, err := u.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return append(bytes.Clone(original), section...)
}

// content returns what the tests draw: the request of the golden pair.
func content(t *testing.T, edit func(*signing.VisibleSignature, *Content)) Content {
	t.Helper()
	casa, err := os.ReadFile("testdata/golden/casa.png")
	if err != nil {
		t.Fatal(err)
	}
	v := signing.VisibleSignature{
		LocationType: "COORDINATE", LocationValue: "page=1,x=100,y=500", Area: "width=300,height=200",
		AreaBackgroundColor: "transparent", TemplateType: "ONE_OFF", OneOffTemplate: "Signed by $certificate.getCommonName()",
		ImageType: "IMAGE_PNG", Image: &signing.Content{Size: int64(len(casa))},
	}
	c := Content{
		Certificate: &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "King Sejong of Joseon"}},
		Reason:      "Test API", Location: "Lisbon", Time: time.Date(2025, 4, 30, 9, 1, 18, 0, time.UTC),
		Image: inMemory(casa),
	}
	if edit != nil {
		edit(&v, &c)
	}
	if c.Values, err = v.Parse(); err != nil {
		t.Fatal(err)
	}
	return c
}

// stamp draws c on the first page of a document at its coordinate, as the appearance of an empty
// signature field.
func stamp(t *testing.T, original []byte, c Content) []byte {
	t.Helper()
	d := openPDF(t, original)
	page, err := d.Page(0)
	if err != nil {
		t.Fatal(err)
	}
	c.Page = PageSize(page)
	a, err := Make(c)
	if err != nil {
		t.Fatal(err)
	}
	where, err := Place(page, c.Values.At.X, c.Values.At.Y, a.Area())
	if err != nil {
		t.Fatal(err)
	}
	u, err := pdf.NewUpdate(d)
	if err != nil {
		t.Fatal(err)
	}
	widget := u.Add(pdf.NewDict(
		"Type", pdf.Name("Annot"), "Subtype", pdf.Name("Widget"), "FT", pdf.Name("Sig"), "T", pdf.Text("Signature1"),
		"F", pdf.Int(132), "P", page.Ref, "Rect", where.Rect.Array(),
		"AP", pdf.NewDict("N", a.Write(u.Add, where.Matrix)),
	))
	edited, err := u.EditDict(page.Ref)
	if err != nil {
		t.Fatal(err)
	}
	edited.Set("Annots", pdf.Array{widget})
	_, root, err := d.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := u.EditDict(root)
	if err != nil {
		t.Fatal(err)
	}
	catalog.Set("AcroForm", pdf.NewDict("Fields", pdf.Array{widget}, "SigFlags", pdf.Int(3)))
	return withUpdate(t, original, u)
}

// tool returns the path of an external program. If the program is missing, the test is skipped, or
// fails in CI.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}
