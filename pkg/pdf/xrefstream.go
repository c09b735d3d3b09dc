package pdf

import (
	"errors"
	"io"
)

// stream reads a cross-reference stream (ISO 32000-2 7.5.8) and keeps its decoded rows.
func (x *xrefReader) stream(s *section, lex *lexer) error {
	p := &parser{lex: lex}
	ref, err := p.header()
	if err != nil {
		return noSection(s.offset)
	}
	o, word, err := p.top()
	if err != nil {
		return err
	}
	dict, ok := o.(*Dict)
	if !ok || word != "stream" || dict.Get("Type") != Name("XRef") {
		return noSection(s.offset)
	}
	s.trailer, s.stream = dict, true
	rows, err := s.layout()
	if err != nil {
		return err
	}
	length, ok := dict.Get("Length").(Number)
	n, isInt := length.Int()
	if !ok || !isInt {
		return damaged("the cross-reference stream at byte %d has no plain /Length", s.offset)
	}
	stm, err := x.src.streamAt(lex, dict, ref, n)
	if err != nil {
		return err
	}
	if s.rows, err = x.rows(stm, rows*int64(s.rowSize())); err != nil {
		return err
	}
	s.end = stm.offset + stm.length
	return s.sortRuns()
}

// rows decodes want bytes of a cross-reference stream. Such a stream is never encrypted.
func (x *xrefReader) rows(stm *Stream, want int64) ([]byte, error) {
	x.decoded += want
	if x.decoded > maxXrefBytes {
		return nil, tooComplex("its cross-reference streams take more than %d bytes", maxXrefBytes)
	}
	r, err := x.decoder.decode(stm, x.src.data(stm))
	if err != nil {
		return nil, err
	}
	// The memory grows with the bytes that are decoded, not with the size that the file states.
	rows, err := io.ReadAll(io.LimitReader(r, want))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, readError(err)
	}
	if int64(len(rows)) < want {
		return nil, damaged("a cross-reference stream has %d bytes, but its dictionary says %d", len(rows), want)
	}
	return rows, nil
}

// layout reads /W, /Size and /Index and returns the number of rows.
func (s *section) layout() (int64, error) {
	w, ok := s.trailer.Get("W").(Array)
	if !ok || len(w) != 3 {
		return 0, damaged("a cross-reference stream has no /W of three numbers")
	}
	for i := range w {
		if s.widths[i], ok = small(w[i], 8); !ok {
			return 0, damaged("a cross-reference stream has a wrong /W")
		}
	}
	if s.widths[1] == 0 {
		return 0, damaged("a cross-reference stream has a wrong /W")
	}
	size, ok := small(s.trailer.Get("Size"), maxObjects+1)
	if !ok {
		return 0, damaged("a cross-reference stream has no usable /Size")
	}
	index := Array{Int(0), Int(int64(size))}
	if v := s.trailer.Get("Index"); v != nil {
		if index, ok = v.(Array); !ok || len(index)%2 != 0 {
			return 0, damaged("a cross-reference stream has a wrong /Index")
		}
	}
	if len(index)/2 > maxSubsections {
		return 0, tooComplex("a cross-reference stream has more than %d subsections", maxSubsections)
	}
	var rows int64
	for i := 0; i < len(index); i += 2 {
		first, ok1 := small(index[i], maxObjects)
		count, ok2 := small(index[i+1], maxObjects+1)
		if !ok1 || !ok2 || first+count > maxObjects+1 {
			return 0, damaged("a cross-reference stream has a wrong /Index")
		}
		s.runs = append(s.runs, subsection{first: first, count: count, at: rows})
		rows += int64(count)
	}
	return rows, nil
}

func (s *section) rowSize() int { return s.widths[0] + s.widths[1] + s.widths[2] }

// streamEntry reads a row (ISO 32000-2 7.5.8.3, tables 17 and 18).
func (s *section) streamEntry(row int64) (entry, error) {
	size := int64(s.rowSize())
	b := s.rows[row*size : (row+1)*size]
	fields := [3]uint64{1, 0, 0}
	for i, w := range s.widths {
		if w == 0 {
			continue
		}
		fields[i] = 0
		for _, c := range b[:w] {
			fields[i] = fields[i]<<8 | uint64(c)
		}
		b = b[w:]
	}
	switch fields[0] {
	case 0:
		return entry{offset: int64(fields[1] & (1<<62 - 1)), generation: int(fields[2] & 0xffff)}, nil
	case 1:
		if fields[1] >= 1<<62 || fields[2] > 65535 {
			return entry{}, damaged("a cross-reference entry is out of range")
		}
		return entry{kind: entryPlain, offset: int64(fields[1]), generation: int(fields[2])}, nil
	case 2:
		if fields[1] > maxObjects || fields[2] > maxObjects {
			return entry{}, damaged("a cross-reference entry is out of range")
		}
		return entry{kind: entryCompressed, offset: int64(fields[1]), generation: int(fields[2])}, nil
	}
	return entry{}, nil // entries of an unknown type count as null objects
}
