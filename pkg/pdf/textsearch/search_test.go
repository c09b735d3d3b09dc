package textsearch

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// sheet is a document of one or more pages to search.
type sheet struct {
	content []string          // of each page; one content stream
	page    string            // more entries of the page tree's root
	objects map[string]string // more objects by name; @name in any text refers to one
}

// fonts that every sheet has; its pages name them F1 to F7.
var standardObjects = map[string]string{
	"helvetica": "<</Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding>>",
	"courier":   "<</Type /Font /Subtype /Type1 /BaseFont /Courier>>",
	"different": "<</Type /Font /Subtype /Type1 /BaseFont /X /FirstChar 1 /LastChar 5 /Widths [500 500 500 500 " +
		"500] /Encoding <</Differences [1 /S /I /G /N /uni20AC]>>>>",
	"cid": "<</Type /Font /Subtype /Type0 /BaseFont /Y /Encoding /Identity-H /ToUnicode @unicode /DescendantFonts " +
		"[<</Type /Font /Subtype /CIDFontType2 /DW 600 /W [1 [500 500] 3 9 500]>>]>>",
	"unicode": stream(
		"",
		"1 begincodespacerange <0000> <FFFF> endcodespacerange 2 beginbfchar <0001> <0053> <0002> <00490047> endbfchar "+
			"1 beginbfrange <0003> <0004> <004E> endbfrange 1 beginbfrange <0005> <0006> [<FB01> <0058>] endbfrange",
	),
	"vertical": "<</Type /Font /Subtype /Type0 /BaseFont /Z /Encoding /UniJIS-UCS2-V /DescendantFonts [<</Type " +
		"/Font /Subtype /CIDFontType0 /DW 1000>>]>>",
	"embedded": "<</Type /Font /Subtype /Type0 /BaseFont /W /Encoding @codes /ToUnicode @short " +
		"/DescendantFonts [<</Type /Font /Subtype /CIDFontType0 /DW 500>>]>>",
	"codes": stream(
		"/Type /CMap",
		"2 begincodespacerange <00> <7F> <8000> <FFFF> endcodespacerange 1 begincidrange <8001> <8003> 10 endcidrange "+
			"1 begincidchar <01> 1 endcidchar",
	),
	"short": stream("", "3 beginbfchar <01> <0053> <8001> <00490047> <8002> <004E> endbfchar"),
	"drawn": "<</Type /Font /Subtype /Type3 /FontMatrix [0.01 0 0 0.01 0 0] /FontBBox [0 0 50 50] /CharProcs " +
		"<<>> /FirstChar 1 /LastChar 4 " +
		"/Widths [50 50 50 50] /Encoding <</Differences [1 /S /I /G /N]>>>>",
}

const standardFonts = "/F1 @helvetica /F2 @courier /F3 @different /F4 @cid /F5 @vertical /F6 @embedded /F7 @drawn"

func stream(dict, data string) string {
	return fmt.Sprintf("<<%s /Length %d>>\nstream\n%s\nendstream", dict, len(data), data)
}

var reference = regexp.MustCompile("@[a-z0-9]+")

