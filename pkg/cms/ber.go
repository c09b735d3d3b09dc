package cms

import (
	"bytes"
	"errors"
)

const (
	// maxSize bounds what is parsed, in bytes: signatures that carry revocation lists are a few megabytes.
	maxSize = 32 << 20
	// maxDepth bounds nesting. A SignedData with a timestamp token that carries certificates stays below 30.
	maxDepth = 64
)

var errBER = errors.New("not a BER element")

// toDER returns the first element of in, in DER lengths and with its octet strings joined, and the bytes that it took of in. was
// is true when the element was in that form already; then it is a part of in. Values are not looked into otherwise: the order of
// sets, booleans and so on stay as they are.
func toDER(in []byte) (der []byte, size int, was bool, err error) {
	if len(in) > maxSize {
		in = in[:maxSize]
	}
	e, err := readElement(in)
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

// element is a header read from BER: tag octets, length of the header, and length of the content, -1 where it is indefinite.
type element struct {
	tag     []byte
	header  int
	content int
	minimal bool // the length is in the one form that DER knows
}

func (e element) constructed() bool { return e.tag[0]&0x20 != 0 }

// octets reports an OCTET STRING in pieces.
func (e element) octets() bool { return len(e.tag) == 1 && e.tag[0] == 0x24 }

// readElement reads the header at the start of in and checks that a definite content is all there.
func readElement(in []byte) (element, error) {
	if len(in) < 2 {
		return element{}, errBER
	}
	tag := 1
	if in[0]&0x1f == 0x1f { // high tag number form: no structure of ours has a number above 2^28
		for {
			if tag >= len(in) || tag > 4 {
				return element{}, errBER
			}
			tag++
			if in[tag-1]&0x80 == 0 {
				break
			}
		}
	}
	if tag >= len(in) {
		return element{}, errBER
	}
	e := element{tag: in[:tag], header: tag + 1, minimal: true}
	first := in[tag]
	switch {
	case first == 0x80:
		e.content, e.minimal = -1, false
		if !e.constructed() {
			return element{}, errBER
		}
		return e, nil
	case first < 0x80:
		e.content = int(first)
	default:
		if err := e.readLongLength(in[tag+1:], int(first&0x7f)); err != nil {
			return element{}, err
		}
	}
	if e.content > len(in)-e.header {
		return element{}, errBER
	}
	return e, nil
}

func (e *element) readLongLength(in []byte, n int) error {
	if n > 8 || n > len(in) {
		return errBER
	}
	for _, b := range in[:n] {
		e.content = e.content<<8 | int(b)
		if e.content > maxSize {
			return errBER
		}
	}
	e.minimal = in[0] != 0 && e.content >= 0x80
	e.header += n
	return nil
}

// endOfContents reports the two zero octets that end an indefinite length.
func endOfContents(in []byte) bool { return len(in) >= 2 && in[0] == 0 && in[1] == 0 }

// scan walks over the element at the start of in and returns its size and whether it is in DER form.
func scan(in []byte, depth int) (size int, der bool, err error) {
	e, err := readElement(in)
	if err != nil || depth > maxDepth {
		return 0, false, errBER
	}
	if !e.constructed() {
		return e.header + e.content, e.minimal, nil
	}
	der = e.minimal && !e.octets()
	content, size := in[e.header:], e.header
	if e.content >= 0 {
		content = content[:e.content]
	}
	for {
		if e.content >= 0 && len(content) == 0 {
			return size, der, nil
		}
		if e.content < 0 && endOfContents(content) {
			return size + 2, der, nil
		}
		n, d, err := scan(content, depth+1)
		if err != nil {
			return 0, false, err
		}
		content, size, der = content[n:], size+n, der && d
	}
}

// appendDER appends the element e at the start of in, which scan has accepted, in DER form, and returns its size in in.
func appendDER(out, in []byte, e element, depth int) ([]byte, int, error) {
	if !e.constructed() {
		size := e.header + e.content
		return append(appendHeader(out, e.tag, e.content), in[e.header:size]...), size, nil
	}
	if depth > maxDepth {
		return nil, 0, errBER
	}
	var inner []byte
	content, size := in[e.header:], e.header
	if e.content >= 0 {
		content = content[:e.content]
	}
	for len(content) > 0 {
		if e.content < 0 && endOfContents(content) {
			size += 2
			break
		}
		child, err := readElement(content)
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
		return append(appendHeader(out, e.tag, len(inner)), inner...), size, nil
	}
	joined, err := joinOctets(inner)
	if err != nil {
		return nil, 0, err
	}
	return append(appendHeader(out, []byte{0x04}, len(joined)), joined...), size, nil
}

// joinOctets joins the OCTET STRINGs in der, each already primitive.
func joinOctets(der []byte) ([]byte, error) {
	var joined bytes.Buffer
	for len(der) > 0 {
		e, err := readElement(der)
		if err != nil || e.tag[0] != 0x04 {
			return nil, errBER
		}
		joined.Write(der[e.header : e.header+e.content])
		der = der[e.header+e.content:]
	}
	return joined.Bytes(), nil
}

func appendHeader(out, tag []byte, length int) []byte {
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
