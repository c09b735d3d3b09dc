package textsearch

import (
	"context"
	"errors"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Point is a place on a page in default user space.
type Point struct{ X, Y float64 }

// Match is where a word is.
type Match struct {
	Index int       // of the page, from 0
	Page  *pdf.Page // the page itself
	// Corners of the word in writing direction: lower left, lower right, upper right, upper left; from
	// the font's descent to its ascent.
	Corners [4]Point
}

// Find returns the first occurrence of word, in the order of pages, and from top to bottom on each
// page as its reader sees it. It returns nil if there is none. Upper and lower case are different.
// Blanks in word match any blanks.
//
// Find prefers an occurrence that stands alone, as "SIGN" does in "SIGN:" but not in "SIGNED", to
// an occurrence inside another word, even if the latter comes first. An occurrence with
// letter-spacing comes last.
//
// Errors are those of pkg/pdf, KindTooComplex if a limit of this package is exceeded, and the error
// of ctx.
func Find(ctx context.Context, d *pdf.Document, word string) (*Match, error) {
	return find(ctx, d, word, defaultBudget)
}

func find(ctx context.Context, d *pdf.Document, word string, limits budget) (*Match, error) {
	n := newNeedle(word)
	if n.empty() {
		return nil, nil
	}
	s := newSearch(ctx, d, n, limits)
	index := 0
	err := d.Pages(0, func(p *pdf.Page) (bool, error) {
		if index >= maxPages {
			return false, tooComplex("it has more than %d pages", maxPages)
		}
		if err := s.page(p, index); err != nil {
			return false, err
		}
		index++
		return s.finder.rank != rankAlone, nil
	})
	if err != nil {
		return nil, err
	}
	return s.finder.best, nil
}

func tooComplex(format string, args ...any) error {
	e := signing.Errorf(signing.KindTooComplex, format, args...)
	e.Detail = "PDF is too complex to be searched for the placeholder: " + e.Detail
	return e
}

// fatal reports whether an error ends the search. Damage and unsupported features only end a part
// of a page.
func fatal(err error) bool {
	switch signing.KindOf(err) {
	case signing.KindDamaged, signing.KindUnsupported:
		return false
	}
	return !errors.Is(err, io.EOF)
}

// search is one Find.
type search struct {
	ctx     context.Context // of Find; the search ends before Find does
	d       *pdf.Document
	meter   *meter
	streams *streams
	fonts   *fonts
	text    pageText
	finder  finder
}

func newSearch(ctx context.Context, d *pdf.Document, n needle, limits budget) *search {
	s := &search{ctx: ctx, d: d, meter: &meter{limits: limits}, finder: finder{needle: n}}
	s.streams = &streams{d: d, meter: s.meter}
	s.fonts = &fonts{d: d, streams: s.streams, read: map[pdf.Ref]*font{}}
	return s
}

// page searches one page.
func (s *search) page(p *pdf.Page, index int) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	s.text = pageText{page: p, index: index, characters: s.text.characters[:0]}
	content, err := s.contents(p)
	if err == nil {
		err = s.run(content, p.Resources, newState(), nil)
	}
	if err != nil && fatal(err) {
		return err
	}
	s.finder.look(&s.text)
	return nil
}

// contents joins the content streams of a page. They may be split between any two tokens (ISO
// 32000-2 7.8.2).
func (s *search) contents(p *pdf.Page) (io.Reader, error) {
	o, err := s.d.Get(p.Dict.Get("Contents"))
	if err != nil {
		return nil, err
	}
	list, ok := o.(pdf.Array)
	if !ok {
		list = pdf.Array{o}
	}
	if len(list) > maxStreams {
		return nil, tooComplex("page %d has more than %d content streams", s.text.index+1, maxStreams)
	}
	return &joined{streams: s.streams, list: list}, nil
}
