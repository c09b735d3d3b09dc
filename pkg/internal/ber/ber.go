// Package ber reads BER (X.690 8) and converts it to DER form.
package ber

import (
	"bytes"
	"errors"
)

const (
	// maxSize is the largest input that is parsed, in bytes. Signatures that carry revocation lists
	// take a few megabytes.
	maxSize = 32 << 20
	// maxDepth is the deepest nesting that is parsed. A SignedData with a timestamp token that carries
	// certificates stays below 30.
	maxDepth = 64
)

// Err is the error for bytes that are not a BER element or that exceed a bound.
var Err = errors.New("not a BER element")

// ToDER returns the first element of in with DER lengths and with its octet strings joined. size is
// the number of bytes of in that the element takes. was is true when the element was in that form
// already; der is then a slice of in. ToDER changes nothing else: the order of sets, booleans and
// other values stay as they are.
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

// Element is a header read from BER: the tag octets, the length of the header, and the length of
// the content. The length of the content is -1 when it is indefinite.
type Element struct {
	Tag     []byte
	Header  int
	Content int
	minimal bool // the length is encoded in the only form that DER allows
}

// Constructed reports whether the content is a list of elements.
func (e Element) Constructed() bool { return e.Tag[0]&0x20 != 0 }

// octets reports whether the element is an OCTET STRING in pieces.
func (e Element) octets() bool { return len(e.Tag) == 1 && e.Tag[0] == 0x24 }

// ReadElement reads the header at the start of in. It checks that in holds the whole content if the
// length is definite.
func ReadElement(in []byte) (Element, error) {
	if len(in) < 2 {
		return Element{}, Err
	}
	tag := 1
	if in[0]&0x1f == 0x1f { // high tag number form: none of our structures has a number above 2^28
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

// endOfContents reports whether in starts with the two zero octets that end an indefinite length.
func endOfContents(in []byte) bool { return len(in) >= 2 && in[0] == 0 && in[1] == 0 }

// Children returns the elements in the element at the start of in, as they are.
func Children(in []byte) (list [][]byte, err error) {
	e, err := ReadElement(in)
	if err != nil || !e.Constructed() {
		return nil, Err
	}
	content := in[e.Header:]
	if e.Content >= 0 {
		content = content[:e.Content]
	}
	for len(content) > 0 && (e.Content >= 0 || !endOfContents(content)) {
		n, _, err := scan(content, 0)
		if err != nil {
			return nil, err
		}
		list, content = append(list, content[:n]), content[n:]
	}
	if e.Content < 0 && len(content) == 0 {
		return nil, Err // its end is missing
	}
	return list, nil
}

// scan walks over the element at the start of in. It returns the element's size and whether the
// element is in DER form.
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

// appendDER appends the element e, which is at the start of in, to out in DER form. It returns the
// size of the element in in. The caller must have checked in with scan.
func appendDER(out, in []byte, e Element, depth int) ([]byte, int, error) {
	if !e.Constructed() {
		size := e.Header + e.Content
		return append(AppendHeader(out, e.Tag, int64(e.Content)), in[e.Header:size]...), size, nil
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
		return append(AppendHeader(out, e.Tag, int64(len(inner))), inner...), size, nil
	}
	joined, err := joinOctets(inner)
	if err != nil {
		return nil, 0, err
	}
	return append(AppendHeader(out, []byte{0x04}, int64(len(joined))), joined...), size, nil
}

// joinOctets joins the OCTET STRINGs in der. Each of them must be primitive already.
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

// AppendHeader appends the tag and the length of an element in DER form.
func AppendHeader(out, tag []byte, length int64) []byte {
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
