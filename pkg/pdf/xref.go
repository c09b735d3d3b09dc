package pdf

import (
	"context"
	"slices"
)

// entryKind is where an object is, according to its cross-reference entry (ISO 32000-2 7.5.4,
// 7.5.8.3).
type entryKind int

const (
	entryFree       entryKind = iota
	entryPlain                // the object is at offset, and has that generation
	entryCompressed           // the object is in object stream number offset, at place generation
)

type entry struct {
	kind       entryKind
	offset     int64
	generation int
}

// subsection is a run of entries for consecutive object numbers.
type subsection struct {
	first, count int
	at           int64 // table: offset of the first entry; stream: index of its row
	width        int   // table: bytes of an entry, including its end of line
}

// section is one cross-reference section. The entries of a table stay in the file and are read from
// there; the rows of a stream are kept decoded.
type section struct {
	offset  int64
	start   int64 // of its first byte; white space may stand between offset and start
	end     int64 // behind its trailer dictionary, or behind its stream's data
	fromOne bool  // a table that numbers its first entry, the head of the free list, as object 1 instead of 0
	trailer *Dict
	runs    []subsection // by first, not overlapping
	rows    []byte       // of a stream, decoded
	widths  [3]int
	stream  bool
	hidden  *section // the /XRefStm of a hybrid file
}

// run returns the subsection that has the object's entry, and false if there is none.
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

// sortRuns sorts the subsections. It is damage if an object is listed twice, because readers differ
// in which entry they use.
func (s *section) sortRuns() error {
	s.runs = slices.DeleteFunc(s.runs, func(r subsection) bool { return r.count == 0 })
	slices.SortFunc(s.runs, func(a, b subsection) int { return a.first - b.first })
	for i := 1; i < len(s.runs); i++ {
		if s.runs[i-1].first+s.runs[i-1].count > s.runs[i].first {
			return damaged("the cross-reference section at byte %d lists object %d twice", s.offset, s.runs[i].first)
		}
	}
	return nil
}

// top is one more than the highest listed object number.
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

// xref knows where each object of a file is. Open fills it; it does not change afterwards.
type xref struct {
	src      *source
	sections []*section // newest first
}

func (x *xref) newest() *section { return x.sections[0] }

// lookupIn returns the entry of an object in one section, and false if the section does not list
// it.
func (x *xref) lookupIn(s *section, number int) (entry, bool, error) {
	r, found := s.run(number)
	if !found {
		return entry{}, false, nil
	}
	row := int64(number - r.first)
	if s.stream {
		e, err := s.streamEntry(r.at + row)
		return e, true, err
	}
	e, err := x.src.tableEntry(r.at + row*int64(r.width))
	return e, true, err
}

// lookup returns the entry of the object's newest version, or a free entry if no section lists the
// object. If the entry of a hybrid section is free or missing, the stream that this section names
// may have it (ISO 32000-2 7.5.8.4).
func (x *xref) lookup(number int) (entry, error) {
	for _, s := range x.sections {
		e, found, err := x.lookupIn(s, number)
		if err != nil {
			return entry{}, err
		}
		if s.hidden != nil && (!found || e.kind == entryFree) {
			h, inHidden, err := x.lookupIn(s.hidden, number)
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

// entriesPerCheck is how many entries each reads before it checks whether ctx is done: some
// milliseconds of work.
const entriesPerCheck = 4096

// each calls visit for all entries of one section, but not for those of its hidden section.
func (x *xref) each(ctx context.Context, s *section, visit func(number int, e entry) error) error {
	for _, run := range s.runs {
		for i := range run.count {
			if i%entriesPerCheck == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			e, _, err := x.lookupIn(s, run.first+i)
			if err != nil {
				return err
			}
			if err := visit(run.first+i, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// sectionAt returns the section whose stated offset or first byte is between from and to, both
// included; nil if there is no such section.
func (x *xref) sectionAt(from, to int64) *section {
	for _, s := range x.sections {
		for ; s != nil; s = s.hidden {
			if s.offset >= from && s.offset <= to || s.start >= from && s.start <= to {
				return s
			}
		}
	}
	return nil
}
