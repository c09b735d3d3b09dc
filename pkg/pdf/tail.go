package pdf

import (
	"cmp"
	"slices"
)

const (
	// maxTailLookups bounds the entries that are looked up for what follows the ends of revisions, in
	// all. A file needs about one for each revision.
	maxTailLookups = 100_000
	// maxRepeatedEnds bounds how often a startxref may follow the end of one revision. Some writers
	// put it there twice.
	maxRepeatedEnds = 16
)

// tails looks at what follows the ends of revisions.
type tails struct {
	d       *Document
	order   []*section // as they lie in the file, hidden ones included
	lookups int
}

// endWindow is how many bytes at the end of a file readers search for startxref (ISO 32000-1 Annex
// H.3 note 18).
const endWindow = 1024

// EndFound reports whether readers find the last startxref. Where too many bytes follow it, they do
// not, and rebuild the file from all objects that it holds.
func (d *Document) EndFound() bool { return d.src.size-d.end.keyword <= endWindow }

// tails refuses bytes behind the end of a revision that belong to no revision. White space and
// comments may stand there, and what a cross-reference section lists. A reader that repairs the
// file would take other objects there for its newest ones.
func (c fileCheck) tails() error {
	t := &tails{d: c.d}
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

// endOf returns where the startxref ends that follows a section; false where another thing follows.
func (t *tails) endOf(s *section) (int64, bool, error) {
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

// check looks at what stands at pos, behind the number of a startxref. %%EOF is a comment to it.
func (t *tails) check(pos int64) error {
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
		belongs, again, err := t.one(lex, from, at)
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

// one reads what begins at a byte: an object that a section lists, or a further startxref, behind
// which it goes on again. from is where the white space before it begins: offsets of some writers
// point there.
func (t *tails) one(lex *lexer, from, at int64) (belongs, again bool, err error) {
	if isDigit(lex.peek()) {
		ref, err := (&parser{lex: lex}).header()
		if err != nil {
			return false, false, storageFault(err)
		}
		belongs, err := t.listed(ref, from, at)
		return belongs, false, err
	}
	ok, err := t.d.isStartxref(lex)
	return ok, ok, err
}

// isStartxref reads startxref with the number of a section; 0 is what the first section of a
// linearized file has there.
func (d *Document) isStartxref(lex *lexer) (bool, error) {
	word, err := lex.next()
	if err != nil || word.value != "startxref" {
		return false, storageFault(err)
	}
	number, err := lex.next()
	n, ok := Number(number.value).Int()
	return ok && number.kind == tokenNumber && (n == 0 || d.xref.sectionAt(n, n) != nil || n == d.end.startxref), storageFault(err)
}

// listed reports whether a section says that the object lies there. The section that lies next is
// asked first.
func (t *tails) listed(ref Ref, from, at int64) (bool, error) {
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
