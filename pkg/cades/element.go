package cades

import (
	"io"
	"math"
)

// Tags of the elements of a SignedData (X.690 8.1.2).
const (
	tagInteger           = 0x02
	tagOctets            = 0x04
	tagOID               = 0x06
	tagSequence          = 0x30
	tagSet               = 0x31
	tagConstructedOctets = 0x24
	tagExplicit0         = 0xa0
	tagExplicit1         = 0xa1
)

const (
	// maxSmall bounds the elements before the content, in bytes: an object identifier, the version,
	// and the algorithms, of which a file has a few.
	maxSmall = 16 << 10
	// maxRest bounds everything after the content, in bytes. Revocation lists may have some megabytes.
	maxRest = 30 << 20
	// maxDepth bounds the nesting of elements of unknown length and of pieces of a content.
	maxDepth = 32
)

// header is the header of an element.
type header struct {
	raw     []byte
	tag     byte
	length  int64 // -1 = indefinite
	minimal bool  // as DER requires
	at      int64 // position of the header
}

// span is an element that is being read.
type span struct {
	end   int64 // position after the element; -1 = it ends with two zero bytes
	limit int64 // no element inside may end after this position
	at    int64 // position of its header
}

// elements reads the elements of a source.
type elements struct{ *source }

// whole is the span around everything.
func (e elements) whole() span { return span{end: -1, limit: e.limit()} }

// header reads the header of an element inside around. It checks that the element ends there.
func (e elements) header(around span) (header, error) {
	h := header{at: e.at, minimal: true}
	next := func() (byte, error) {
		b, err := e.readByte()
		h.raw = append(h.raw, b)
		return b, err
	}
	var err error
	if h.tag, err = next(); err != nil {
		return h, err
	}
	if h.tag&0x1f == 0x1f {
		return h, damaged("an element has a long tag")
	}
	first, err := next()
	if err != nil {
		return h, err
	}
	switch {
	case first == 0x80:
		h.length, h.minimal = -1, false
		if h.tag&0x20 == 0 {
			return h, damaged("an element of unknown length is not constructed")
		}
	case first < 0x80:
		h.length = int64(first)
	default:
		for i := range int(first & 0x7f) {
			b, err := next()
			if err != nil {
				return h, err
			}
			if h.length > math.MaxInt64>>8 || i >= 9 {
				return h, damaged("an element has a length that is not possible")
			}
			h.minimal = h.minimal && (i > 0 || b != 0)
			h.length = h.length<<8 | int64(b)
		}
		h.minimal = h.minimal && h.length >= 0x80
	}
	return h, e.fits(around, h)
}

func (e elements) fits(around span, h header) error {
	switch {
	case e.at > around.limit, h.length > around.limit-e.at:
		if around.limit == e.limit() {
			return cutOff()
		}
		return damaged("an element is longer than the element around it")
	}
	return nil
}

// enter reads the header of an element with the tag and returns its span.
func (e elements) enter(around span, tag byte) (span, header, error) {
	h, err := e.header(around)
	if err != nil {
		return span{}, h, err
	}
	if h.tag != tag {
		return span{}, h, damaged("an element has the tag 0x%02X, want 0x%02X", h.tag, tag)
	}
	return e.inside(around, h), h, nil
}

// inside returns the span of an element whose header was read.
func (e elements) inside(around span, h header) span {
	if h.length < 0 {
		return span{end: -1, limit: around.limit, at: h.at}
	}
	return span{end: e.at + h.length, limit: e.at + h.length, at: h.at}
}

// more reports whether a further element follows inside an element.
func (e elements) more(in span) (bool, error) {
	if in.end >= 0 {
		return e.at < in.end, nil
	}
	next, err := e.r.Peek(2)
	if err != nil {
		return false, e.fault(err)
	}
	return next[0] != 0 || next[1] != 0, nil
}

// leave reads the end of an element.
func (e elements) leave(in span) error {
	if in.end >= 0 {
		if e.at != in.end {
			return damaged("an element has bytes that do not belong there")
		}
		return nil
	}
	if more, err := e.more(in); err != nil || more {
		if err == nil {
			err = damaged("an element has bytes that do not belong there")
		}
		return err
	}
	_, err := e.append(nil, 2)
	return err
}

// element appends one whole element inside around to out, which may grow up to limit bytes.
func (e elements) element(out []byte, around span, limit, depth int) ([]byte, error) {
	h, err := e.header(around)
	if err != nil {
		return nil, err
	}
	out = append(out, h.raw...)
	if depth > maxDepth {
		return nil, tooLarge("its elements are nested too deep")
	}
	if int64(len(out)) > int64(limit) || h.length > int64(limit-len(out)) {
		return nil, tooLarge("an element has more than %d bytes", limit)
	}
	if h.length >= 0 {
		return e.append(out, h.length)
	}
	in := e.inside(around, h)
	for {
		more, err := e.more(in)
		if err != nil {
			return nil, err
		}
		if !more {
			return e.append(out, 2)
		}
		if out, err = e.element(out, in, limit, depth+1); err != nil {
			return nil, err
		}
	}
}

// octets gives the content of an OCTET STRING to w and returns its size. The header was read. The
// string may be in pieces (X.690 8.7.3).
func (e elements) octets(w io.Writer, around span, h header, depth int) (size int64, err error) {
	switch {
	case h.tag == tagOctets:
		return h.length, e.copy(w, h.length)
	case h.tag != tagConstructedOctets:
		return 0, damaged("a piece of the content has the tag 0x%02X", h.tag)
	case depth > maxDepth:
		return 0, tooLarge("the pieces of its content are nested too deep")
	}
	in := e.inside(around, h)
	for {
		more, err := e.more(in)
		if err != nil {
			return 0, err
		}
		if !more {
			return size, e.leave(in)
		}
		piece, err := e.header(in)
		if err != nil {
			return 0, err
		}
		n, err := e.octets(w, in, piece, depth+1)
		if err != nil {
			return 0, err
		}
		size += n
	}
}
