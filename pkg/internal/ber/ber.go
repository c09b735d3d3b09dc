// Package ber reads BER (X.690 8) and puts it into DER form.
package ber

import (
	"bytes"
	"errors"
)

const (
	// maxSize bounds what is parsed, in bytes: signatures that carry revocation lists are a few
	// megabytes.
	maxSize = 32 << 20
	// maxDepth bounds nesting. A SignedData with a timestamp token that carries certificates stays
	// below 30.
	maxDepth = 64
)

// Err is the error for bytes that are not a BER element, or pass a bound.
var Err = errors.New("not a BER element")

// ToDER returns the first element of in, in DER lengths and with its octet strings joined, and the
// bytes that it took of in. was is true when the element was in that form already; then it is a
// part of in. Values are not looked into otherwise: the order of sets, booleans and so on stay as
// they are.
func ToDER(in []byte) (der []byte, size int, was bool, err error) {
	if len(in) > maxSize {
		in = in[:maxSize]
	}
	e, err := ReadElement(in)
	if err != nil {
		return nil, 0, false, err
	}
	size, was, err = scan(in, 0)
	if err != nil {
		return nil, 0, false, err
	}
	if was {
		return in[:size], size, true, nil
	}
	out, _, err := appendDER(make([]byte, 0, size), in[:size], e, 0)
	return out, size, false, err
}

// Element is a header read from BER: tag octets, length of the header, and length of the content,
// -1 where it is indefinite.
type Element struct {
	Tag     []byte
	Header  int
	Content int
	minimal bool // the length is in the one form that DER knows
}

// Constructed reports whether the content is a list of elements.
func (e Element) Constructed() bool { return e.Tag[0]&0x20 != 0 }

// octets reports an OCTET STRING in pieces.
func (e Element) octets() bool { return len(e.Tag) == 1 && e.Tag[0] == 0x24 }

// ReadElement reads the header at the start of in and checks that a definite content is all there.
func ReadElement(in []byte) (Element, error) {
	if len(in) < 2 {
		return Element{}, Err
	}
	tag := 1
	if in[0]&0x1f == 0x1f { // high tag number form: no structure of ours has a number above 2^28
		for {
			if tag >= len(in) || tag > 4 {
				return Element{}, Err
			}
			tag++
			if in[tag-1]&0x80 == 0 {
				break
			}
		}
	}
	if tag >= len(in) {
		return Element{}, Err
	}
	e := Element{Tag: in[:tag], Header: tag + 1, minimal: true}
	first := in[tag]
	switch {
	case first == 0x80:
		e.Content, e.minimal = -1, false
		if !e.Constructed() {
			return Element{}, Err
		}
		return e, nil
	case first < 0x80:
		e.Content = int(first)
	default:
		if err := e.readLongLength(in[tag+1:], int(first&0x7f)); err != nil {
			return Element{}, err
		}
	}
	if e.Content > len(in)-e.Header {
		return Element{}, Err
	}
	return e, nil
}

func (e *Element) readLongLength(in []byte, n int) error {
	if n > 8 || n > len(in) {
		return Err
	}
	for _, b := range in[:n] {
		e.Content = e.Content<<8 | int(b)
		if e.Content > maxSize {
			return Err
		}
	}
	e.minimal = in[0] != 0 && e.Content >= 0x80
	e.Header += n
	return nil
}

// endOfContents reports the two zero octets that end an indefinite length.
func endOfContents(in []byte) bool { return len(in) >= 2 && in[0] == 0 && in[1] == 0 }

// scan walks over the element at the start of in and returns its size and whether it is in DER
// form.
func scan(in []byte, depth int) (size int, der bool, err error) {
	e, err := ReadElement(in)
	if err != nil || depth > maxDepth {
		return 0, false, Err
	}
	if !e.Constructed() {
		return e.Header + e.Content, e.minimal, nil
	}
	der = e.minimal && !e.octets()
	content, size := in[e.Header:], e.Header
	if e.Content >= 0 {
		content = content[:e.Content]
	}
	for {
		if e.Content >= 0 && len(content) == 0 {
			return size, der, nil
		}
		if e.Content < 0 && endOfContents(content) {
			return size + 2, der, nil
		}
		n, d, err := scan(content, depth+1)
		if err != nil {
			return 0, false, err
		}
		content, size, der = content[n:], size+n, der && d
	}
}

// appendDER appends the element e at the start of in, which scan has accepted, in DER form, and
// returns its size in in.
func appendDER(out, in []byte, e Element, depth int) ([]byte, int, error) {
	if !e.Constructed() {
		size := e.Header + e.Content
		return append(AppendHeader(out, e.Tag, e.Content), in[e.Header:size]...), size, nil
	}
	if depth > maxDepth {
		return nil, 0, Err
	}
	var inner []byte
	content, size := in[e.Header:], e.Header
	if e.Content >= 0 {
		content = content[:e.Content]
	}
	for len(content) > 0 {
		if e.Content < 0 && endOfContents(content) {
			size += 2
			break
		}
		child, err := ReadElement(content)
		if err != nil {
			return nil, 0, err
		}
		var n int
		if inner, n, err = appendDER(inner, content, child, depth+1); err != nil {
			return nil, 0, err
		}
		content, size = content[n:], size+n
	}
	if !e.octets() {
		return append(AppendHeader(out, e.Tag, len(inner)), inner...), size, nil
	}
	joined, err := joinOctets(inner)
	if err != nil {
		return nil, 0, err
	}
	return append(AppendHeader(out, []byte{0x04}, len(joined)), joined...), size, nil
}

// joinOctets joins the OCTET STRINGs in der, each already primitive.
func joinOctets(der []byte) ([]byte, error) {
	var joined bytes.Buffer
	for len(der) > 0 {
		e, err := ReadElement(der)
		if err != nil || e.Tag[0] != 0x04 {
			return nil, Err
		}
		joined.Write(der[e.Header : e.Header+e.Content])
		der = der[e.Header+e.Content:]
	}
	return joined.Bytes(), nil
}

// AppendHeader appends tag and length of an element in DER form.
func AppendHeader(out, tag []byte, length int) []byte {
	out = append(out, tag...)
	if length < 0x80 {
		return append(out, byte(length))
	}
	var digits []byte
	for n := length; n > 0; n >>= 8 {
		digits = append([]byte{byte(n)}, digits...)
	}
	return append(append(out, 0x80|byte(len(digits))), digits...)
}
