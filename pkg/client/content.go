package client

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// Sink takes the signed content of an answer. Begin is called once before the first content of an answer, again when the answer
// has to be read anew: what came before is then void. Create is called for each content in the order of the answer; i counts from 0.
type Sink interface {
	Begin() error
	Create(i int) (io.WriteCloser, error)
}

// maxAnswerText bounds what an answer may hold beside signed content: some 60,000 documents of 1 KB.
const maxAnswerText = 64 << 20

// errNotBase64 is a fault of the answer, which would be the same another time.
var errNotBase64 = permanentError{errors.New("signed content is not base64")}

// contentKey is the field whose value is diverted.
const contentKey = "signedContent"

// splitter reads a JSON text and diverts each value of contentKey: it goes, decoded, to a Sink, and its number from 0 stands in
// its place. So the rest can be given to encoding/json, which would hold all of it.
type splitter struct {
	from  *bufio.Reader
	sink  Sink // nil: contents are skipped
	count int  // contents so far
	text  int  // bytes passed on
	out   []byte

	inString bool
	escaped  bool
	last     []byte // the latest string, while it may be the key
	wasKey   bool   // the latest string was the key, and only blanks came since
	ripe     bool   // ... and then a colon
}

func newSplitter(from io.Reader, sink Sink) *splitter {
	return &splitter{from: bufio.NewReaderSize(from, 64<<10), sink: sink}
}

// Read implements io.Reader.
func (s *splitter) Read(p []byte) (int, error) {
	for len(s.out) < len(p) {
		c, err := s.from.ReadByte()
		if err != nil {
			if len(s.out) > 0 {
				break
			}
			return 0, err
		}
		if s.ripe && c == '"' {
			s.ripe = false
			if err := s.divert(); err != nil {
				return 0, err
			}
			s.out = strconv.AppendInt(append(s.out, '"'), int64(s.count-1), 10)
			s.out = append(s.out, '"')
			continue
		}
		s.note(c)
		s.out = append(s.out, c)
	}
	n := copy(p, s.out)
	s.out = s.out[:copy(s.out, s.out[n:])]
	if s.text += n; s.text > maxAnswerText {
		return 0, permanentError{errors.New("answer is too long")}
	}
	return n, nil
}

// note follows the text just far enough to know when a value of contentKey begins.
func (s *splitter) note(c byte) {
	switch {
	case s.inString && s.escaped:
		s.escaped = false
		s.last = append(s.last[:0], 0) // a key with escapes is none that the proxy writes
	case s.inString && c == '\\':
		s.escaped = true
	case s.inString && c == '"':
		s.inString = false
		s.wasKey = string(s.last) == contentKey
	case s.inString:
		if len(s.last) <= len(contentKey) {
			s.last = append(s.last, c)
		}
	case c == ' ' || c == '\n' || c == '\t' || c == '\r':
	case c == '"':
		s.inString, s.wasKey, s.ripe = true, false, false
		s.last = s.last[:0]
	case c == ':':
		s.ripe, s.wasKey = s.wasKey, false
	default:
		s.wasKey, s.ripe = false, false
	}
}

// divert decodes a string value, up to and with its closing quote, into the sink.
func (s *splitter) divert() (err error) {
	var to io.WriteCloser = discard{}
	if s.sink != nil {
		if to, err = s.sink.Create(s.count); err != nil {
			return permanentError{err}
		}
	}
	s.count++
	d := decoder{to: to}
	err = s.copyString(&d)
	if err == nil {
		err = d.end()
	}
	if cerr := to.Close(); err == nil && cerr != nil {
		err = permanentError{cerr}
	}
	return err
}

func (s *splitter) copyString(d *decoder) error {
	for {
		if _, err := s.from.Peek(1); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		run, _ := s.from.Peek(s.from.Buffered())
		stop := bytes.IndexAny(run, `"\\`)
		if stop < 0 {
			stop = len(run)
		}
		if err := d.add(run[:stop]); err != nil {
			return err
		}
		if _, err := s.from.Discard(stop); err != nil {
			return err
		}
		if stop == len(run) {
			continue
		}
		if c, _ := s.from.ReadByte(); c == '"' {
			return nil
		}
		c, err := s.unescape()
		if err != nil {
			return err
		}
		if err := d.add([]byte{c}); err != nil {
			return err
		}
	}
}

// unescape reads what follows a backslash. Base64 has letters of ASCII only; anything else is a fault of the answer.
func (s *splitter) unescape() (byte, error) {
	c, err := s.from.ReadByte()
	if err != nil {
		return 0, fmt.Errorf("read signed content: %w", io.ErrUnexpectedEOF)
	}
	if c == '/' {
		return c, nil
	}
	if c != 'u' {
		return 0, errNotBase64
	}
	var hex [4]byte
	if _, err := io.ReadFull(s.from, hex[:]); err != nil {
		return 0, fmt.Errorf("read signed content: %w", io.ErrUnexpectedEOF)
	}
	v, err := strconv.ParseUint(string(hex[:]), 16, 16)
	if err != nil || v >= utf8.RuneSelf {
		return 0, errNotBase64
	}
	return byte(v), nil
}

// decoder turns base64, piece by piece, into what it stands for.
type decoder struct {
	to    io.Writer
	in    [32 << 10]byte // a multiple of four
	n     int
	raw   [24 << 10]byte
	ended bool // padding was seen: nothing may follow
}

func (d *decoder) add(text []byte) error {
	for len(text) > 0 {
		n := copy(d.in[d.n:], text)
		text = text[n:]
		if d.n += n; d.n == len(d.in) {
			if err := d.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *decoder) flush() error {
	if d.n == 0 {
		return nil
	}
	n, err := base64.StdEncoding.Strict().Decode(d.raw[:], d.in[:d.n])
	if err != nil || d.ended {
		return errNotBase64
	}
	d.ended = n < d.n/4*3
	d.n = 0
	if _, err := d.to.Write(d.raw[:n]); err != nil {
		return permanentError{fmt.Errorf("write signed content: %w", err)}
	}
	return nil
}

func (d *decoder) end() error { return d.flush() }

// discard is a sink's place where nobody wants the content.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }
