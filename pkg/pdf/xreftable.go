package pdf

import (
	"io"
)

// readTable reads a cross-reference table and its trailer (ISO 32000-2 7.5.4, 7.5.5). Entries stay in the file.
func (d *Document) readTable(offset int64, lex *lexer) (*section, error) {
	p := &parser{lex: lex}
	if t, err := lex.next(); err != nil || t.value != "xref" {
		return nil, noSection(offset)
	}
	s := &section{offset: offset}
	for {
		t, err := lex.next()
		if err != nil {
			return nil, err
		}
		if t.kind == tokenKeyword && t.value == "trailer" {
			break
		}
		if len(s.runs) == maxSubsections {
			return nil, tooComplex("a cross-reference table has more than %d subsections", maxSubsections)
		}
		run, err := d.readRun(t, lex)
		if err != nil {
			return nil, err
		}
		s.runs = append(s.runs, run)
		lex = d.lexerAt(run.at + int64(run.count)*int64(run.width))
		p.lex = lex
	}
	o, _, err := p.object(0)
	if err != nil {
		return nil, err
	}
	trailer, ok := o.(*Dict)
	if !ok {
		return nil, damaged("the trailer at byte %d is no dictionary", offset)
	}
	s.trailer = trailer
	return s, s.seal()
}

// readRun reads the line "first count", whose first number is t, and finds out how wide the entries behind it are.
func (d *Document) readRun(t token, lex *lexer) (subsection, error) {
	bad := func() (subsection, error) {
		return subsection{}, damaged("the cross-reference table is broken at byte %d", lex.offset())
	}
	first, ok := small(Number(t.value), maxObjects)
	if t.kind != tokenNumber || !ok {
		return bad()
	}
	t, err := lex.next()
	if err != nil {
		return subsection{}, err
	}
	count, ok := small(Number(t.value), maxObjects)
	if t.kind != tokenNumber || !ok || first+count > maxObjects+1 {
		return bad()
	}
	for isSpace(lex.peek()) {
		lex.pos++
	}
	run := subsection{first: first, count: count, at: lex.offset(), width: 20}
	if count == 0 {
		return run, nil
	}
	if run.width, err = d.entryWidth(run.at, count); err != nil {
		return subsection{}, err
	}
	if run.at+int64(count)*int64(run.width) > d.size {
		return subsection{}, damaged("a cross-reference table reaches beyond the end")
	}
	return run, nil
}

// entryWidth measures an entry. Twenty bytes is the rule; some writers end the line with one byte or with three.
func (d *Document) entryWidth(at int64, count int) (int, error) {
	var b [22]byte
	n, err := d.r.ReadAt(b[:min(int64(len(b)), d.size-at)], at)
	if err != nil && err != io.EOF {
		return 0, readError(err)
	}
	if n < 19 {
		return 0, damaged("a cross-reference table is cut off")
	}
	width := 18
	for width < n && isSpace(int(b[width])) {
		width++
	}
	if count == 1 { // white space before what follows is no part of the entry, and harms nothing
		width = min(width, 20)
	}
	if width < 19 || width > 21 {
		return 0, damaged("the cross-reference table is broken at byte %d", at)
	}
	return width, nil
}

// tableEntry reads the entry "nnnnnnnnnn ggggg n" at an offset.
func (d *Document) tableEntry(at int64) (entry, error) {
	var b [18]byte
	if _, err := d.r.ReadAt(b[:], at); err != nil {
		return entry{}, readError(err)
	}
	offset, ok1 := digits(b[:10])
	generation, ok2 := digits(b[11:16])
	if !ok1 || !ok2 || b[10] != ' ' || b[16] != ' ' || b[17] != 'n' && b[17] != 'f' || generation > 65535 {
		return entry{}, damaged("a cross-reference entry is broken at byte %d", at)
	}
	if b[17] == 'f' {
		return entry{generation: int(generation), offset: offset}, nil
	}
	return entry{kind: entryPlain, offset: offset, generation: int(generation)}, nil
}

func digits(b []byte) (int64, bool) {
	var v int64
	for _, c := range b {
		if !isDigit(int(c)) {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	return v, true
}