// bytes writes the document.
func (s sheet) bytes() []byte {
	all := map[string]string{}
	for _, from := range []map[string]string{standardObjects, s.objects} {
		for name, o := range from {
			all[name] = o
		}
	}
	var kids []string
	for i, c := range s.content {
		all[fmt.Sprintf("content%d", i)] = stream("", c)
		all[fmt.Sprintf("page%d", i)] = fmt.Sprintf("<</Type /Page /Parent @tree /Contents @content%d>>", i)
		kids = append(kids, fmt.Sprintf("@page%d", i))
	}
	all["tree"] = fmt.Sprintf(
		"<</Type /Pages /Kids [%s] /Count %d /MediaBox [0 0 600 800] %s /Resources <</Font <<%s>> /XObject <</Fm1 "+
			"@form1 /Fm2 @form2>> "+
			"/ExtGState <</Gs1 <</Font [@courier 20]>>>>>>>>",
		strings.Join(kids, " "),
		len(kids),
		s.page,
		standardFonts,
	)
	all["catalog"] = "<</Type /Catalog /Pages @tree>>"
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	resolve := func(text string) string {
		return reference.ReplaceAllStringFunc(text, func(name string) string {
			if i := slices.Index(names, name[1:]); i >= 0 {
				return fmt.Sprintf("%d 0 R", i+1)
			}
			return "null"
		})
	}
	offsets := make([]int, len(names))
	for i, name := range names {
		offsets[i] = b.Len()
		dict, data, isStream := strings.Cut(all[name], "\nstream\n")
		fmt.Fprintf(&b, "%d 0 obj\n%s", i+1, resolve(dict))
		if isStream {
			fmt.Fprintf(&b, "\nstream\n%s", data)
		}
		b.WriteString("\nendobj\n")
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(names)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d /Root %s>>\nstartxref\n%d\n%%%%EOF\n", len(names)+1, resolve("@catalog"), start)
	return b.Bytes()
}

func open(t testing.TB, b []byte) *pdf.Document {
	t.Helper()
	d, err := pdf.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// at is a place as the tests write it: the page, and the lower left corner without the descent, in
// user space.
type at struct {
	page int
	x, y float64
}

func (s sheet) find(t *testing.T, word string) (at, bool) {
	t.Helper()
	m, err := Find(t.Context(), open(t, s.bytes()), word)
	if err != nil {
		t.Fatalf("Find(%q): %v", word, err)
	}
	if m == nil {
		return at{}, false
	}
	// The baseline lies between descent and ascent as 0.22 to 0.9, the heights of a font that does not
	// tell its own.
	low, high := m.Corners[0], m.Corners[3]
	share := 0.22 / (0.22 + 0.9)
	return at{m.Index, low.X + (high.X-low.X)*share, low.Y + (high.Y-low.Y)*share}, true
}

func (p at) near(q at) bool {
	return p.page == q.page && math.Abs(p.x-q.x) < 0.02 && math.Abs(p.y-q.y) < 0.02
}

func TestFind(t *testing.T) {
	one := func(content string) sheet { return sheet{content: []string{content}} }
	tests := []struct {
		name  string
		sheet sheet
		word  string
		want  at
	}{
		{
			"one string",
			one("BT /F1 10 Tf 100 200 Td (Hello SIGN_HERE there) Tj ET"),
			"SIGN_HERE",
			at{0, 100 + 10*(0.722+0.556+0.222*2+0.556+0.278), 200},
		},
		{"split over operators", one("BT /F2 10 Tf 100 200 Td (SI) Tj (GN) Tj ( x) Tj ET"), "SIGN", at{0, 100, 200}},
		{"kerned", one("BT /F2 10 Tf 100 200 Td [(S) 20 (I) -30 (GN)] TJ ET"), "SIGN", at{0, 100, 200}},
		{"gap as blank", one("BT /F2 10 Tf 100 200 Td [(SIGN) -600 (HERE)] TJ ET"), "SIGN HERE", at{0, 100, 200}},
		{
			"a letter at a time, backwards",
			one(
				"BT /F2 10 Tf 1 0 0 1 118 200 Tm (N) Tj 1 0 0 1 112 200 Tm (G) Tj 1 0 0 1 100 200 Tm (S) Tj 1 0 0 1 106 " +
					"200 Tm (I) Tj ET",
			),
			"SIGN",
			at{0, 100, 200},
		},
		{
			"lines by T* and quotes",
			one("BT /F2 10 Tf 12 TL 100 200 Td (a) Tj T* (b) Tj (c) ' 0 0 (SIGN) \" ET"),
			"SIGN",
			at{0, 100, 164},
		},
		{"TD sets the leading", one("BT /F2 10 Tf 100 200 Td 0 -20 TD (a) Tj (SIGN) ' ET"), "SIGN", at{0, 100, 160}},
		{
			"scale, spacing and rise",
			one("BT /F2 10 Tf 50 Tz 2 Tc 10 Tw 3 Ts 100 200 Td (a SIGN) Tj ET"),
			"SIGN",
			at{0, 100 + 0.5*(6+2) + 0.5*(6+2+10), 203},
		},
		{
			"transformed",
			one("q 2 0 0 2 10 20 cm BT /F2 10 Tf 100 200 Td (SIGN) Tj ET Q BT /F2 10 Tf (y) Tj ET"),
			"SIGN",
			at{0, 210, 420},
		},
		{"restored", one("q 2 0 0 2 10 20 cm Q BT /F2 10 Tf 100 200 Td (SIGN) Tj ET"), "SIGN", at{0, 100, 200}},
		{"font by gs", one("/Gs1 gs BT 100 200 Td (xxSIGN) Tj ET"), "xxSIGN", at{0, 100, 200}},
		{"invisible", one("BT 3 Tr /F2 10 Tf 100 200 Td (SIGN) Tj ET"), "SIGN", at{0, 100, 200}},
		{"differences", one("BT /F3 10 Tf 100 200 Td <05010203 04> Tj ET"), "SIGN", at{0, 105, 200}},
		{"euro by its code", one("BT /F3 10 Tf 100 200 Td <0105> Tj ET"), "€", at{0, 105, 200}},
		{"accents", one("BT /F1 10 Tf 100 200 Td (assina\347\343o) Tj ET"), "assinação", at{0, 100, 200}},
		{"CIDs with ToUnicode", one("BT /F4 10 Tf 100 200 Td <0006000100020003> Tj ET"), "SIGN", at{0, 105, 200}},
		{"ligature", one("BT /F4 10 Tf 100 200 Td <00010005> Tj ET"), "Sfi", at{0, 100, 200}},
		{"CMap of its own", one("BT /F6 10 Tf 100 200 Td <01018001 8002> Tj ET"), "SIGN", at{0, 105, 200}},
		{"Type 3", one("BT /F7 10 Tf 100 200 Td <0101020304> Tj ET"), "SIGN", at{0, 105, 200}},
		{
			"inline image before",
			one("q BI /W 1 /H 1 /BPC 8 /CS /G ID xEI(\nEI Q BT /F2 10 Tf 100 200 Td (SIGN) Tj ET"),
			"SIGN",
			at{0, 100, 200},
		},
		{"stray bracket before", one("> ] BT /F2 10 Tf 100 200 Td (SIGN) Tj ET"), "SIGN", at{0, 100, 200}},
		{
			"drawn twice to be bold",
			one("BT /F2 10 Tf 100 200 Td (SIGN) Tj 1 0 0 1 100.3 200 Tm (SIGN) Tj ET"),
			"SIGN",
			at{0, 100, 200},
		},
		{
			"over a line of blanks",
			one("BT /F2 10 Tf 90 200 Td (            ) Tj 1 0 0 1 100 200 Tm (SIGN) Tj ET"),
			"SIGN",
			at{0, 100, 200},
		},
		{"letter-spaced", one("BT /F2 10 Tf 6 Tc 100 200 Td (SIGN) Tj ET"), "SIGN", at{0, 100, 200}},
		{"alone before inside", one("BT /F2 10 Tf 100 300 Td (SIGNED) Tj 0 -100 Td (SIGN:) Tj ET"), "SIGN", at{0, 100, 200}},
		{"inside at last", one("BT /F2 10 Tf 100 200 Td (xxSIGNxx) Tj ET"), "SIGN", at{0, 112, 200}},
		{"top first", one("BT /F2 10 Tf 100 200 Td (SIGN) Tj 0 100 Td (SIGN) Tj ET"), "SIGN", at{0, 100, 300}},
		{
			"first page first",
			sheet{content: []string{"", "BT /F2 10 Tf 100 200 Td (SIGN) Tj ET", "BT /F2 10 Tf 100 300 Td (SIGN) Tj ET"}},
			"SIGN",
			at{1, 100, 200},
		},
		{"brackets", one("BT /F2 10 Tf 100 200 Td (a [[SIGN]]: b) Tj ET"), "[[SIGN]]", at{0, 112, 200}},
		{"written upwards", one("BT /F2 10 Tf 0 1 -1 0 100 200 Tm (aSIGN) Tj ET"), "SIGN", at{0, 100, 206}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, found := tt.sheet.find(t, tt.word)
			if !found || !got.near(tt.want) {
				t.Errorf("Find(%q) = %+v, %v, want %+v", tt.word, got, found, tt.want)
			}
		})
	}
}

func TestFindInForms(t *testing.T) {
	s := sheet{
		content: []string{"q 1 0 0 1 100 100 cm /Fm1 Do Q"},
		objects: map[string]string{
			// The inner form has no resources: it takes those around it. The outer one draws itself, which
			// must not matter.
			"form1": stream(
				"/Type /XObject /Subtype /Form /Matrix [2 0 0 2 0 0] /BBox [0 0 99 99] /Resources <</XObject <</Fm2 "+
					"@form2 /Fm1 @form1>> /Font <<"+standardFonts+" >>>>",
				"/Fm1 Do /Fm2 Do",
			),
			"form2": stream("/Type /XObject /Subtype /Form /BBox [0 0 99 99]", "BT /F2 10 Tf 10 20 Td (SIGN) Tj ET"),
		},
	}
	if got, found := s.find(t, "SIGN"); !found || !got.near(at{0, 120, 140}) {
		t.Errorf("Find = %+v, %v, want it at 120, 140", got, found)
	}
}

func TestFindVertical(t *testing.T) {
	s := sheet{content: []string{"BT /F5 10 Tf 100 200 Td <00410053> Tj <00490047> Tj <004E> Tj ET"}}
	m, err := Find(t.Context(), open(t, s.bytes()), "S")
	if err != nil || m == nil {
		t.Fatalf("Find = %v, %v", m, err)
	}
	// One glyph down; its left edge half a glyph left of the line, its baseline 0.88 below the top.
	if p := m.Corners[0]; math.Abs(p.X-95) > 0.01 || math.Abs(p.Y-(200-10-8.8-2.2)) > 0.01 {
		t.Errorf("lower left corner = %v, want 95, 179", p)
	}
}

// TestFindOnRotatedPages writes a word twice so that the reader sees it upright. The upper one must
// be found first.
func TestFindOnRotatedPages(t *testing.T) {
	for rotate, c := range map[int]struct {
		matrix string
		first  at
	}{
		90:  {"0 1 -1 0", at{0, 200, 300}},
		180: {"-1 0 0 -1", at{0, 200, 300}},
		270: {"0 -1 1 0", at{0, 400, 300}},
	} {
		s := sheet{page: fmt.Sprintf("/Rotate %d", rotate), content: []string{
			fmt.Sprintf("BT /F2 10 Tf %s 400 300 Tm (SIGN) Tj %s 200 300 Tm (SIGN) Tj ET", c.matrix, c.matrix)}}
		if rotate == 180 {
			s.content = []string{
				fmt.Sprintf("BT /F2 10 Tf %s 400 400 Tm (SIGN) Tj %s 200 300 Tm (SIGN) Tj ET", c.matrix, c.matrix),
			}
		}
		if got, found := s.find(t, "SIGN"); !found || !got.near(c.first) {
			t.Errorf("rotated by %d: Find = %+v, %v, want %+v", rotate, got, found, c.first)
		}
	}
}

func TestFindNothing(t *testing.T) {
	const content = "BT /F2 10 Tf 100 200 Td (SIG) Tj 0 -100 Td (N sign S) Tj 400 0 Td (IGN) Tj /F9 10 Tf (SIGN) Tj ET"
	s := sheet{content: []string{content, "", "((((", "BT /F2 10 Tf [ (SIGN"}}
	for _, word := range []string{"SIGN", "", "   ", "\u00ad"} {
		if got, found := s.find(t, word); found {
			t.Errorf("Find(%q) = %+v, want nothing", word, got)
		}
	}
}

func TestFindGoesOnBehindDamage(t *testing.T) {
	s := sheet{content: []string{"BT /F2 10 Tf 100 200 Td <zz> (((", "BT /F2 10 Tf 100 200 Td (SIGN) Tj ET"}}
	if got, found := s.find(t, "SIGN"); !found || got.page != 1 {
		t.Errorf("Find = %+v, %v, want it on page 1", got, found)
	}
}

func TestFindIsBounded(t *testing.T) {
	small := budget{operators: 1000, shown: 1000, forms: 100, content: 100_000, streams: 40}
	tests := map[string]sheet{
		"forms": {
			content: []string{strings.Repeat("/Fm1 Do ", 20)},
			objects: map[string]string{
				"form1": stream("/Subtype /Form /Resources <</XObject <</Fm2 @form2>>>>", strings.Repeat("/Fm2 Do ", 20)),
				"form2": stream("/Subtype /Form /Resources <<>>", "q Q"),
			},
		},
		"streams":    {content: make([]string, small.streams+1)},
		"operators":  {content: []string{strings.Repeat("q\n", small.operators+1)}},
		"characters": {content: []string{"BT /F2 10 Tf (" + strings.Repeat("a", small.shown+1) + ") Tj ET"}},
		"content": {
			content: []string{strings.Repeat(" ", int(small.content)/2+1), strings.Repeat(" ", int(small.content)/2)},
		},
		"CMap": {
			content: []string{"BT /F4 10 Tf <00> Tj ET"},
			objects: map[string]string{"unicode": stream("", strings.Repeat(" ", int(small.content)))},
		},
	}
	for name, s := range tests {
		if _, err := find(t.Context(), open(t, s.bytes()), "SIGN", small); signing.KindOf(err) != signing.KindTooComplex {
			t.Errorf("%s: find = %v, want KindTooComplex", name, err)
		}
	}
	within := sheet{content: []string{strings.Repeat("q\n", small.operators)}}
	if _, err := find(t.Context(), open(t, within.bytes()), "SIGN", small); err != nil {
		t.Errorf("find within the budget: %v", err)
	}
}

func TestFindStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Find(ctx, open(t, sheet{content: []string{""}}.bytes()), "SIGN"); err == nil {
		t.Error("Find went on after its context ended")
	}
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{
		"BT /F1 10 Tf 100 200 Td (SIGN) Tj [(S) 20 (IGN)] TJ T* (x) ' 1 2 (y) \" ET",
		"q 1 0 0 1 5 5 cm /Fm1 Do Q /Gs1 gs", "BT /F4 9 Tf <00010002> Tj /F5 9 Tf <0041> Tj /F6 1 Tf <8001> Tj",
		"BI /W 1 ID x EI", "BT /F2 1e30 Tf 1 0 0 1 nan 0 Tm (SIGN) Tj", "[[[[[[", "<< /A (", "BT /F7 10 Tf <01020304> Tj",
	} {
		f.Add(s, "1 begincodespacerange <00> <FF> endcodespacerange 1 beginbfrange <00> <FF> <0041> endbfrange")
	}
	f.Fuzz(func(t *testing.T, content, cmap string) {
		s := sheet{content: []string{content}, objects: map[string]string{
			"unicode": stream("", cmap), "codes": stream("", cmap),
			"form1": stream("/Subtype /Form", cmap), "form2": stream("/Subtype /Form", content),
		}}
		b := s.bytes()
		d, err := pdf.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		m, err := Find(context.Background(), d, "SIGN")
		if err != nil && signing.KindOf(err) == signing.KindInternal {
			t.Errorf("Find: %v", err)
		}
		if m != nil && !m.Corners[0].nearPage() {
			t.Errorf("Find = %v", m.Corners)
		}
	})
}
