package pdf

import (
	"bufio"
	"compress/flate"
	"errors"
	"io"
)

// decoder decrypts and decodes the data of streams. Its only state is the budget of decoded bytes.
type decoder struct {
	src      *source
	resolver resolver // the parameters of a filter may be objects of their own
	crypt    *crypt   // nil if the file is not encrypted
	decoded  int64    // bytes so far
}

// data returns the decoded data of a stream.
func (d *decoder) data(s *Stream) (io.Reader, error) {
	raw, err := d.raw(s)
	if err != nil {
		return nil, err
	}
	return d.decode(s, raw)
}

// raw returns the data of a stream, decrypted but not decoded.
func (d *decoder) raw(s *Stream) (io.Reader, error) {
	if s.isNew {
		return nil, unsupported("a new stream has no data to read")
	}
	var raw io.Reader = d.src.data(s)
	if d.crypt == nil || s.Dict.Get("Type") == Name("XRef") {
		return raw, nil
	}
	method, err := d.cipherOf(s)
	if err != nil || method == cipherNone {
		return raw, err
	}
	return d.crypt.decryptStream(s.Ref, method, raw)
}

// cipherOf returns how the data of a stream is encrypted. A /Crypt filter of the stream takes
// precedence over the filter of the file.
func (d *decoder) cipherOf(s *Stream) (cipherMethod, error) {
	specs, err := d.filters(s.Dict)
	if err != nil {
		return 0, err
	}
	if len(specs) > 0 && specs[0].name == "Crypt" {
		name, err := d.resolver.Name(specs[0].parms.Get("Name"))
		if err != nil {
			return 0, err
		}
		if name == "" || name == "Identity" {
			return cipherNone, nil
		}
		method, ok := d.crypt.filters[name]
		if !ok {
			return 0, damaged("a stream names a missing crypt filter")
		}
		return method, nil
	}
	if t := s.Dict.Get("Type"); t == Name("XRef") || t == Name("Metadata") && !d.crypt.encryptMetadata {
		return cipherNone, nil
	}
	return d.crypt.streams, nil
}

// filterSpec is one filter of a stream with its parameters.
type filterSpec struct {
	name  Name
	parms *Dict
}

// filters lists the filters of a stream in the order of decoding (ISO 32000-2 7.3.8.2).
func (d *decoder) filters(dict *Dict) ([]filterSpec, error) {
	if dict.Has("F") {
		return nil, unsupported("the data of a stream is in another file")
	}
	names, err := d.resolver.oneOrMore(dict.Get("Filter"))
	if err != nil {
		return nil, err
	}
	parms, err := d.resolver.oneOrMore(dict.Get("DecodeParms"))
	if err != nil {
		return nil, err
	}
	if len(names) > maxFilters {
		return nil, tooComplex("a stream has more than %d filters", maxFilters)
	}
	specs := make([]filterSpec, len(names))
	for i := range names {
		if specs[i].name, err = d.resolver.Name(names[i]); err != nil {
			return nil, err
		}
		if i < len(parms) {
			if specs[i].parms, err = d.resolver.Dict(parms[i]); err != nil {
				return nil, err
			}
		}
	}
	return specs, nil
}

// decode puts the filters of s in front of raw. Every stage counts against the budget of the
// document, because a stage may produce more than the last one does.
func (d *decoder) decode(s *Stream, raw io.Reader) (io.Reader, error) {
	specs, err := d.filters(s.Dict)
	if err != nil {
		return nil, err
	}
	r := raw
	for _, spec := range specs {
		if r, err = d.filter(spec, r); err != nil {
			return nil, err
		}
		r = &budgetReader{r: r, used: &d.decoded, limit: maxDecoded}
	}
	return r, nil
}

func (d *decoder) filter(spec filterSpec, r io.Reader) (io.Reader, error) {
	switch spec.name {
	case "FlateDecode", "Fl":
		return d.predicted(&flateReader{src: bufio.NewReader(r)}, spec.parms)
	case "LZWDecode", "LZW":
		early, err := d.resolver.Int(spec.parms.Get("EarlyChange"), 1)
		if err != nil {
			return nil, err
		}
		return d.predicted(newLZWReader(r, early != 0), spec.parms)
	case "ASCIIHexDecode", "AHx":
		return &hexReader{r: bufio.NewReader(r)}, nil
	case "ASCII85Decode", "A85":
		return &ascii85Reader{r: bufio.NewReader(r)}, nil
	case "RunLengthDecode", "RL":
		return &runLengthReader{r: bufio.NewReader(r)}, nil
	case "Crypt": // the data is already decrypted
		return r, nil
	}
	return nil, unsupported("a stream has an unknown filter")
}

// flateReader reads zlib data (RFC 1950). It ignores the checksum, as other readers do.
type flateReader struct {
	src   *bufio.Reader
	plain io.ReadCloser
}

func (f *flateReader) Read(p []byte) (int, error) {
	if f.plain == nil {
		var head [2]byte
		if _, err := io.ReadFull(f.src, head[:]); err != nil {
			return 0, err
		}
		if head[0]&0x0f != 8 || (int(head[0])<<8|int(head[1]))%31 != 0 || head[1]&0x20 != 0 {
			return 0, damaged("compressed data has a wrong header")
		}
		f.plain = flate.NewReader(f.src)
	}
	n, err := f.plain.Read(p)
	var corrupt flate.CorruptInputError
	if errors.As(err, &corrupt) {
		return n, damaged("compressed data is broken").Because(err)
	}
	return n, err
}

// budgetReader returns KindTooComplex when all readers that share used have read more than limit
// bytes.
type budgetReader struct {
	r     io.Reader
	used  *int64
	limit int64
}

func (b *budgetReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if *b.used += int64(n); *b.used > b.limit {
		return n, tooComplex("its streams decode to more than %d bytes", b.limit)
	}
	return n, err
}
