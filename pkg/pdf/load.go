package pdf

// loader reads indirect objects from the file. It owns the caches, the budget of parsed bytes and
// the guards against loops.
type loader struct {
	src     *source
	xref    *xref
	crypt   *crypt // nil if the file is not encrypted
	decoder decoder
	budget  parseBudget
	objects objectCache
	streams streamCache

	loading     map[int]bool // object streams that are being read, against loops
	lengthDepth int          // lengths that are being read from object streams, against loops
}

func newLoader(src *source, x *xref) *loader {
	l := &loader{src: src, xref: x, loading: map[int]bool{}}
	l.budget.limit = min(maxParsed, minParsed+parsedPerByte*src.size)
	l.decoder = decoder{src: src, resolver: resolver{l}}
	return l
}

// protect sets the decryption; c is nil if the file is not encrypted. It drops all objects that
// were read before, because their strings are still encrypted.
func (l *loader) protect(c *crypt) {
	if c == nil {
		return
	}
	l.crypt, l.decoder.crypt = c, c
	l.objects, l.streams = objectCache{}, streamCache{}
}

// load returns the newest version of the object that ref names, or nil if it does not exist.
func (l *loader) load(ref Ref) (Object, error) {
	if o, ok := l.objects.get(ref); ok {
		return o, nil
	}
	e, err := l.xref.lookup(ref.Number)
	if err != nil {
		return nil, err
	}
	switch {
	case e.kind == entryPlain && e.generation == ref.Generation:
		o, size, err := l.plain(ref, e.offset)
		if err == nil {
			l.objects.put(ref, o, size)
		}
		return o, err
	case e.kind == entryCompressed && ref.Generation == 0:
		return l.compressed(ref, int(e.offset), e.generation)
	}
	return nil, nil
}

// plain reads the object at an offset. It is damage if another object is there. The second result
// is the size of the source text, without stream data.
func (l *loader) plain(ref Ref, offset int64) (Object, int64, error) {
	if !l.src.holds(offset) {
		return nil, 0, damaged("object %d should be at byte %d, but the file has %d bytes", ref.Number, offset, l.src.size)
	}
	if err := l.budget.check(); err != nil {
		return nil, 0, err
	}
	lex := l.src.lexerAt(offset)
	defer lex.release()
	defer func() { l.budget.charge(lex.offset() - offset) }()
	p := &parser{lex: lex}
	found, err := p.header()
	if err != nil {
		return nil, 0, err
	}
	if found != ref {
		return nil, 0, damaged("object %d should be at byte %d, but object %d is there", ref.Number, offset, found.Number)
	}
	o, word, err := p.top()
	if err != nil {
		return nil, 0, err
	}
	if l.crypt.covers(ref) && !isXrefStream(o, word) {
		o, err = decryptStrings(o, func(s string) (string, error) { return l.crypt.decryptString(ref, s) })
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
	length, err := l.streamLength(dict, ref)
	if err != nil {
		return nil, 0, err
	}
	stm, err := l.src.streamAt(lex, dict, ref, length)
	return stm, size, err
}

// isXrefStream reports whether an object is a cross-reference stream. Nothing in it is encrypted
// (ISO 32000-2 7.5.8.2).
func isXrefStream(o Object, word string) bool {
	dict, _ := o.(*Dict)
	return word == "stream" && dict.Get("Type") == Name("XRef")
}

// streamLength reads the /Length of a stream. It may be a reference to a number that is an object
// of its own.
func (l *loader) streamLength(dict *Dict, owner Ref) (int64, error) {
	o := dict.Get("Length")
	if ref, ok := o.(Ref); ok {
		e, err := l.xref.lookup(ref.Number)
		if err != nil {
			return 0, err
		}
		if ref == owner || e.kind != entryPlain || e.generation != ref.Generation {
			return l.compressedLength(ref, e, owner)
		}
		if o, err = l.plainNumber(ref, e.offset); err != nil {
			return 0, err
		}
	}
	n, _ := o.(Number)
	length, ok := n.Int()
	if !ok || length < 0 || length > l.src.size {
		return 0, damaged("object %d has no usable /Length", owner.Number)
	}
	return length, nil
}

// compressedLength reads a /Length from an object stream. That must not be the stream whose length
// it is.
func (l *loader) compressedLength(ref Ref, e entry, owner Ref) (int64, error) {
	wrong := damaged("object %d has no usable /Length", owner.Number)
	if e.kind != entryCompressed || ref.Generation != 0 || int(e.offset) == owner.Number || l.lengthDepth > 0 {
		return 0, wrong
	}
	l.lengthDepth++
	defer func() { l.lengthDepth-- }()
	o, err := l.compressed(ref, int(e.offset), e.generation)
	if err != nil {
		return 0, err
	}
	n, _ := o.(Number)
	length, ok := n.Int()
	if !ok || length < 0 || length > l.src.size {
		return 0, wrong
	}
	return length, nil
}

// plainNumber reads an object that must be a number. It does not follow anything, so it cannot
// loop.
func (l *loader) plainNumber(ref Ref, offset int64) (Object, error) {
	if !l.src.holds(offset) {
		return nil, damaged("object %d should be at byte %d, but the file has %d bytes", ref.Number, offset, l.src.size)
	}
	if err := l.budget.check(); err != nil {
		return nil, err
	}
	p := &parser{lex: l.src.lexerAt(offset)}
	defer p.lex.release()
	defer func() { l.budget.charge(p.lex.offset() - offset) }()
	found, err := p.header()
	if err != nil {
		return nil, err
	}
	if found != ref {
		return nil, damaged("object %d should be at byte %d, but object %d is there", ref.Number, offset, found.Number)
	}
	o, word, err := p.top()
	if err == nil && word == "stream" {
		return nil, damaged("a /Length is a stream")
	}
	return o, err
}
