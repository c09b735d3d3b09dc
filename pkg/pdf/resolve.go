package pdf

import (
	"io"
)

// Get resolves o: a reference is followed to the object that is in force, anything else is returned
// as it is. A reference to an object that is free, missing or of another generation is null (ISO
// 32000-2 7.3.10).
func (d *Document) Get(o Object) (Object, error) {
	for range maxRefChain {
		ref, ok := o.(Ref)
		if !ok {
			return o, nil
		}
		var err error
		if o, err = d.load(ref); err != nil {
			return nil, err
		}
	}
	return nil, tooComplex("references are chained more than %d times", maxRefChain)
}

// Object returns the object that a reference stands for, which may be a reference again.
func (d *Document) Object(ref Ref) (Object, error) { return d.load(ref) }

// Dict is Get for a dictionary: nil for null, damage for anything else. A stream's dictionary does
// not count.
func (d *Document) Dict(o Object) (*Dict, error) {
	v, err := d.Get(o)
	if err != nil || v == nil {
		return nil, err
	}
	if dict, ok := v.(*Dict); ok {
		return dict, nil
	}
	return nil, damaged("%s is no dictionary", describe(o))
}

// Array is Get for an array: nil for null, damage for anything else.
func (d *Document) Array(o Object) (Array, error) {
	v, err := d.Get(o)
	if err != nil || v == nil {
		return nil, err
	}
	if a, ok := v.(Array); ok {
		return a, nil
	}
	return nil, damaged("%s is no array", describe(o))
}

// DictAt is Dict for the value of a key of a dictionary. The error names the key.
func (d *Document) DictAt(of *Dict, key Name) (*Dict, error) {
	o := of.Get(key)
	v, err := d.Get(o)
	if err != nil || v == nil {
		return nil, err
	}
	if dict, ok := v.(*Dict); ok {
		return dict, nil
	}
	return nil, damaged("%s is no dictionary", describeAt(key, o))
}

// ArrayAt is Array for the value of a key of a dictionary. The error names the key.
func (d *Document) ArrayAt(of *Dict, key Name) (Array, error) {
	o := of.Get(key)
	v, err := d.Get(o)
	if err != nil || v == nil {
		return nil, err
	}
	if a, ok := v.(Array); ok {
		return a, nil
	}
	return nil, damaged("%s is no array", describeAt(key, o))
}

// Name is Get for a name: empty for anything else.
func (d *Document) Name(o Object) (Name, error) {
	v, err := d.Get(o)
	n, _ := v.(Name)
	return n, err
}

// Int is Get for a whole number: otherwise if it is something else.
func (d *Document) Int(o Object, otherwise int64) (int64, error) {
	v, err := d.Get(o)
	if n, ok := v.(Number); ok {
		if i, ok := n.Int(); ok {
			return i, err
		}
	}
	return otherwise, err
}

// Catalog returns the document catalog and its reference.
func (d *Document) Catalog() (*Dict, Ref, error) {
	ref, ok := d.Trailer().Get("Root").(Ref)
	if !ok {
		return nil, Ref{}, damaged("its trailer names no catalog")
	}
	catalog, err := d.Dict(ref)
	if err != nil {
		return nil, Ref{}, err
	}
	if catalog == nil {
		return nil, Ref{}, damaged("its catalog is missing")
	}
	return catalog, ref, nil
}

func describe(o Object) string {
	if r, ok := o.(Ref); ok {
		return "object " + r.String()
	}
	return "an entry"
}

// describeAt describes the value of a key, which is a name that this program looks for.
func describeAt(key Name, o Object) string {
	if _, ok := o.(Ref); ok {
		return "/" + string(key) + ", " + describe(o) + ","
	}
	return "/" + string(key)
}

// InObjectStream reports whether the object in force lies in an object stream.
func (d *Document) InObjectStream(ref Ref) (bool, error) {
	e, err := d.lookup(ref.Number)
	return e.kind == entryCompressed, err
}

func (d *Document) load(ref Ref) (Object, error) {
	if o, ok := d.objects.get(ref); ok {
		return o, nil
	}
	e, err := d.lookup(ref.Number)
	if err != nil {
		return nil, err
	}
	switch {
	case e.kind == entryPlain && e.generation == ref.Generation:
		o, size, err := d.loadPlain(ref, e.offset)
		if err == nil {
			d.objects.put(ref, o, size)
		}
		return o, err
	case e.kind == entryCompressed && ref.Generation == 0:
		return d.loadCompressed(ref, int(e.offset), e.generation)
	}
	return nil, nil
}

// mayParse refuses to parse on when the budget is used up. Objects that are too large to be kept
// are parsed again at each reference.
func (d *Document) mayParse() error {
	if limit := min(maxParsed, minParsed+parsedPerByte*d.size); d.parsed > limit {
		return tooComplex("more than %d bytes of objects have to be read, again and again", limit)
	}
	return nil
}

// charge counts what was parsed, be it in vain; the smallest object costs as much as the block that
// is read for it.
func (d *Document) charge(bytes int64) { d.parsed += max(bytes, firstChunk) }

// packedCost is what an object of an object stream, for which no block is read, costs at least:
// finding it is work too.
const packedCost = 64

func (d *Document) chargePacked(bytes int64) { d.parsed += max(bytes, packedCost) }

// Renew begins the budget of parsed objects anew, for who has one piece of work after the other
// done with the document.
func (d *Document) Renew() { d.parsed = 0 }

