package pdf

// ValueSpan returns where the value of a key of a dictionary lies: from the value's first byte to
// behind its last one, counted from the first byte of the file. The dictionary must be an object of
// its own, outside object streams; false where it is not, or has no such key.
func (d *Document) ValueSpan(ref Ref, key Name) (start, end int64, ok bool, err error) {
	e, err := d.lookup(ref.Number)
	if err != nil || e.kind != entryPlain || e.generation != ref.Generation || e.offset <= 0 || e.offset >= d.size {
		return 0, 0, false, err
	}
	if err := d.mayParse(); err != nil {
		return 0, 0, false, err
	}
	var spans []span
	p := &parser{lex: d.lexerAt(e.offset), spans: &spans}
	defer p.lex.release()
	defer func() { d.charge(p.lex.offset() - e.offset) }()
	if found, err := p.header(); err != nil || found != ref {
		return 0, 0, false, err
	}
	o, _, err := p.top()
	if err != nil {
		return 0, 0, false, err
	}
	dict, isDict := o.(*Dict)
	i := dict.find(key)
	if _, dup := dict.Duplicate(); !isDict || i < 0 || dup || 2*i+1 >= len(spans) {
		return 0, 0, false, nil
	}
	return d.base + spans[2*i+1].start, d.base + spans[2*i+1].end, true, nil
}

// StartsAt returns where the newest cross-reference section lies, counted from the first byte of
// the file.
func (d *Document) StartsAt() int64 { return d.base + d.startxref }

// RawBytes returns n bytes from an offset, counted from the first byte of the file. n is the
// caller's to bound.
func (d *Document) RawBytes(offset int64, n int) ([]byte, error) {
	offset -= d.base
	if offset < 0 || n < 0 || offset > d.size-int64(n) {
		return nil, damaged("bytes %d to %d lie outside of it", offset, offset+int64(n))
	}
	b := make([]byte, n)
	if read, err := d.r.ReadAt(b, offset); read < n {
		return nil, readError(err)
	}
	return b, nil
}
