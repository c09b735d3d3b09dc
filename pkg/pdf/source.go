package pdf

import (
	"bytes"
	"io"
)

// source is the bytes of a PDF file. All offsets in this package, except in exported signatures,
// count from the byte from which the offsets in the file count. source does not change after Open.
type source struct {
	r    io.ReaderAt
	size int64 // bytes in r
	base int64 // bytes of the file before the first byte of r
}

// from returns the source that starts skip bytes later.
func (s *source) from(skip int64) *source {
	return &source{r: io.NewSectionReader(s.r, skip, s.size-skip), size: s.size - skip, base: s.base + skip}
}

// holds reports whether an object can start at offset. Offset 0 belongs to the header.
func (s *source) holds(offset int64) bool { return offset > 0 && offset < s.size }

// read fills b from offset and returns how many bytes it read. Fewer bytes at the end of the data
// are not an error.
func (s *source) read(b []byte, offset int64) (int, error) {
	n, err := s.r.ReadAt(b, offset)
	if err != nil && err != io.EOF {
		return n, readError(err)
	}
	return n, nil
}

// lexerAt returns a lexer that reads from offset, at most as much as one object may take. The
// caller may release the lexer when it is done with it.
func (s *source) lexerAt(offset int64) *lexer {
	l := lexers.Get().(*lexer)
	l.r, l.base, l.budget, l.chunk = io.NewSectionReader(s.r, offset, s.size-offset), offset, maxObjectBytes, firstChunk
	return l
}

// data returns the bytes of a stream as they are in the file.
func (s *source) data(stm *Stream) *io.SectionReader {
	return io.NewSectionReader(s.r, stm.offset, stm.length)
}

// streamAt returns the Stream whose data starts behind the word stream, which lex has just read. It
// checks that the data ends with endstream.
func (s *source) streamAt(lex *lexer, dict *Dict, ref Ref, length int64) (*Stream, error) {
	for lex.peek() == ' ' || lex.peek() == '\t' { // the standard forbids it, some writers do it
		lex.pos++
	}
	switch lex.peek() {
	case '\r':
		lex.pos++
		if lex.peek() == '\n' {
			lex.pos++
		}
	case '\n':
		lex.pos++
	}
	start := lex.offset()
	if length < 0 || length > s.size-start {
		return nil, damaged("the stream of object %d reaches beyond the end", ref.Number)
	}
	behind := io.NewSectionReader(s.r, start+length, min(lengthSlack, s.size-start-length))
	end := newLexer(behind, 0, lengthSlack)
	for isSpace(end.peek()) {
		end.pos++
	}
	for _, c := range []byte("endstream") {
		if end.take() != int(c) {
			if err := end.fault(); err != nil {
				return nil, err
			}
			return nil, damaged("the stream of object %d does not end where its /Length says", ref.Number)
		}
	}
	return &Stream{Dict: dict, Ref: ref, offset: start, length: length}, nil
}

// fileEnd is what the end of a file says: where its newest cross-reference section is.
type fileEnd struct {
	startxref int64 // the offset that stands behind the last startxref
	keyword   int64 // offset of that startxref
	behind    int64 // offset behind its number; 0 if the file has no startxref
}

// findEnd reads the number behind the last startxref. It skips white space and zeros at the end of
// the file, which some transfers add.
func (s *source) findEnd() (fileEnd, error) {
	end, err := s.contentEnd()
	if err != nil {
		return fileEnd{}, err
	}
	tail := make([]byte, min(trailerWindow, end))
	if _, err := s.read(tail, end-int64(len(tail))); err != nil {
		return fileEnd{}, err
	}
	i := bytes.LastIndex(tail, []byte("startxref"))
	if i < 0 {
		return fileEnd{}, damaged("it has no startxref at its end; it may be cut off")
	}
	lex := newLexer(bytes.NewReader(tail[i+len("startxref"):]), 0, trailerWindow)
	t, err := lex.next()
	if err != nil {
		return fileEnd{}, err
	}
	n, ok := Number(t.value).Int()
	if t.kind != tokenNumber || !ok {
		return fileEnd{}, damaged("startxref is not followed by a number")
	}
	keyword := end - int64(len(tail)) + int64(i)
	return fileEnd{startxref: n, keyword: keyword, behind: keyword + int64(len("startxref")) + lex.offset()}, nil
}

// contentEnd returns where the white space and zeros at the end of the file start.
func (s *source) contentEnd() (int64, error) {
	end := s.size
	buf := make([]byte, trailerWindow)
	for end > 0 && s.size-end < maxPadding {
		chunk := buf[:min(int64(len(buf)), end)]
		if _, err := s.read(chunk, end-int64(len(chunk))); err != nil {
			return 0, err
		}
		for n := len(chunk); n > 0; n-- {
			if !isSpace(int(chunk[n-1])) {
				return end, nil
			}
			end--
		}
	}
	return end, nil
}