// loadPlain reads the object at an offset, which must be the one that the cross-reference entry
// says.
func (d *Document) loadPlain(ref Ref, offset int64) (Object, int64, error) {
	if offset <= 0 || offset >= d.size {
		return nil, 0, damaged("object %d is said to lie at byte %d of %d", ref.Number, offset, d.size)
	}
	if err := d.mayParse(); err != nil {
		return nil, 0, err
	}
	lex := d.lexerAt(offset)
	defer lex.release()
	defer func() { d.charge(lex.offset() - offset) }()
	p := &parser{lex: lex}
	found, err := p.header()
	if err != nil {
		return nil, 0, err
	}
	if found != ref {
		return nil, 0, damaged("object %d is said to lie at byte %d, where object %d lies", ref.Number, offset, found.Number)
	}
	o, word, err := p.top()
	if err != nil {
		return nil, 0, err
	}
	if d.crypt != nil && ref != d.encrypt && !isXrefStream(o, word) {
		o, err = decryptStrings(o, func(s string) (string, error) { return d.crypt.decryptString(ref, s) })
		if err != nil {
			return nil, 0, err
		}
	}
	size := lex.offset() - offset
	if word != "stream" {
		return o, size, nil
	}
	dict, ok := o.(*Dict)
	if !ok {
		return nil, 0, damaged("object %d is a stream without a dictionary", ref.Number)
	}
	length, err := d.streamLength(dict, ref)
	if err != nil {
		return nil, 0, err
	}
	stm, err := d.streamAt(lex, dict, ref, length)
	return stm, size, err
}

// isXrefStream reports whether what was read is a cross-reference stream, in which nothing is
// encrypted (ISO 32000-2 7.5.8.2).
func isXrefStream(o Object, word string) bool {
	dict, _ := o.(*Dict)
	return word == "stream" && dict.Get("Type") == Name("XRef")
}

// streamLength reads /Length, which may be a reference to a number that is an object of its own.
func (d *Document) streamLength(dict *Dict, owner Ref) (int64, error) {
	o := dict.Get("Length")
	if ref, ok := o.(Ref); ok {
		e, err := d.lookup(ref.Number)
		if err != nil {
			return 0, err
		}
		if ref == owner || e.kind != entryPlain || e.generation != ref.Generation {
			return d.compressedLength(ref, e, owner)
		}
		if o, err = d.plainNumber(ref, e.offset); err != nil {
			return 0, err
		}
	}
	n, _ := o.(Number)
	length, ok := n.Int()
	if !ok || length < 0 || length > d.size {
		return 0, damaged("object %d has no usable /Length", owner.Number)
	}
	return length, nil
}

// compressedLength reads a /Length that lies in an object stream, but not in the stream whose
// length it is.
func (d *Document) compressedLength(ref Ref, e entry, owner Ref) (int64, error) {
	wrong := damaged("object %d has no usable /Length", owner.Number)
	if e.kind != entryCompressed || ref.Generation != 0 || int(e.offset) == owner.Number || d.lengthDepth > 0 {
		return 0, wrong
	}
	d.lengthDepth++
	defer func() { d.lengthDepth-- }()
	o, err := d.loadCompressed(ref, int(e.offset), e.generation)
	if err != nil {
		return 0, err
	}
	n, _ := o.(Number)
	length, ok := n.Int()
	if !ok || length < 0 || length > d.size {
		return 0, wrong
	}
	return length, nil
}

// plainNumber reads an object that must be a number: no stream, so nothing that could lead on.
func (d *Document) plainNumber(ref Ref, offset int64) (Object, error) {
	if offset <= 0 || offset >= d.size {
		return nil, damaged("object %d is said to lie at byte %d of %d", ref.Number, offset, d.size)
	}
	if err := d.mayParse(); err != nil {
		return nil, err
	}
	p := &parser{lex: d.lexerAt(offset)}
	defer p.lex.release()
	defer func() { d.charge(p.lex.offset() - offset) }()
	found, err := p.header()
	if err != nil {
		return nil, err
	}
	if found != ref {
		return nil, damaged("object %d is said to lie at byte %d, where object %d lies", ref.Number, offset, found.Number)
	}
	o, word, err := p.top()
	if err == nil && word == "stream" {
		return nil, damaged("a /Length is a stream")
	}
	return o, err
}

// streamAt makes the Stream whose data begins behind the word stream, where lex stands, and checks
// that it ends with endstream.
func (d *Document) streamAt(lex *lexer, dict *Dict, ref Ref, length int64) (*Stream, error) {
	for lex.peek() == ' ' || lex.peek() == '\t' { // not in the standard, yet written
		lex.pos++
	}
	switch lex.peek() {
	case '\r':
		lex.pos++
		if lex.peek() == '\n' {
			lex.pos++
		}
	case '\n':
		lex.pos++
	}
	start := lex.offset()
	if length < 0 || length > d.size-start {
		return nil, damaged("the stream of object %d reaches beyond the end", ref.Number)
	}
	end := newLexer(io.NewSectionReader(d.r, start+length, min(lengthSlack, d.size-start-length)), 0, lengthSlack)
	for isSpace(end.peek()) {
		end.pos++
	}
	for _, c := range []byte("endstream") {
		if end.take() != int(c) {
			if err := end.fault(); err != nil {
				return nil, err
			}
			return nil, damaged("the stream of object %d does not end where its /Length says", ref.Number)
		}
	}
	return &Stream{Dict: dict, Ref: ref, offset: start, length: length}, nil
}
