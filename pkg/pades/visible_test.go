package pades

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const goldenFolder = "appearance/testdata/golden"

// visibleInput is the request of the golden pair, changed by edit.
func visibleInput(t *testing.T, original []byte, edit func(*signing.VisibleSignature)) signing.Input {
	t.Helper()
	casa, err := os.ReadFile(filepath.Join(goldenFolder, "casa.png"))
	if err != nil {
		t.Fatal(err)
	}
	in := input(t, original, signing.LevelB)
	in.Signature.Visible = &signing.VisibleSignature{
		LocationType:        "COORDINATE",
		LocationValue:       "page=1,x=100,y=500",
		Area:                "width=300,height=200",
		AreaBackgroundColor: "transparent",
		TemplateType:        "ONE_OFF",
		OneOffTemplate:      "Signed by $certificate.getCommonName()",
		ImageType:           "IMAGE_PNG",
		Image:               &signing.Content{Size: int64(len(casa))},
	}
	in.OpenImage = func() (signing.File, error) { return newFile(casa), nil }
	if edit != nil {
		edit(in.Signature.Visible)
	}
	return in
}

func signVisible(t *testing.T, original []byte, edit func(*signing.VisibleSignature)) ([]byte, error) {
	t.Helper()
	f, k, in := &Format{}, rsaKey(), visibleInput(t, original, edit)
	p, err := f.Prepare(context.Background(), in, k.credential)
	if err != nil {
		return nil, err
	}
	section, _, err := f.Embed(context.Background(), in, p, k.sign(t, p.Digest))
	if err != nil {
		return nil, err
	}
	return append(bytes.Clone(original), section...), nil
}

