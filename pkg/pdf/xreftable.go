package pdf

import (
	"bytes"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// table reads a cross-reference table and its trailer (ISO 32000-2 7.5.4, 7.5.5). The entries stay
// in the file.
func (x *xrefReader) table(s *section, lex *lexer) error {
	if t, err := lex.next(); err != nil || t.value != "xref" {
		return noSection(s.offset)
	}
	for {
		t, err := lex.next()
		if err != nil {
			return err
		}
		if t.kind == tokenKeyword && t.value == "trailer" {
			break
		}
		end, err := x.run(s, t, lex)
		if err != nil {
			return err
		}
		if len(s.runs) > maxSubsections {
			return tooComplex("a cross-reference table has more than %d subsections", maxSubsections)
		}
		lex = x.src.lexerAt(end)
	}
	o, _, err := (&parser{lex: lex}).object(0)
	if err != nil {
		return err
	}
	trailer, ok := o.(*Dict)
	if !ok {
		return damaged("the trailer at byte %d is not a dictionary", s.offset)
	}
	s.trailer, s.end = trailer, lex.offset()
	return s.sortRuns()
}

func brokenTable(at int64) error {
	return damaged("the cross-reference table is broken at byte %d", at)
}

// run reads the line "first count" of a subsection and finds out where its entries are. t is the
// first number of the line. It returns the offset behind the entries.
func (x *xrefReader) run(s *section, t token, lex *lexer) (int64, error) {
	first, ok := small(Number(t.value), maxObjects)
	if t.kind != tokenNumber || !ok {
		return 0, brokenTable(lex.offset())
	}
	t, err := lex.next()
	if err != nil {
		return 0, err
	}
	count, ok := small(Number(t.value), maxObjects)
	if t.kind != tokenNumber || !ok || first+count > maxObjects+1 {
		return 0, brokenTable(lex.offset())
	}
	for lex.peek() == ' ' || lex.peek() == '\t' {
		lex.pos++
	}
	for lex.peek() == '\n' || lex.peek() == '\r' { // blanks behind the line ends belong to the first entry
		lex.pos++
	}
	run := subsection{first: first, count: count, at: lex.offset()}
	if count == 0 {
		return run.at, nil
	}
	if run.width, err = x.src.entryWidth(run.at); err != nil {
		return 0, err
	}
	if run.at+int64(count)*19 > x.src.size {
		return 0, damaged("a cross-reference table reaches beyond the end")
	}
	end, uniform, err := x.src.uniform(run)
	if err != nil {
		return 0, err
	}
	if run.first == 1 && len(s.runs) == 0 {
		// Some writers count from 1, although their first entry is the head of the free list, which is
		// object 0. Reading an object checks in any case that the entry leads to that object. Other
		// readers repair such a file, so CheckFile refuses it.
		if e, err := x.src.tableEntry(run.at); err == nil && e.kind == entryFree && e.offset == 0 && e.generation >= 65535 {
			run.first, s.fromOne = 0, true
		}
	}
	if uniform {
		s.runs = append(s.runs, run)
		return end, nil
	}
	return x.scan(s, run)
}

// entryWidth measures the entry at an offset, including the blanks and ends of line behind it. The
// standard says 20 bytes. Some writers end the line with one or three bytes, and some leave empty
// lines.
func (s *source) entryWidth(at int64) (int, error) {
	var b [32]byte
	n, err := s.r.ReadAt(b[:max(0, min(int64(len(b)), s.size-at))], at)
	if err != nil && err != io.EOF {
		return 0, readError(err)
	}
	if n < 19 {
		return 0, damaged("a cross-reference table is cut off")
	}
	width := 18
	for width < n && (b[width] == ' ' || b[width] == '\t') {
		width++
	}
	for width < n && (b[width] == '\n' || b[width] == '\r') {
		width++
	}
	if width == 18 {
		return 0, brokenTable(at)
	}
	return width, nil
}

// uniform reports whether all entries of a run are as wide as its first one. That is so if an entry
// stands where the last one should be, and another subsection or the trailer follows it. end is
// where that begins.
func (s *source) uniform(run subsection) (end int64, ok bool, err error) {
	last := run.at + int64(run.count-1)*int64(run.width)
	if last+18 > s.size {
		return 0, false, nil
	}
	if _, err := s.tableEntry(last); err != nil {
		return 0, false, readFault(err)
	}
	var next [1]byte
	for end = last + 18; ; end++ {
		if n, err := s.r.ReadAt(next[:], end); n == 0 {
			return 0, false, readFault(readError(err))
		}
		if !isSpace(int(next[0])) {
			return end, end > last+18 && (isDigit(int(next[0])) || next[0] == 't'), nil
		}
		if end > last+1024 {
			return 0, false, nil
		}
	}
}

// readFault returns err if reading failed, and nil if the file is damaged.
func readFault(err error) error {
	if signing.KindOf(err) == signing.KindDamaged {
		return nil
	}
	return err
}

// scan reads all entries of a run whose entries differ in width, and splits the run where the width
// changes.
func (x *xrefReader) scan(s *section, run subsection) (end int64, err error) {
	at := run.at
	for n := range run.count {
		if _, err := x.src.tableEntry(at); err != nil {
			return 0, err
		}
		width, err := x.src.entryWidth(at)
		if err != nil {
			return 0, err
		}
		if k := len(s.runs); n > 0 && s.runs[k-1].width == width {
			s.runs[k-1].count++
		} else {
			s.runs = append(s.runs, subsection{first: run.first + n, count: 1, at: at, width: width})
		}
		if len(s.runs) > maxSubsections {
			return 0, tooComplex("a cross-reference table has more than %d subsections", maxSubsections)
		}
		at += int64(width)
	}
	return at, nil
}

// tableEntry reads the entry "nnnnnnnnnn ggggg n" at an offset.
func (s *source) tableEntry(at int64) (entry, error) {
	var b [18]byte
	if _, err := s.r.ReadAt(b[:], at); err != nil {
		return entry{}, readError(err)
	}
	offset, ok1 := digits(bytes.TrimLeft(b[:10], " ")) // some writers pad with blanks
	generation, ok2 := digits(b[11:16])
	if !ok1 || !ok2 || b[10] != ' ' || b[16] != ' ' || b[17] != 'n' && b[17] != 'f' || b[17] == 'n' && generation > 65535 {
		return entry{}, damaged("a cross-reference entry is broken at byte %d", at)
	}
	if b[17] == 'f' { // some writers use any generation for free entries
		return entry{generation: int(generation), offset: offset}, nil
	}
	return entry{kind: entryPlain, offset: offset, generation: int(generation)}, nil
}

func digits(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 10 {
		return 0, false
	}
	var v int64
	for _, c := range b {
		if !isDigit(int(c)) {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	return v, true
}
