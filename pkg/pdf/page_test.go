package pdf

import (
	"fmt"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// pageTreeFile returns a page tree of three levels. Pages 10 to 15 are below nodes 3 and 4 and
// inherit their attributes.
func pageTreeFile() *builder {
	b := newBuilder()
	b.object(1, "<</Type/Catalog/Pages 2 0 R>>")
	b.object(2, "<</Type/Pages/Count 6/Kids[3 0 R 4 0 R]/MediaBox[0 0 100 200]/Rotate 90/Resources<</A 1>>>>")
	b.object(3, "<</Type/Pages/Parent 2 0 R/Count 3/Kids[10 0 R 11 0 R 12 0 R]/CropBox[90 190 10 -50]/Rotate -90>>")
	b.object(4, "<</Type/Pages/Parent 2 0 R/Count 3/Kids[13 0 R 14 0 R 15 0 R]/MediaBox 5 0 R>>")
	b.object(5, "[-10 -20 300.5 400]")
	for i := 10; i < 16; i++ {
		b.object(i, "<</Type/Page/Parent 3 0 R>>")
	}
	return b
}

func TestPages(t *testing.T) {
	b := pageTreeFile()
	b.object(14, "<</Type/Page/Rotate 450/UserUnit 2.5/MediaBox[0 0 10 10]/Resources<</B 2>>>>")
	b.table("")
	d := open(t, b.Bytes())
	for _, tt := range []struct {
		n, object   int
		media, crop Rectangle
		rotate      int
		unit        float64
		resource    Name
	}{
		{0, 10, Rectangle{0, 0, 100, 200}, Rectangle{10, 0, 90, 190}, 270, 1, "A"},
		{2, 12, Rectangle{0, 0, 100, 200}, Rectangle{10, 0, 90, 190}, 270, 1, "A"},
		{3, 13, Rectangle{-10, -20, 300.5, 400}, Rectangle{-10, -20, 300.5, 400}, 90, 1, "A"},
		{4, 14, Rectangle{0, 0, 10, 10}, Rectangle{0, 0, 10, 10}, 90, 2.5, "B"},
	} {
		p, err := d.Page(tt.n)
		if err != nil {
			t.Errorf("Page(%d): %v", tt.n, err)
			continue
		}
		r, err := d.Dict(p.Resources)
		if p.Ref.Number != tt.object || p.MediaBox != tt.media || p.CropBox != tt.crop || p.Rotate != tt.rotate ||
			p.UserUnit != tt.unit ||
			!r.Has(tt.resource) ||
			err != nil {
			t.Errorf("Page(%d) = %+v, want %+v", tt.n, p, tt)
		}
	}
	_, err := d.Page(6)
	wantKind(t, err, signing.KindVisible, "page 7")
	var seen []int
	err = d.Pages(1, func(p *Page) (bool, error) {
		seen = append(seen, p.Ref.Number)
		return len(seen) < 4, nil
	})
	if got := fmt.Sprint(seen); got != "[11 12 13 14]" || err != nil {
		t.Errorf("Pages(1) = %s, %v, want 11 to 14", got, err)
	}
}

func TestPagesRefused(t *testing.T) {
	deep := newBuilder()
	deep.object(1, "<</Type/Catalog/Pages 2 0 R>>")
	for i := 2; i < 200; i++ {
		deep.object(i, fmt.Sprintf("<</Type/Pages/Count 1/Kids[%d 0 R]>>", i+1))
	}
	deep.table("")
	for _, tt := range []struct {
		name, file string
		kind       signing.Kind
		text       string
	}{
		{"loop", func() string { b := pageTreeFile(); b.object(3, "<</Kids[2 0 R]>>"); b.table(""); return b.String() }(),
			signing.KindDamaged, "loop"},
		{"self", func() string { b := pageTreeFile(); b.object(2, "<</Kids[2 0 R]>>"); b.table(""); return b.String() }(),
			signing.KindDamaged, "loop"},
		{"loop behind the page", func() string {
			b := pageTreeFile()
			b.object(3, "<</Kids[10 0 R 2 0 R]>>")
			b.table("")
			return b.String()
		}(), signing.KindDamaged, "loop"},
		{"deep", deep.String(), signing.KindTooComplex, "deeper"},
		{"direct page", func() string {
			b := pageTreeFile()
			b.object(3, "<</Kids[<</Type/Page>>]>>")
			b.table("")
			return b.String()
		}(), signing.KindDamaged, "not an indirect object"},
		{"no pages", func() string {
			b := pageTreeFile()
			b.object(2, "<</Type/Pages/Kids[]>>")
			b.table("")
			return b.String()
		}(), signing.KindDamaged, "no page"},
		{"no tree", func() string {
			b := pageTreeFile()
			b.object(1, "<</Type/Catalog>>")
			b.table("")
			return b.String()
		}(), signing.KindDamaged, "page tree"},
		{"missing tree", func() string {
			b := pageTreeFile()
			b.object(1, "<</Pages 99 0 R>>")
			b.table("")
			return b.String()
		}(), signing.KindDamaged, "page tree"},
		{"many nodes", func() string {
			b := pageTreeFile()
			b.object(2, "<</Kids["+strings.Repeat("16 0 R ", 1000)+"]>>")
			b.object(16, "<</Kids["+strings.Repeat("17 0 R ", 1000)+"]>>")
			b.object(17, "<</Type/Pages/Kids[]>>")
			b.table("")
			return b.String()
		}(), signing.KindTooComplex, "nodes"},
		{"many kids that are missing", func() string {
			b := pageTreeFile()
			b.object(2, "<</Kids["+strings.Repeat("16 0 R ", 1000)+"]>>")
			b.object(16, "<</Kids["+strings.Repeat("99 0 R ", 1000)+"]>>")
			b.table("")
			return b.String()
		}(), signing.KindTooComplex, "kids"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := open(t, []byte(tt.file)).Page(0)
			wantKind(t, err, tt.kind, tt.text)
		})
	}
}

func TestCheckPageTree(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(*builder)
		text string // empty: it is right
	}{
		{"right", func(*builder) {}, ""},
		{"loop in a later branch", func(b *builder) { b.object(4, "<</Type/Pages/Kids[4 0 R]>>") }, "loop"},
		{"back to the root", func(b *builder) { b.object(4, "<</Type/Pages/Kids[13 0 R 2 0 R]>>") }, "loop"},
		{"a node that is not a dictionary", func(b *builder) { b.object(4, "(text)") }, ""},
		{"wide", func(b *builder) { b.object(4, "<</Type/Pages/Kids["+strings.Repeat("13 0 R ", 5000)+"]>>") }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := pageTreeFile()
			tt.make(b)
			b.table("")
			err := open(t, b.Bytes()).CheckPageTree()
			if tt.text == "" {
				if err != nil {
					t.Errorf("CheckPageTree: %v", err)
				}
				return
			}
			wantKind(t, err, signing.KindDamaged, tt.text)
		})
	}
}