func golden(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(goldenFolder, "test.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// widgets returns rectangle, page number and appearance of each signed field's widget, in the order
// of the form.
func signedWidget(t *testing.T, file []byte, n int) (rect pdf.Rectangle, page int, form *pdf.Stream) {
	t.Helper()
	doc, err := pdf.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	all, err := readSignatures(doc)
	if err != nil || n >= len(all) {
		t.Fatalf("signature %d of %d: %v", n, len(all), err)
	}
	ref, widget, err := widgetOf(doc, all[n].field)
	if err != nil {
		t.Fatal(err)
	}
	rect, _, err = doc.Rectangle(widget.Get("Rect"))
	if err != nil {
		t.Fatal(err)
	}
	page = -1
	index := 0
	err = doc.Pages(0, func(p *pdf.Page) (bool, error) {
		list, err := doc.Array(p.Dict.Get("Annots"))
		for _, o := range list {
			if o == pdf.Object(ref) {
				page = index
			}
		}
		index++
		return true, err
	})
	if err != nil {
		t.Fatal(err)
	}
	ap, err := doc.Dict(widget.Get("AP"))
	if err != nil {
		t.Fatal(err)
	}
	o, err := doc.Get(ap.Get("N"))
	if err != nil {
		t.Fatal(err)
	}
	form, _ = o.(*pdf.Stream)
	return rect, page, form
}

// verifyAll checks that the document has count signatures and all are valid.
func verifyAll(t *testing.T, file []byte, count int) {
	t.Helper()
	r, err := Verify(context.Background(), bytes.NewReader(file), int64(len(file)), VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Signatures) != count {
		t.Errorf("%d signatures, want %d", len(r.Signatures), count)
	}
	for _, s := range r.Signatures {
		if !s.Valid() {
			t.Errorf("signature in %s: faults %q, tampered %q", s.Field, s.Faults, s.Tampered)
		}
	}
}

func TestVisibleAtCoordinate(t *testing.T) {
	signed, err := signVisible(t, golden(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	rect, page, form := signedWidget(t, signed, 0)
	if got, want := fmt.Sprintf("%.2f", rect), "{100.00 141.89 400.00 341.89}"; got != want || page != 0 || form == nil {
		t.Errorf("widget = %s on page %d, want %s on page 0", got, page, want)
	}
	verifyAll(t, signed, 1)
	if n := len(signed) - len(golden(t)); n > 40<<10 {
		t.Errorf("the signature took %d bytes, want at most 40 KiB; the original product's took 169,000", n)
	}
}

func TestVisibleTwice(t *testing.T) {
	once, err := signVisible(t, golden(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := signVisible(t, once, func(v *signing.VisibleSignature) { v.LocationValue = "page=1,x=100,y=200" })
	if err != nil {
		t.Fatal(err)
	}
	verifyAll(t, twice, 2)
}

// TestVisibleOnOnePage signs a document whose pages share one array of annotations. Only one page
// may show the signature.
func TestVisibleOnOnePage(t *testing.T) {
	file := onePage("", "/Annots 7 0 R").with(2, "<</Type/Pages/Count 2/Kids[3 0 R 4 0 R]/MediaBox[0 0 595 842]>>").
		with(4, "<</Type/Page/Parent 2 0 R/Annots 7 0 R>>").with(7, "[8 0 R]").
		with(8, "<</Type/Annot/Subtype/Link/Rect[0 0 9 9]>>").bytes()
	for n, want := range [][2]int{{1, 2}, {2, 2}} { // how many annotations the two pages have then
		signed, err := signVisible(t, file,
			func(v *signing.VisibleSignature) { v.LocationValue = fmt.Sprintf("page=%d,x=100,y=500", 2-n) })
		if err != nil {
			t.Fatal(err)
		}
		verifyAll(t, signed, n+1)
		doc := openPDF(t, signed)
		for i, want := range want {
			page, err := doc.Page(i)
			if err != nil {
				t.Fatal(err)
			}
			if list, err := doc.Array(page.Dict.Get("Annots")); err != nil || len(list) != want {
				t.Errorf("after %d signatures: annotations of page %d = %v, %v, want %d", n+1, i+1, list, err, want)
			}
		}
		file = signed
	}
}

func TestVisibleAtPlaceholder(t *testing.T) {
	signed, err := signVisible(t, golden(t), func(v *signing.VisibleSignature) {
		v.LocationType, v.LocationValue = "PLACEHOLDER", "TESTE"
	})
	if err != nil {
		t.Fatal(err)
	}
	// pdftotext -bbox: xMin 280.0, yMax 69.4 from the top of 841.89.
	rect, page, _ := signedWidget(t, signed, 0)
	if page != 0 || rect.X0 < 278 || rect.X0 > 282 || rect.Y1 < 841.89-72 || rect.Y1 > 841.89-66 || rect.Width() < 299.9 ||
		rect.Height() < 199.9 {
		t.Errorf("widget = %v on page %d, want its top left at 280, 772", rect, page)
	}
	verifyAll(t, signed, 1)
}

// withField adds an empty signature field to a document. kid makes the widget a kid of the field.
// extra are further entries of the field.
func withField(t *testing.T, original []byte, kid bool, extra *pdf.Dict) []byte {
	t.Helper()
	doc, err := pdf.Open(bytes.NewReader(original), int64(len(original)))
	if err != nil {
		t.Fatal(err)
	}
	u, err := pdf.NewUpdate(doc)
	if err != nil {
		t.Fatal(err)
	}
	page, err := doc.Page(0)
	if err != nil {
		t.Fatal(err)
	}
	widget := pdf.NewDict("Type", pdf.Name("Annot"), "Subtype", pdf.Name("Widget"), "F", pdf.Int(2),
		"Rect", pdf.Array{pdf.Int(350), pdf.Int(160), pdf.Int(150), pdf.Int(100)})
	field := widget
	ref := u.Reserve()
	widgetRef := ref
	if kid {
		field = pdf.NewDict()
		widget.Set("Parent", ref)
		widgetRef = u.Add(widget)
		field.Set("Kids", pdf.Array{widgetRef})
	}
	field.Set("FT", pdf.Name("Sig"))
	field.Set("T", pdf.Text("Assinatura"))
	for k, v := range extra.All() {
		field.Set(k, v)
	}
	u.Put(ref, field)
	if err := addAnnotation(u, page.Ref, widgetRef); err != nil {
		t.Fatal(err)
	}
	if err := addToForm(u, &form{}, ref); err != nil {
		t.Fatal(err)
	}
	section, err := u.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return append(bytes.Clone(original), section...)
}

func inField(v *signing.VisibleSignature) {
	v.LocationType, v.LocationValue = "SIGN_FIELD", "Assinatura"
	v.ImageType, v.Image = "", nil
}

func TestVisibleInField(t *testing.T) {
	lock := pdf.NewDict("Lock",
		pdf.NewDict("Type", pdf.Name("SigFieldLock"), "Action", pdf.Name("Include"), "Fields", pdf.Array{pdf.Text("Other")}))
	o := askOthers(t, rsaKey())
	o.script = false // it wants all pages to look as before
	for name, file := range map[string][]byte{
		"merged": withField(t, golden(t), false, nil), "kid": withField(t, golden(t), true, nil),
		"lock": withField(t, golden(t), false, lock),
	} {
		t.Run(name, func(t *testing.T) {
			signed, err := signVisible(t, file, inField)
			if err != nil {
				t.Fatal(err)
			}
			rect, page, form := signedWidget(t, signed, 0)
			if want := (pdf.Rectangle{X0: 150, Y0: 100, X1: 350, Y1: 160}); rect != want || page != 0 {
				t.Errorf("widget = %v on page %d, want %v on page 0", rect, page, want)
			}
			if box, _ := form.Dict.Get("BBox").(pdf.Array); fmt.Sprint(box) != "[0 0 200 60]" {
				t.Errorf("BBox = %v, want the field's size", box)
			}
			verifyAll(t, signed, 1)
			o.check(t, file, signed)
			if hasLock := bytes.Contains(signed, []byte("/FieldMDP")); hasLock != (name == "lock") {
				t.Errorf("the signature locks fields: %v, want %v", hasLock, name == "lock")
			}
			if _, err := signVisible(t, signed, inField); signing.KindOf(err) != signing.KindVisible ||
				!strings.Contains(err.Error(), "already signed") {
				t.Errorf("a second signature in the field = %v, want it refused as already signed", err)
			}
		})
	}
}

// TestVisibleInFieldAfterSignature signs a document that has an empty field, and then signs in this
// field.
func TestVisibleInFieldAfterSignature(t *testing.T) {
	once, err := signVisible(t, withField(t, golden(t), false, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := signVisible(t, once, inField)
	if err != nil {
		t.Fatal(err)
	}
	verifyAll(t, twice, 2)
}

func TestVisibleRefused(t *testing.T) {
	locking := pdf.NewDict("SV", pdf.NewDict("Ff", pdf.Int(2), "SubFilter", pdf.Array{pdf.Name("adbe.pkcs7.detached")}))
	tests := []struct {
		name string
		file []byte
		edit func(*signing.VisibleSignature)
		want string
	}{
		{"page out of range", golden(t), func(v *signing.VisibleSignature) { v.LocationValue = "page=2,x=1,y=1" }, "page 2"},
		{
			"outside the page",
			golden(t),
			func(v *signing.VisibleSignature) { v.LocationValue = "page=1,x=600,y=1" },
			"outside the page",
		},
		{
			"image larger than the area",
			golden(t),
			func(v *signing.VisibleSignature) { v.Area = "width=300,height=149" },
			"150 x 150 pixels",
		},
		{"not an image", golden(t), func(v *signing.VisibleSignature) { v.ImageType = "IMAGE_JPG" }, "not a JPEG"},
		{
			"no placeholder",
			golden(t),
			func(v *signing.VisibleSignature) { v.LocationType, v.LocationValue = "PLACEHOLDER", "NOWHERE" },
			`"NOWHERE" is not in the document`,
		},
		{"no form", golden(t), inField, "is not in the document"},
		{"no field", withField(t, golden(t), false, nil), func(v *signing.VisibleSignature) {
			inField(v)
			v.LocationValue = "Other"
		}, "is not in the document"},
		{
			"not a signature field",
			withField(t, golden(t), false, pdf.NewDict("FT", pdf.Name("Tx"))),
			inField,
			"not a signature field",
		},
		{
			"no area",
			withField(t, golden(t), false, pdf.NewDict("Rect", pdf.Array{pdf.Int(0), pdf.Int(0), pdf.Int(0), pdf.Int(0)})),
			inField,
			"empty",
		},
		{"no rectangle", withField(t, golden(t), false, pdf.NewDict("Rect", nil)), inField, "rectangle"},
		{"another encoding demanded", withField(t, golden(t), false, locking), inField, "requires"},
		{"too much text", withField(t, golden(t), false, nil), func(v *signing.VisibleSignature) {
			inField(v)
			v.OneOffTemplate = strings.Repeat("much text ", 300)
		}, "does not fit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := signVisible(t, tt.file, tt.edit)
			e := signing.AsError(err)
			if err == nil || e.Kind != signing.KindVisible || !strings.Contains(e.Detail, tt.want) {
				t.Errorf("sign = %v, want %q with %q", err, signing.KindVisible, tt.want)
			}
		})
	}
}

func TestVisibleRefusesALockedField(t *testing.T) {
	lock := pdf.NewDict("Lock", pdf.NewDict("Action", pdf.Name("Include"), "Fields", pdf.Array{pdf.Text("Assinatura")}))
	locked, err := signVisible(t, withField(t, golden(t), false, lock), inField)
	if err != nil {
		t.Fatal(err)
	}
	// Its own signature locks the field's name: another field of that name below it would be locked
	// too.
	doc, err := pdf.Open(bytes.NewReader(locked), int64(len(locked)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := inspect(t.Context(), doc, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.checkLocks("Assinatura.second"); signing.KindOf(err) != signing.KindForbidden {
		t.Errorf("checkLocks = %v, want KindForbidden", err)
	}
	if err := f.checkLocks("Assinatura2"); err != nil {
		t.Errorf("checkLocks of another name = %v, want nil", err)
	}
}

func TestIsPDFA(t *testing.T) {
	intent := "/OutputIntents [<</Type /OutputIntent /S /GTS_PDFA1 /OutputConditionIdentifier (x)>>]"
	xmp := `<x:xmpmeta><rdf:Description xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" pdfaid:part="3"/></x:xmpmeta>`
	for _, tt := range []struct {
		name, catalog, metadata string
		want                    bool
	}{
		{"plain", "", "", false},
		{"output intent", intent, "", true},
		{"other intent", "/OutputIntents [<</S /GTS_PDFX>>]", "", false},
		{"metadata", "/Metadata 4 0 R", xmp, true},
		{"other metadata", "/Metadata 4 0 R", "<x:xmpmeta/>", false},
	} {
		file := smallPDF(
			"<</Type /Catalog /Pages 2 0 R "+tt.catalog+">>", "<</Type /Pages /Kids [3 0 R] /Count 1 /MediaBox [0 0 9 9]>>",
			"<</Type /Page /Parent 2 0 R>>",
			fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", len(tt.metadata), tt.metadata),
		)
		doc, err := pdf.Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := isPDFA(doc); err != nil || got != tt.want {
			t.Errorf("%s: isPDFA = %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

// smallPDF returns a document of the objects 1, 2, … whose catalog is the first object.
func smallPDF(objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	offsets := make([]int, len(objects))
	for i, o := range objects {
		offsets[i] = b.Len()
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

// TestVisibleInARealForm signs the empty field of a form that another program made.
func TestVisibleInARealForm(t *testing.T) {
	original, err := os.ReadFile("../../hack/samples/form-with-signature-field.pdf")
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signVisible(t, original, func(v *signing.VisibleSignature) {
		inField(v)
		v.LocationValue, v.OneOffTemplate = "Signature", "Signed by $certificate.commonName\n$date.format('dd/MM/yyyy')"
	})
	if err != nil {
		t.Fatal(err)
	}
	verifyAll(t, signed, 1)
	if out := os.Getenv("SIGNSTASH_OUT"); out != "" {
		if err := os.WriteFile(filepath.Join(out, "visible-in-form.pdf"), signed, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
