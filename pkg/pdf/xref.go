package pdf

import (
	"io"
	"slices"
)

// entryKind is what a cross-reference entry says of its object (ISO 32000-2 7.5.4, 7.5.8.3).
type entryKind int

const (
	entryFree       entryKind = iota
	entryPlain                // at offset, with generation
	entryCompressed           // in the object stream of number offset, at place generation
)

type entry struct {
	kind       entryKind
	offset     int64
	generation int
}

// subsection is a run of entries.
type subsection struct {
	first, count int
	at           int64 // table: offset of the first entry; stream: index of its row
	width        int   // table: bytes of an entry, with its end of line
}

// section is one cross-reference section. Tables stay in the file and are looked up there; streams
// are kept decoded.
type section struct {
	offset  int64
	start   int64 // of its first byte: white space may stand between offset and it
	end     int64 // behind its trailer dictionary, or behind its stream's data
	fromOne bool  // a table that counts its first entry, the head of the free list, as object 1
	trailer *Dict
	runs    []subsection // by first, not overlapping
	rows    []byte       // of a stream
	widths  [3]int
	stream  bool
	hidden  *section // the /XRefStm of a hybrid file
}

// run returns the subsection with the object's entry.
func (s *section) run(number int) (subsection, bool) {
	i, found := slices.BinarySearchFunc(s.runs, number, func(r subsection, n int) int { return r.first - n })
	if !found {
		i--
	}
	if i < 0 || number >= s.runs[i].first+s.runs[i].count {
		return subsection{}, false
	}
	return s.runs[i], true
}

// seal orders the subsections and refuses an object that is listed twice: readers differ in which
// entry they take.
func (s *section) seal() error {
	s.runs = slices.DeleteFunc(s.runs, func(r subsection) bool { return r.count == 0 })
	slices.SortFunc(s.runs, func(a, b subsection) int { return a.first - b.first })
	for i := 1; i < len(s.runs); i++ {
		if s.runs[i-1].first+s.runs[i-1].count > s.runs[i].first {
			return damaged("the cross-reference section at byte %d lists object %d twice", s.offset, s.runs[i].first)
		}
	}
	return nil
}

// top is one more than the highest object number listed.
func (s *section) top() int {
	top := 0
	if n := len(s.runs); n > 0 {
		top = s.runs[n-1].first + s.runs[n-1].count
	}
	if s.hidden != nil {
		top = max(top, s.hidden.top())
	}
	return top
}

// lookup returns the entry of an object; false where the section does not list it.
func (d *Document) lookupIn(s *section, number int) (entry, bool, error) {
	r, found := s.run(number)
	if !found {
		return entry{}, false, nil
	}
	row := int64(number - r.first)
	if s.stream {
		e, err := s.streamEntry(r.at + row)
		return e, true, err
	}
	e, err := d.tableEntry(r.at + row*int64(r.width))
	return e, true, err
}

// lookup returns the entry that is in force; free where no section lists the object. In a hybrid
// section an entry that is free or missing may stand in the stream that it names (ISO 32000-2
// 7.5.8.4).
func (d *Document) lookup(number int) (entry, error) {
	for _, s := range d.sections {
		e, found, err := d.lookupIn(s, number)
		if err != nil {
			return entry{}, err
		}
		if s.hidden != nil && (!found || e.kind == entryFree) {
			h, inHidden, err := d.lookupIn(s.hidden, number)
			if err != nil {
				return entry{}, err
			}
			if inHidden {
				e, found = h, true
			}
		}
		if found {
			return e, nil
		}
	}
	return entry{}, nil
}

// readSections reads all cross-reference sections, newest first, from the one at offset on along
// /Prev.
func (d *Document) readSections(offset int64) error {
	seen := map[int64]bool{}
	for {
		if seen[offset] {
			return damaged("its cross-reference sections form a loop")
		}
		seen[offset] = true
		if len(d.sections) == maxSections {
			return tooComplex("it has more than %d cross-reference sections", maxSections)
		}
		s, err := d.readSection(offset)
		if err != nil {
			return err
		}
		if key, dup := s.trailer.Duplicate(); dup {
			return damaged("the trailer of the cross-reference section at byte %d has the key /%s twice", offset, string(key))
		}
		d.sections = append(d.sections, s)
		if err := d.readHidden(s, seen); err != nil {
			return err
		}
		prev, ok := s.trailer.Get("Prev").(Number)
		if !ok {
			if v := s.trailer.Get("Prev"); v != nil {
				return damaged("/Prev of the cross-reference section at byte %d is no number", offset)
			}
			return nil
		}
		if offset, ok = prev.Int(); !ok {
			return damaged("/Prev is no whole number")
		}
		if offset == 0 { // some writers say so that there is none
			return nil
		}
	}
}

// readHidden reads the /XRefStm of a hybrid section.
func (d *Document) readHidden(s *section, seen map[int64]bool) error {
	v := s.trailer.Get("XRefStm")
	if v == nil || s.stream {
		return nil
	}
	n, _ := v.(Number)
	offset, ok := n.Int()
	if !ok {
		return damaged("/XRefStm is no whole number")
	}
	if i := slices.IndexFunc(
		d.sections,
		func(o *section) bool { return o.hidden != nil && o.hidden.offset == offset },
	); i >= 0 {
		// Writers of updates copy the entry into their trailers, where it does not belong. It is no part
		// of the chain: no loop.
		s.hidden = d.sections[i].hidden
		return nil
	}
	if seen[offset] {
		return damaged("its cross-reference sections form a loop")
	}
	h, err := d.readSection(offset)
	if err != nil {
		return err
	}
	if !h.stream {
		return damaged("/XRefStm does not name a cross-reference stream")
	}
	s.hidden = h
	return nil
}

// readSection reads the section at offset, which is a table or a stream.
func (d *Document) readSection(offset int64) (*section, error) {
	if offset <= 0 || offset >= d.size {
		return nil, damaged("a cross-reference section is said to lie at byte %d of %d", offset, d.size)
	}
	lex := d.lexerAt(offset)
	for isSpace(lex.peek()) {
		if lex.pos++; lex.offset() > offset+maxGap {
			return nil, noSection(offset)
		}
	}
	s := &section{offset: offset, start: lex.offset()}
	c := lex.peek()
	switch {
	case c == 'x':
		return s, d.readTable(s, lex)
	case isDigit(c):
		return s, d.readXrefStream(s, lex)
	case lex.fault() != nil:
		return nil, lex.fault()
	}
	return nil, noSection(offset)
}

func noSection(offset int64) error {
	return damaged("no cross-reference section lies at byte %d, where one is said to be", offset)
}

// lexerAt reads from an offset on, as much as one object may take. Who is done with it may release
// it.
func (d *Document) lexerAt(offset int64) *lexer {
	l := lexers.Get().(*lexer)
	l.r, l.base, l.budget, l.chunk = io.NewSectionReader(d.r, offset, d.size-offset), offset, maxObjectBytes, firstChunk
	return l
}
