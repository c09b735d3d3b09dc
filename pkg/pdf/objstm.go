package pdf

import (
	"bytes"
	"io"
)

// objectStream is a decoded object stream (ISO 32000-2 7.5.7).
type objectStream struct {
	number  int
	data    []byte // decoded
	numbers []int32
	starts  []int32 // of the objects, in data
}

// compressed returns the object at a place of an object stream. It is damage if another object is
// at that place. /Extends is not followed, because the cross-reference entry names the right
// stream.
func (l *loader) compressed(ref Ref, stream, place int) (Object, error) {
	s, err := l.objectStream(stream)
	if err != nil {
		return nil, err
	}
	if place >= len(s.numbers) || int(s.numbers[place]) != ref.Number {
		return nil, damaged("object %d is not at its place in object stream %d", ref.Number, stream)
	}
	if err := l.budget.check(); err != nil {
		return nil, err
	}
	begin := int(s.starts[place])
	lex := newLexer(bytes.NewReader(s.data[begin:]), 0, maxObjectBytes)
	defer func() { l.budget.chargePacked(lex.offset()) }()
	p := &parser{lex: lex}
	o, word, err := p.object(0)
	if err != nil {
		return nil, err
	}
	if word != "" {
		return nil, damaged("object %d in object stream %d is not an object", ref.Number, stream)
	}
	if n, ok := o.(Number); ok {
		o = p.loneReference(n)
	}
	l.objects.put(ref, o, lex.offset())
	return o, nil
}

// loneReference reads what follows a number, because the whole object may be a reference. It
// returns the reference, or the number if no reference follows.
func (p *parser) loneReference(first Number) Object {
	t, err := p.lex.next()
	if err != nil || t.kind != tokenNumber {
		return first
	}
	r, err := p.lex.next()
	if err != nil || r.kind != tokenKeyword || r.value != "R" {
		return first
	}
	if items, err := fold([]Object{first, Number(t.value)}); err == nil {
		return items[0]
	}
	return first
}

// objectStream returns a decoded object stream, from the cache if it is there.
func (l *loader) objectStream(number int) (*objectStream, error) {
	if s := l.streams.get(number); s != nil {
		return s, nil
	}
	if l.loading[number] || len(l.loading) > 1 {
		return nil, damaged("object stream %d contains itself", number)
	}
	l.loading[number] = true
	defer delete(l.loading, number)

	e, err := l.xref.lookup(number)
	if err != nil {
		return nil, err
	}
	if e.kind != entryPlain {
		return nil, damaged("object stream %d is missing", number)
	}
	o, _, err := l.plain(Ref{number, e.generation}, e.offset)
	if err != nil {
		return nil, err
	}
	stm, ok := o.(*Stream)
	if !ok || stm.Dict.Get("Type") != Name("ObjStm") {
		return nil, damaged("object %d is not an object stream", number)
	}
	r, err := l.decoder.data(stm)
	if err != nil {
		return nil, err
	}
	data, err := readLimited(r, maxObjStmBytes)
	if err != nil {
		return nil, err
	}
	l.budget.charge(int64(len(data)))
	s := &objectStream{number: number, data: data}
	if err := s.index(resolver{l}, stm.Dict); err != nil {
		return nil, err
	}
	l.streams.put(s)
	return s, nil
}

// index reads the pairs of object number and offset at the start of the data.
func (s *objectStream) index(r resolver, dict *Dict) error {
	n, err := r.Int(dict.Get("N"), -1)
	if err != nil {
		return err
	}
	first, err := r.Int(dict.Get("First"), -1)
	if err != nil {
		return err
	}
	// A pair takes four bytes at least.
	if first < 0 || first > int64(len(s.data)) || n < 0 || n > first/3+1 {
		return damaged("object stream %d has a wrong /N or /First", s.number)
	}
	lex := newLexer(bytes.NewReader(s.data[:first]), 0, maxObjStmBytes)
	s.numbers, s.starts = make([]int32, 0, n), make([]int32, 0, n)
	for range n {
		var v [2]int
		for i := range v {
			t, err := lex.next()
			if err != nil {
				return err
			}
			var ok bool
			if v[i], ok = small(Number(t.value), maxObjStmBytes); !ok || t.kind != tokenNumber {
				return damaged("object stream %d has a broken index", s.number)
			}
		}
		if first+int64(v[1]) > int64(len(s.data)) {
			return damaged("object stream %d is too short for its index", s.number)
		}
		s.numbers, s.starts = append(s.numbers, int32(v[0])), append(s.starts, int32(first)+int32(v[1]))
	}
	return nil
}

// readLimited reads all of r. More than limit bytes are KindTooComplex.
func readLimited(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, readError(err)
	}
	if int64(len(data)) > limit {
		return nil, tooComplex("a stream decodes to more than %d bytes", limit)
	}
	return data, nil
}
