package pdf

import (
	"cmp"
	"slices"
)

const (
	// maxTailLookups bounds the entries that are looked up to check all bytes behind the ends of
	// revisions. A file needs about one lookup for each revision.
	maxTailLookups = 100_000
	// maxRepeatedEnds bounds how often startxref may follow the end of one revision. Some writers
	// write it twice.
	maxRepeatedEnds = 16
)

// revisionEnds checks the bytes that follow the ends of revisions.
type revisionEnds struct {
	d       *Document
	order   []*section // by their place in the file, including hidden ones
	lookups int
}

// endWindow is how many bytes at the end of a file readers search for startxref (ISO 32000-1 Annex
// H.3 note 18).
const endWindow = 1024

// EndFound reports whether readers find the last startxref. If too many bytes follow it, they do
// not find it, and rebuild the file from all objects in it.
func (d *Document) EndFound() bool { return d.src.size-d.end.keyword <= endWindow }

// revisionEnds returns an error if bytes behind the end of a revision belong to no revision. Only
// white space, comments and what a cross-reference section lists may stand there. A reader that
// repairs the file would take any other object there for the newest version.
func (c fileCheck) revisionEnds() error {
	t := &revisionEnds{d: c.d}
	for _, s := range c.d.xref.sections {
		for ; s != nil; s = s.hidden {
			t.order = append(t.order, s)
		}
	}
	slices.SortFunc(t.order, func(a, b *section) int { return cmp.Compare(a.start, b.start) })
	for _, s := range t.order {
		end, ok, err := t.endOf(s)
		if err != nil {
			return err
		}
		if ok && end != c.d.end.behind {
			if err := t.check(end); err != nil {
				return err
			}
		}
	}
	return t.check(c.d.end.behind)
}

// endOf returns where the startxref ends that follows a section, and false if something else
// follows.
func (t *revisionEnds) endOf(s *section) (int64, bool, error) {
	lex := t.d.src.lexerAt(s.end)
	defer lex.release()
	ends := []string{"startxref"}
	if s.stream {
		ends = []string{"endstream", "endobj", "startxref"}
	}
	for _, want := range ends {
		token, err := lex.next()
		if err != nil || token.value != want {
			return 0, false, storageFault(err)
		}
	}
	token, err := lex.next()
	return lex.offset(), err == nil && token.kind == tokenNumber, storageFault(err)
}

// check checks what follows pos, which is behind the number of a startxref. To check, %%EOF is a
// comment.
func (t *revisionEnds) check(pos int64) error {
	lex := t.d.src.lexerAt(pos)
	defer lex.release()
	for range maxRepeatedEnds {
		from := lex.offset()
		harmless := lex.skipHarmless()
		at := lex.offset()
		if err := lex.fault(); err != nil {
			return err
		}
		if harmless && lex.peek() < 0 || t.d.xref.sectionAt(from, at) != nil {
			return nil
		}
		belongs, again, err := t.item(lex, from, at)
		if err != nil {
			return err
		}
		if !belongs {
			return damaged("the bytes from %d on, behind the end of a revision, belong to no revision", t.d.src.base+at)
		}
		if !again {
			return nil
		}
	}
	return tooComplex("startxref is repeated more than %d times behind one revision", maxRepeatedEnds)
}

// item reads what starts at offset at: an object that a section lists, or another startxref; again
// is true behind the latter. from is where the white space before it starts, because the offsets of
// some writers point there.
func (t *revisionEnds) item(lex *lexer, from, at int64) (belongs, again bool, err error) {
	if isDigit(lex.peek()) {
		ref, err := (&parser{lex: lex}).header()
		if err != nil {
			return false, false, storageFault(err)
		}
		belongs, err := t.listed(ref, from, at)
		return belongs, false, err
	}
	ok, err := isStartxref(t.d, lex)
	return ok, ok, err
}

// isStartxref reads startxref with the number of a section of d. The number is 0 in the first
// section of a linearized file.
func isStartxref(d *Document, lex *lexer) (bool, error) {
	word, err := lex.next()
	if err != nil || word.value != "startxref" {
		return false, storageFault(err)
	}
	number, err := lex.next()
	n, ok := Number(number.value).Int()
	known := n == 0 || d.xref.sectionAt(n, n) != nil || n == d.end.startxref
	return ok && number.kind == tokenNumber && known, storageFault(err)
}

// listed reports whether a section says that the object is there. It asks the next section in the
// file first.
func (t *revisionEnds) listed(ref Ref, from, at int64) (bool, error) {
	next, _ := slices.BinarySearchFunc(t.order, at, func(s *section, at int64) int { return cmp.Compare(s.start, at) })
	for i := range t.order {
		if t.lookups++; t.lookups > maxTailLookups {
			return false, tooComplex("checking what is between its revisions takes too much work")
		}
		e, found, err := t.d.xref.lookupIn(t.order[(next+i)%len(t.order)], ref.Number)
		if storageFault(err) != nil {
			return false, err
		}
		same := found && err == nil && e.kind == entryPlain && e.generation == ref.Generation
		if same && e.offset >= from && e.offset <= at {
			return true, nil
		}
	}
	return false, nil
}
