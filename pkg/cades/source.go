package cades

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"math"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Encoding says how a CMS file is written.
type Encoding string

// The encodings.
const (
	DER    Encoding = "DER"
	BER    Encoding = "BER" // binary, but not DER
	PEM    Encoding = "PEM"
	Base64 Encoding = "base64"
)

const (
	// readBlock is how many bytes of a content are read at once.
	readBlock = 128 << 10
	// structureBlock is how many bytes are read at once to find elements. It is small, so that little
	// is read of a content that is skipped.
	structureBlock = 4 << 10
)

// source reads the bytes of a CMS structure in order. Positions count these bytes from 0.
type source struct {
	ctx    context.Context // of the one call
	file   signing.Sized
	text   Encoding // PEM or Base64; empty = the file is the structure
	r      *bufio.Reader
	at     int64  // position of the next byte
	buffer []byte // for copying
}

// openSource finds out how the file is written.
func openSource(ctx context.Context, file signing.Sized) (*source, error) {
	s := &source{ctx: ctx, file: file}
	start := make([]byte, min(64, file.Size()))
	if n, err := file.ReadAt(start, 0); n < len(start) {
		return nil, readError(ctx, err)
	}
	blanks := 0
	for blanks < len(start) && isBlank(start[blanks]) {
		blanks++
	}
	start = start[blanks:]
	switch {
	case len(start) == 0:
		return nil, notCMS("it is empty")
	case isMail(start):
		return nil, notCMS("it is a mail (S/MIME). Take the .p7m or .p7s file out of it")
	case start[0] == 'M':
		s.text = Base64
	case start[0] == '-':
		s.text = PEM
	case start[0] != 0x30 || blanks > 0:
		return nil, notCMS("it starts with the byte 0x%02X", start[0])
	}
	s.reset()
	return s, nil
}

// isMail says whether a file starts with a header of a mail, as openssl writes it by default.
func isMail(start []byte) bool {
	for _, name := range []string{"MIME-Version:", "Content-Type:"} {
		if len(start) >= len(name) && strings.EqualFold(string(start[:len(name)]), name) {
			return true
		}
	}
	return false
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// reset makes the source read from position s.at, which is 0 for a text.
func (s *source) reset() {
	var r io.Reader = io.NewSectionReader(contextReader{s.ctx, s.file}, s.at, max(0, s.file.Size()-s.at))
	if s.text != "" {
		r = base64.NewDecoder(base64.StdEncoding, &textReader{r: bufio.NewReaderSize(r, readBlock), pem: s.text == PEM})
	}
	if s.r == nil {
		s.r = bufio.NewReaderSize(r, structureBlock)
	} else {
		s.r.Reset(r)
	}
}

// contextReader reads a file until ctx is done.
type contextReader struct {
	ctx context.Context
	r   io.ReaderAt
}

func (c contextReader) ReadAt(p []byte, off int64) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.ReadAt(p, off)
}

// limit returns the first position that is surely after the structure.
func (s *source) limit() int64 {
	if s.text != "" {
		return math.MaxInt64
	}
	return s.file.Size()
}

// fault returns the error for a byte that cannot be read.
func (s *source) fault(err error) error {
	var corrupt base64.CorruptInputError
	if errors.As(err, &corrupt) {
		return damaged("its %s text has a character that is not allowed", s.text)
	}
	return readError(s.ctx, err)
}

func (s *source) readByte() (byte, error) {
	b, err := s.r.ReadByte()
	if err != nil {
		return 0, s.fault(err)
	}
	s.at++
	return b, nil
}

// append appends the next n bytes to out. The caller has bounded n. Memory grows only with the
// bytes that are there.
func (s *source) append(out []byte, n int64) ([]byte, error) {
	for n > 0 {
		start, part := len(out), min(n, readBlock)
		out = append(out, make([]byte, part)...)
		if _, err := io.ReadFull(s.r, out[start:]); err != nil {
			return nil, s.fault(err)
		}
		s.at += part
		n -= part
	}
	return out, nil
}

// ended reports whether there are no more bytes.
func (s *source) ended() (bool, error) {
	_, err := s.r.Peek(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	if err != nil {
		return false, s.fault(err)
	}
	return false, nil
}

// copy gives the next n bytes to w. If w is nil it skips them, without reading them if that is
// possible.
func (s *source) copy(w io.Writer, n int64) error {
	if w == nil && s.text == "" && n > int64(s.r.Buffered()) {
		s.at += n
		s.reset()
		return nil
	}
	if w == nil {
		w = io.Discard
	}
	if s.buffer == nil {
		s.buffer = make([]byte, readBlock)
	}
	for n > 0 {
		part := s.buffer[:min(n, int64(len(s.buffer)))]
		if _, err := io.ReadFull(s.r, part); err != nil {
			return s.fault(err)
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
		n -= int64(len(part))
		s.at += int64(len(part))
	}
	return nil
}

// textReader returns the base64 characters of a text without blanks. In PEM these are between the
// two lines that start with a hyphen (RFC 7468).
type textReader struct {
	r       *bufio.Reader
	pem     bool
	started bool
	ended   bool
}

// maxPEMLine bounds the first line of a PEM file. The known labels are far shorter.
const maxPEMLine = 200

func (t *textReader) Read(p []byte) (n int, err error) {
	if t.pem && !t.started {
		if err := t.skipLine(); err != nil {
			return 0, err
		}
	}
	t.started = true
	for n < len(p) && !t.ended {
		if _, err := t.r.Peek(1); errors.Is(err, io.EOF) && t.pem {
			return n, io.ErrUnexpectedEOF // the last line is missing
		} else if err != nil {
			return n, err
		}
		n += t.take(p[n:])
	}
	if n == 0 && t.ended {
		return 0, io.EOF
	}
	return n, nil
}

// take copies characters that are buffered already, and returns how many.
func (t *textReader) take(p []byte) (n int) {
	text, _ := t.r.Peek(t.r.Buffered()) // no more than there are
	used := 0
	for used < len(text) && n < len(p) && !t.ended {
		b := text[used]
		used++
		switch {
		case t.pem && b == '-':
			t.ended = true
		case !isBlank(b):
			p[n] = b
			n++
		}
	}
	_, _ = t.r.Discard(used) // they are buffered
	return n
}

func (t *textReader) skipLine() error {
	const begin = "-----BEGIN "
	for i := range maxPEMLine {
		b, err := t.r.ReadByte()
		if err != nil {
			return err
		}
		for i == 0 && isBlank(b) {
			if b, err = t.r.ReadByte(); err != nil {
				return err
			}
		}
		if i < len(begin) && b != begin[i] {
			return notCMS("its first line is not that of a PEM file")
		}
		if b == '\n' {
			return nil
		}
	}
	return notCMS("its first line is too long for a PEM file")
}
