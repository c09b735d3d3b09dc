package pdf

import "slices"

// xrefReader fills an xref with the cross-reference sections of a file. It lives only during Open.
type xrefReader struct {
	src     *source
	xref    *xref
	decoder *decoder
	decoded int64 // bytes of cross-reference streams so far
}

// read reads all cross-reference sections, newest first: the one at offset and then those that
// /Prev leads to.
func (x *xrefReader) read(offset int64) error {
	seen := map[int64]bool{}
	for {
		if seen[offset] {
			return damaged("its cross-reference sections form a loop")
		}
		seen[offset] = true
		if len(x.xref.sections) == maxSections {
			return tooComplex("it has more than %d cross-reference sections", maxSections)
		}
		s, err := x.section(offset)
		if err != nil {
			return err
		}
		if key, dup := s.trailer.Duplicate(); dup {
			return damaged("the trailer of the cross-reference section at byte %d has the key /%s twice", offset, string(key))
		}
		x.xref.sections = append(x.xref.sections, s)
		if err := x.hidden(s, seen); err != nil {
			return err
		}
		prev, ok := s.trailer.Get("Prev").(Number)
		if !ok {
			if v := s.trailer.Get("Prev"); v != nil {
				return damaged("/Prev of the cross-reference section at byte %d is not a number", offset)
			}
			return nil
		}
		if offset, ok = prev.Int(); !ok {
			return damaged("/Prev is not a whole number")
		}
		if offset == 0 { // some writers mean that there is no earlier section
			return nil
		}
	}
}

// hidden reads the stream that /XRefStm of a hybrid section names.
func (x *xrefReader) hidden(s *section, seen map[int64]bool) error {
	v := s.trailer.Get("XRefStm")
	if v == nil || s.stream {
		return nil
	}
	n, _ := v.(Number)
	offset, ok := n.Int()
	if !ok {
		return damaged("/XRefStm is not a whole number")
	}
	known := func(o *section) bool { return o.hidden != nil && o.hidden.offset == offset }
	if i := slices.IndexFunc(x.xref.sections, known); i >= 0 {
		// Some writers copy /XRefStm into the trailers of their updates. That is wrong, but it is not a
		// loop, because the stream is not part of the chain of /Prev.
		s.hidden = x.xref.sections[i].hidden
		return nil
	}
	if seen[offset] {
		return damaged("its cross-reference sections form a loop")
	}
	h, err := x.section(offset)
	if err != nil {
		return err
	}
	if !h.stream {
		return damaged("/XRefStm does not name a cross-reference stream")
	}
	s.hidden = h
	return nil
}

// section reads the section at offset, which is a table or a stream.
func (x *xrefReader) section(offset int64) (*section, error) {
	if offset <= 0 || offset >= x.src.size {
		return nil, damaged("a cross-reference section should be at byte %d, but the file has %d bytes", offset, x.src.size)
	}
	lex := x.src.lexerAt(offset)
	for isSpace(lex.peek()) {
		if lex.pos++; lex.offset() > offset+maxGap {
			return nil, noSection(offset)
		}
	}
	s := &section{offset: offset, start: lex.offset()}
	c := lex.peek()
	switch {
	case c == 'x':
		return s, x.table(s, lex)
	case isDigit(c):
		return s, x.stream(s, lex)
	case lex.fault() != nil:
		return nil, lex.fault()
	}
	return nil, noSection(offset)
}

func noSection(offset int64) error {
	return damaged("there is no cross-reference section at byte %d, where one should be", offset)
}
