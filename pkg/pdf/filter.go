package pdf

import (
	"bufio"
	"compress/flate"
	"errors"
	"io"
)

// Data returns the decoded data of a stream that this Document read. What is decoded counts against
// a budget for the whole document; filters that only image decoders know end with an error of
// KindUnsupported.
func (d *Document) Data(s *Stream) (io.Reader, error) {
	raw, err := d.RawData(s)
	if err != nil {
		return nil, err
	}
	return d.decode(s, raw)
}

// RawData returns the data of a stream, decrypted but not decoded.
func (d *Document) RawData(s *Stream) (io.Reader, error) {
	if s.isNew {
		return nil, unsupported("a new stream has no data to read")
	}
	var raw io.Reader = io.NewSectionReader(d.r, s.offset, s.length)
	if d.crypt != nil && s.Dict.Get("Type") != Name("XRef") {
		return d.crypt.decryptStream(d, s, raw)
	}
	return raw, nil
}

// filterSpec is one filter of a stream with its parameters.
type filterSpec struct {
	name  Name
	parms *Dict
}

// filters lists the filters of a stream in the order of decoding (ISO 32000-2 7.3.8.2).
func (d *Document) filters(dict *Dict) ([]filterSpec, error) {
	if dict.Has("F") {
		return nil, unsupported("a stream lies in another file")
	}
	names, err := d.oneOrMore(dict.Get("Filter"))
	if err != nil {
		return nil, err
	}
	parms, err := d.oneOrMore(dict.Get("DecodeParms"))
	if err != nil {
		return nil, err
	}
	if len(names) > maxFilters {
		return nil, tooComplex("a stream has more than %d filters", maxFilters)
	}
	specs := make([]filterSpec, len(names))
	for i := range names {
		if specs[i].name, err = d.Name(names[i]); err != nil {
			return nil, err
		}
		if i < len(parms) {
			if specs[i].parms, err = d.Dict(parms[i]); err != nil {
				return nil, err
			}
		}
	}
	return specs, nil
}

// oneOrMore reads an entry that is an array or stands for an array of one.
func (d *Document) oneOrMore(o Object) (Array, error) {
	v, err := d.Get(o)
	if err != nil || v == nil {
		return nil, err
	}
	if a, ok := v.(Array); ok {
		return a, nil
	}
	return Array{v}, nil
}

// decode puts the filters of s before raw. Every stage counts against the document's budget, since
// a stage may be larger than what comes out at the end.
func (d *Document) decode(s *Stream, raw io.Reader) (io.Reader, error) {
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

func (d *Document) filter(spec filterSpec, r io.Reader) (io.Reader, error) {
	switch spec.name {
	case "FlateDecode", "Fl":
		return d.predicted(&flateReader{src: bufio.NewReader(r)}, spec.parms)
	case "LZWDecode", "LZW":
		early, err := d.Int(spec.parms.Get("EarlyChange"), 1)
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
	case "Crypt": // done with decryption
		return r, nil
	}
	return nil, unsupported("a stream has a filter that is not known")
}

// flateReader reads zlib data (RFC 1950) without its checksum, as other readers do.
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

// budgetReader ends with an error when limit bytes have been read through all readers that share
// used.
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
