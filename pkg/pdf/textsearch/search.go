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

// Match is where a word stands.
type Match struct {
	Index int       // of the page, from 0
	Page  *pdf.Page // the page itself
	// Corners of the word as it is written: lower left, lower right, upper right, upper left; from the
	// font's descent to its ascent.
	Corners [4]Point
}

// Find returns the first occurrence of word, in the order of pages and from top to bottom on each
// as its reader sees it; nil if there is none. Upper and lower case differ; blanks within word
// match any blanks.
//
// An occurrence that stands alone, as "SIGN" does in "SIGN:" but not in "SIGNED", is preferred to
// one inside of another word, wherever they stand; one that is letter-spaced comes last.
//
// Errors are those of pkg/pdf, KindTooComplex when a limit of this package was reached, and ctx's
// own.
func Find(ctx context.Context, d *pdf.Document, word string) (*Match, error) {
	return find(ctx, d, word, usual)
}

func find(ctx context.Context, d *pdf.Document, word string, limits budget) (*Match, error) {
	n := newNeedle(word)
	if n.empty() {
		return nil, nil
	}
	s := &search{ctx: ctx, d: d, needle: n, limits: limits, fonts: map[pdf.Ref]*font{}}
	index := 0
	err := d.Pages(0, func(p *pdf.Page) (bool, error) {
		if index >= maxPages {
			return false, tooComplex("it has more than %d pages", maxPages)
		}
		if err := s.page(p, index); err != nil {
			return false, err
		}
		index++
		return s.bestRank != rankAlone, nil
	})
	if err != nil {
		return nil, err
	}
	return s.best, nil
}

func tooComplex(format string, args ...any) error {
	e := signing.Errorf(signing.KindTooComplex, format, args...)
	e.Detail = "PDF is too complex to be searched for the placeholder: " + e.Detail
	return e
}

// fatal reports whether an error ends the search; damage and what cannot be read only end a part of
// a page.
func fatal(err error) bool {
	switch signing.KindOf(err) {
	case signing.KindDamaged, signing.KindUnsupported:
		return false
	}
	return !errors.Is(err, io.EOF)
}

// search is one Find.
type search struct {
	ctx    context.Context // of Find, which this value does not outlive
	d      *pdf.Document
	needle needle
	fonts  map[pdf.Ref]*font

	limits    budget
	spent     budget
	fontCount int

	current    *pdf.Page
	index      int
	characters []character
	best       *Match
	bestRank   rank
}

// page searches one page.
func (s *search) page(p *pdf.Page, index int) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	s.current, s.index, s.characters = p, index, s.characters[:0]
	content, err := s.contents(p)
	if err == nil {
		err = s.run(content, p.Resources, newState(), nil)
	}
	if err != nil && fatal(err) {
		return err
	}
	s.look()
	return nil
}

// contents joins the page's content streams, which may be cut anywhere between two tokens (ISO
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
		return nil, tooComplex("page %d has more than %d content streams", s.index+1, maxStreams)
	}
	return &joined{s: s, list: list}, nil
}

// joined reads one stream after the other, opening each when it is reached, with white space
// between them.
type joined struct {
	s    *search
	list pdf.Array
	open io.Reader
}

func (j *joined) Read(p []byte) (int, error) {
	for {
		if j.open == nil {
			if len(j.list) == 0 {
				return 0, io.EOF
			}
			o := j.list[0]
			j.list = j.list[1:]
			r, err := j.s.stream(o)
			if err != nil && fatal(err) {
				return 0, err
			}
			if j.open = r; r == nil {
				continue
			}
		}
		n, err := j.open.Read(p)
		if err := j.s.spend(n); err != nil {
			return n, err
		}
		switch {
		case err == nil && n > 0:
			return n, nil
		case err != nil && fatal(err):
			return n, err
		case err != nil:
			j.open = nil
			if n == 0 && len(p) > 0 {
				p[0] = '\n'
				return 1, nil
			}
			return n, nil
		}
	}
}

// spend counts decoded bytes.
func (s *search) spend(n int) error {
	if s.spent.content += int64(n); s.spent.content > s.limits.content {
		return tooComplex("its content streams hold more than %d bytes", s.limits.content)
	}
	return nil
}

// metered reads r and counts what it reads.
type metered struct {
	s *search
	r io.Reader
}

func (m metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if over := m.s.spend(n); over != nil {
		return n, over
	}
	return n, err
}

// stream opens a stream's data; nil for anything else.
func (s *search) stream(o pdf.Object) (io.Reader, error) {
	if s.spent.streams++; s.spent.streams > s.limits.streams {
		return nil, tooComplex("its pages have more than %d streams", s.limits.streams)
	}
	v, err := s.d.Get(o)
	if err != nil {
		return nil, err
	}
	stm, ok := v.(*pdf.Stream)
	if !ok {
		return nil, nil
	}
	return s.d.Data(stm)
}
