package pdf

import (
	"bytes"
	"context"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// References knows which objects the objects of a document refer to. Advance moves it from one
// revision to the next, and reads an object only once even if it is in many revisions.
type References struct {
	doc *Document
	// of maps the number of an object to the numbers that it refers to. The object stream that
	// contains it counts as one of them.
	of map[int][]int32
	// unread is the objects that could not be read to their end. They may refer to anything, because
	// another reader may be able to read them.
	unread map[int]bool
	top    int
	held   int
	spent  int64
}

const (
	// maxScanned bounds the bytes that are scanned for references, in addition to twice the size of
	// the file. Objects may overlap, so the size of the file alone does not bound them.
	maxScanned      = 256 << 20
	maxReferences   = 16 << 20 // kept for one document
	entryCost       = 128      // bytes that the lookup of one entry counts as
	objectsPerCheck = 1024     // objects between two checks of ctx
)

// packedPlace is where an object of an object stream is.
type packedPlace struct{ stream, place, number int }

// Advance reads the objects of d that differ from the revision of the previous call, or all objects
// at the first call. Errors are KindTooComplex, KindStorage, and the error of ctx; after an error,
// References starts over.
func (r *References) Advance(ctx context.Context, d *Document) error {
	old := r.doc
	if old == nil {
		r.of, r.unread = map[int][]int32{}, map[int]bool{}
	}
	r.doc = d
	err := r.read(ctx, listed(changedSections(d, old)))
	if err != nil {
		*r = References{}
	}
	return err
}

func (r *References) read(ctx context.Context, numbers []bool) error {
	var packed []packedPlace
	for number, wanted := range numbers {
		if number%objectsPerCheck == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if !wanted {
			continue
		}
		r.held -= len(r.of[number])
		delete(r.of, number)
		delete(r.unread, number)
		e, err := r.doc.xref.lookup(number)
		if err != nil {
			return err
		}
		if err := r.charge(entryCost + int64(len(r.doc.xref.sections))); err != nil {
			return err
		}
		switch e.kind {
		case entryPlain:
			if err := r.plain(number, e); err != nil {
				return err
			}
		case entryCompressed:
			packed = append(packed, packedPlace{int(e.offset), e.generation, number})
		}
	}
	return r.packed(ctx, packed)
}

func (r *References) charge(n int64) error {
	if r.spent += n; r.spent > maxScanned+2*r.doc.src.size {
		return tooComplex("reading the references of all its objects takes too much work")
	}
	return nil
}

func (r *References) plain(number int, e entry) error {
	if !r.doc.src.holds(e.offset) {
		r.unread[number] = true
		return nil
	}
	lex := r.doc.src.lexerAt(e.offset)
	defer lex.release()
	found, err := (&parser{lex: lex}).header()
	if err != nil || found != (Ref{number, e.generation}) {
		r.unread[number] = true
		return storageFault(err)
	}
	return r.scan(number, lex, nil)
}

// packed reads objects of object streams. It reads each stream once.
func (r *References) packed(ctx context.Context, list []packedPlace) error {
	slices.SortFunc(list, func(a, b packedPlace) int {
		if a.stream != b.stream {
			return a.stream - b.stream
		}
		return a.place - b.place
	})
	var s *objectStream
	var starts []int32
	for i, o := range list {
		if i%objectsPerCheck == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if i == 0 || o.stream != list[i-1].stream {
			var err error
			if s, err = r.doc.loader.objectStream(o.stream); storageFault(err) != nil {
				return err
			}
			if starts = nil; s != nil {
				starts = slices.Sorted(slices.Values(s.starts))
			}
		}
		if s == nil || o.place >= len(s.numbers) || int(s.numbers[o.place]) != o.number {
			r.unread[o.number] = true
			continue
		}
		begin, end := s.starts[o.place], len(s.data)
		if next, _ := slices.BinarySearch(starts, begin+1); next < len(starts) {
			end = int(starts[next])
		}
		lex := newLexer(bytes.NewReader(s.data[begin:end]), 0, maxObjectBytes)
		if err := r.scan(o.number, lex, []int32{int32(o.stream)}); err != nil {
			return err
		}
	}
	return nil
}

// scan collects what the tokens of an object refer to, up to the end of the object or its stream
// data. It finds more than parsing does if a key occurs twice or the object is broken.
func (r *References) scan(number int, lex *lexer, list []int32) error {
	start := lex.offset()
	var a, b token
	for {
		t, err := lex.next()
		if storageFault(err) != nil {
			return err
		}
		if err != nil {
			r.unread[number] = true
			break
		}
		if t.kind == tokenEOF || t.kind == tokenKeyword && (t.value == "endobj" || t.value == "stream" || t.value == "obj") {
			break
		}
		if t.kind == tokenKeyword && t.value == "R" && a.kind == tokenNumber && b.kind == tokenNumber {
			if n, ok := small(Number(a.value), maxObjects); ok {
				list = append(list, int32(n))
			}
		}
		a, b = b, t
	}
	if len(list) > 0 {
		r.of[number] = list
		r.top = max(r.top, int(slices.Max(list)))
	}
	if r.held += len(list); r.held > maxReferences {
		return tooComplex("its objects refer to each other more than %d times", maxReferences)
	}
	return r.charge(lex.offset() - start)
}

// storageFault returns err if reading failed, and nil if the file is damaged.
func storageFault(err error) error {
	if err != nil && signing.KindOf(err) == signing.KindStorage {
		return err
	}
	return nil
}

// Reach returns a function that reports whether an object can be reached from the roots. It reports
// true for every object if the way leads over an object that could not be read. cut lists
// references to ignore, by the number of the object that makes them; a reference is ignored as
// often as it is listed.
func (r *References) Reach(roots []int, cut map[int][]int) func(number int) bool {
	reached := make([]bool, max(r.top, slices.Max(append(roots, 0)))+1)
	todo := slices.Clone(roots)
	for _, n := range roots {
		reached[n] = true
	}
	for len(todo) > 0 {
		number := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if r.unread[number] {
			return func(int) bool { return true }
		}
		left := slices.Clone(cut[number])
		for _, n := range r.of[number] {
			if i := slices.Index(left, int(n)); i >= 0 {
				left = slices.Delete(left, i, i+1)
			} else if !reached[n] {
				reached[n] = true
				todo = append(todo, int(n))
			}
		}
	}
	return func(number int) bool { return number >= 0 && number < len(reached) && reached[number] }
}

// NumbersIn returns the numbers of the objects that o refers to. A number occurs as often as o
// refers to it.
func NumbersIn(o Object) []int {
	var list []int
	switch v := o.(type) {
	case Ref:
		return []int{v.Number}
	case Array:
		for _, item := range v {
			list = append(list, NumbersIn(item)...)
		}
	case *Dict:
		for _, item := range v.All() {
			list = append(list, NumbersIn(item)...)
		}
	}
	return list
}
