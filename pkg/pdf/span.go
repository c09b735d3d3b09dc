package pdf

// ValueSpan returns where the value of a key of a dictionary is: from the value's first byte to
// behind its last one, counted from the first byte of the file. The dictionary must be an object of
// its own, outside object streams. ok is false if it is not, or if it does not have the key once.
func (d *Document) ValueSpan(ref Ref, key Name) (start, end int64, ok bool, err error) {
	items, dict, err := d.loader.spans(ref)
	i := dict.find(key)
	if _, dup := dict.Duplicate(); err != nil || i < 0 || dup || 2*i+1 >= len(items) {
		return 0, 0, false, err
	}
	value := items[2*i+1]
	return d.src.base + value.start, d.src.base + value.end, true, nil
}

// spans parses a dictionary and returns where its keys and values are, in turn. The dictionary is
// nil if ref does not name a dictionary outside object streams.
func (l *loader) spans(ref Ref) ([]span, *Dict, error) {
	e, err := l.xref.lookup(ref.Number)
	if err != nil || e.kind != entryPlain || e.generation != ref.Generation || !l.src.holds(e.offset) {
		return nil, nil, err
	}
	if err := l.budget.check(); err != nil {
		return nil, nil, err
	}
	var spans []span
	p := &parser{lex: l.src.lexerAt(e.offset), spans: &spans}
	defer p.lex.release()
	defer func() { l.budget.charge(p.lex.offset() - e.offset) }()
	if found, err := p.header(); err != nil || found != ref {
		return nil, nil, err
	}
	o, _, err := p.top()
	if err != nil {
		return nil, nil, err
	}
	dict, _ := o.(*Dict)
	return spans, dict, nil
}

// StartsAt returns where the newest cross-reference section is, counted from the first byte of the
// file.
func (d *Document) StartsAt() int64 { return d.src.base + d.end.startxref }

// RawBytes returns n bytes from an offset, counted from the first byte of the file. It allocates n
// bytes, so the caller must bound n.
func (d *Document) RawBytes(offset int64, n int) ([]byte, error) {
	offset -= d.src.base
	if offset < 0 || n < 0 || offset > d.src.size-int64(n) {
		return nil, damaged("bytes %d to %d are outside the file", offset, offset+int64(n))
	}
	b := make([]byte, n)
	if read, err := d.src.r.ReadAt(b, offset); read < n {
		return nil, readError(err)
	}
	return b, nil
}
