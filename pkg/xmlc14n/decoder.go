package xmlc14n

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// errBytes is the error of a decoder for bytes that are not valid in the encoding.
var errBytes = errors.New("bytes are not valid in the encoding")

// decoder is a reader that gives the UTF-8 form of its input.
type decoder struct {
	in   io.Reader
	step func(d *decoder, dst []byte, at int) (int, bool)
	page *[256]rune
	high int // index of the high byte of a unit of UTF-16

	raw  []byte
	used int // raw[:used] is decoded
	err  error
}

// newDecoder returns a reader of the UTF-8 form of in. UTF-8 itself is not copied: the tokenizer
// checks it.
func newDecoder(e Encoding, in io.Reader) io.Reader {
	switch e {
	case UTF8:
		return in
	case UTF16LE:
		return &decoder{in: in, step: (*decoder).wideRune, high: 1}
	case UTF16BE:
		return &decoder{in: in, step: (*decoder).wideRune, high: 0}
	}
	return &decoder{in: in, step: (*decoder).byteRune, page: pages[e]}
}

// Read fills dst, which must have room for at least one character, with UTF-8.
func (d *decoder) Read(dst []byte) (int, error) {
	n := 0
	for n+utf8.UTFMax <= len(dst) {
		size, ok := d.step(d, dst, n)
		if ok {
			n += size
			continue
		}
		if d.err != nil {
			break
		}
		d.fill()
	}
	if n == 0 && d.err != nil {
		return 0, d.err
	}
	return n, nil
}

// fill reads more raw bytes. It keeps those that are not decoded yet.
func (d *decoder) fill() {
	if d.raw == nil {
		d.raw = make([]byte, 0, windowBytes/4)
	}
	rest := copy(d.raw, d.raw[d.used:])
	d.used = 0
	n, err := io.ReadAtLeast(d.in, d.raw[rest:cap(d.raw)], 1)
	d.raw = d.raw[:rest+n]
	if n > 0 {
		return
	}
	d.err = err
	if errors.Is(err, io.EOF) && rest > 0 {
		d.err = errBytes // half of a character
	}
}

// byteRune decodes a character of one byte to dst[at:].
func (d *decoder) byteRune(dst []byte, at int) (int, bool) {
	if d.used == len(d.raw) {
		return 0, false
	}
	c := d.raw[d.used]
	if c < utf8.RuneSelf {
		dst[at] = c
		d.used++
		return 1, true
	}
	r := d.page[c]
	if r < 0 {
		d.err = errBytes
		return 0, false
	}
	d.used++
	return utf8.EncodeRune(dst[at:], r), true
}

// wideRune decodes a character of UTF-16 to dst[at:]. It refuses a surrogate without its partner.
func (d *decoder) wideRune(dst []byte, at int) (int, bool) {
	rest := d.raw[d.used:]
	if len(rest) < 2 {
		return 0, false
	}
	r := rune(rest[d.high])<<8 | rune(rest[1-d.high])
	size := 2
	if utf16.IsSurrogate(r) {
		if len(rest) < 4 {
			return 0, false
		}
		r = utf16.DecodeRune(r, rune(rest[2+d.high])<<8|rune(rest[3-d.high]))
		size = 4
		if r == utf8.RuneError {
			d.err = errBytes
			return 0, false
		}
	}
	d.used += size
	return utf8.EncodeRune(dst[at:], r), true
}

// originalBytes returns how many bytes of the original the UTF-8 text takes in the encoding.
func (e Encoding) originalBytes(text []byte) int64 {
	switch e {
	case UTF8, ASCII:
		return int64(len(text))
	case UTF16LE, UTF16BE:
		units := utf8.RuneCount(text)
		for _, c := range text {
			if c >= 0xF0 { // first byte of a character beyond 16 bits
				units++
			}
		}
		return 2 * int64(units)
	}
	return int64(utf8.RuneCount(text))
}

// appendRune encodes a character, or a reference to it if the encoding does not have it.
func (e Encoding) appendRune(dst []byte, r rune) []byte {
	switch {
	case e == UTF16LE || e == UTF16BE:
		for _, unit := range utf16.AppendRune(nil, r) {
			first, second := byte(unit), byte(unit>>8)
			if e == UTF16BE {
				first, second = second, first
			}
			dst = append(dst, first, second)
		}
		return dst
	case r < utf8.RuneSelf:
		return append(dst, byte(r))
	}
	if i := slices.Index(pages[e][utf8.RuneSelf:], r); i >= 0 {
		return append(dst, byte(utf8.RuneSelf+i))
	}
	dst = append(dst, "&#x"...)
	dst = strconv.AppendInt(dst, int64(r), 16)
	return append(dst, ';')
}

// unit returns how many bytes an ASCII character takes.
func (e Encoding) unit() int64 {
	if e == UTF16LE || e == UTF16BE {
		return 2
	}
	return 1
}
