package xmlc14n

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// window holds the part of the document, as UTF-8, that the tokenizer looks at.
type window struct {
	in       io.Reader
	encoding Encoding

	buf      []byte // the window is buf[:end]
	pos, end int    // buf[pos:end] is not tokenized yet
	err      error  // the error of in, to be reported after buf[:end]

	base   int64 // offset of buf[0] in the original
	atIdx  int   // a place in buf whose offset is known, so that offsets are counted once
	atOff  int64
	lines  int // line feeds before buf[0]
	pinned []flusher
}

// flusher holds a reference into the window. flush is called before the window moves.
type flusher interface{ flush() }

// maxEmptyReads is how often a reader may return neither bytes nor an error. bufio uses the same.
const maxEmptyReads = 100

// more discards buf[:pos] and reads until the window is full. It returns false if the input has
// ended or failed. A window that is full grows, up to the limit for one tag.
func (w *window) more() (bool, Reason) {
	if w.err != nil {
		return false, ""
	}
	for _, f := range w.pinned {
		f.flush()
	}
	if w.pos > 0 {
		base := w.offset(w.pos)
		w.lines += bytes.Count(w.buf[:w.pos], []byte("\n"))
		w.end = copy(w.buf, w.buf[w.pos:w.end])
		w.pos, w.base, w.atIdx, w.atOff = 0, base, 0, base
	}
	if w.end > maxTagBytes {
		return false, TagTooLong
	}
	switch {
	case w.buf == nil:
		w.buf = windowBuffers.get()
	case w.end >= len(w.buf)/2:
		old := w.buf
		w.buf = append(make([]byte, 0, 2*len(old)), old[:w.end]...)[:2*len(old)]
		windowBuffers.put(old)
	}
	before := w.end
	room := utf8.UTFMax // decoders need room for a whole character
	if w.encoding == UTF8 {
		room = 1 // so that the window ends in the same place, however the bytes arrive
	}
	for empty := 0; w.err == nil && len(w.buf)-w.end >= room; {
		n, err := w.in.Read(w.buf[w.end:])
		w.end += n
		w.err = err
		if empty++; n > 0 {
			empty = 0
		}
		if empty == maxEmptyReads && err == nil {
			w.err = io.ErrNoProgress
		}
	}
	return w.end > before, ""
}

// release gives the window to the next tokenizer. There are no tokens after that.
func (w *window) release() {
	for _, f := range w.pinned {
		f.flush()
	}
	windowBuffers.put(w.buf)
	w.buf, w.pos, w.end = nil, 0, 0
}

// offset returns the offset of buf[i] in the original bytes.
func (w *window) offset(i int) int64 {
	if w.encoding == UTF8 {
		return w.base + int64(i)
	}
	return w.countedOffset(i)
}

// countedOffset counts how many bytes of the original the text in front of buf[i] took.
func (w *window) countedOffset(i int) int64 {
	if i < w.atIdx {
		w.atIdx, w.atOff = 0, w.base
	}
	w.atOff += w.encoding.originalBytes(w.buf[w.atIdx:i])
	w.atIdx = i
	return w.atOff
}

// fault returns the error for a fault at buf[i].
func (w *window) fault(reason Reason, i int) error {
	i = min(i, w.end)
	return &Error{Reason: reason, Offset: w.offset(i), Line: 1 + w.lines + bytes.Count(w.buf[:i], []byte("\n"))}
}

// ended returns the error at the end of the input: reason, unless reading failed.
func (w *window) ended(reason Reason) error {
	if errors.Is(w.err, errBytes) {
		return w.fault(EncodingBytes, w.end)
	}
	if w.err != nil && !errors.Is(w.err, io.EOF) {
		return w.err
	}
	return w.fault(reason, w.end)
}

// pin registers f.
func (w *window) pin(f flusher) { w.pinned = append(w.pinned, f) }
