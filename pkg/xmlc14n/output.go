package xmlc14n

import "io"

const (
	// outputBytes is the size of the output buffer.
	outputBytes = 16 << 10

	// copyBytes is the length below which a part of the window is copied to the output buffer instead
	// of being written by itself.
	copyBytes = 512
)

// BlockWriter is a writer that takes over whole buffers, which saves a copy.
type BlockWriter interface {
	io.Writer
	// WriteBlock writes b, which belongs to the writer from then on. It returns an empty buffer, which
	// belongs to the caller and has the capacity that the writer wishes. It may be b.
	WriteBlock(b []byte) []byte
}

// output collects canonical form. Where it equals the document it is not copied but written from
// the window.
type output struct {
	w    io.Writer
	own  BlockWriter // w, or nil if it does not take buffers over
	err  error
	buf  []byte
	src  *Tokenizer
	from int // src.buf[from:to] is still to be written, after buf
	to   int
}

// attach makes the tokenizer, which is a new one, call flush before its window moves.
func (o *output) attach(t *Tokenizer) {
	o.src = t
	if o.buf == nil {
		o.buf = outputBuffers.get()[:0]
	}
	t.pin(o)
}

// extend writes a part of the window.
func (o *output) extend(from, to int) {
	if o.to == from {
		o.to = to
		return
	}
	o.restart(from, to)
}

// restart writes a part of the window that does not follow the part before.
func (o *output) restart(from, to int) {
	o.flush()
	o.from, o.to = from, to
}

// flush writes the part of the window that is still to be written.
func (o *output) flush() {
	if o.from == o.to {
		return
	}
	b := o.src.buf[o.from:o.to]
	o.from, o.to = 0, 0
	if len(b) >= copyBytes {
		o.drain()
		o.write(b)
		return
	}
	o.append(b)
}

// drain writes the buffer.
func (o *output) drain() {
	if o.own != nil && len(o.buf) > 0 {
		o.buf = o.own.WriteBlock(o.buf)
		return
	}
	o.write(o.buf)
	o.buf = o.buf[:0]
}

// close writes everything, and gives the buffer to the next output.
func (o *output) close() {
	o.flush()
	o.drain()
	outputBuffers.put(o.buf)
	o.buf = nil
}

// append buffers b, which is shorter than the buffer.
func (o *output) append(b []byte) {
	if len(o.buf)+len(b) > cap(o.buf) {
		o.drain()
	}
	o.buf = append(o.buf, b...)
}

func (o *output) write(b []byte) {
	if o.err == nil && len(b) > 0 {
		_, o.err = o.w.Write(b)
	}
}

// insert writes the part of the window up to buf[at], and then b. What follows in the window can be
// added with extend.
func (o *output) insert(at int, b []byte) {
	if o.to != at || o.from == at || at-o.from+len(b) >= copyBytes {
		o.bytes(b)
		return
	}
	part := o.src.buf[o.from:at]
	if len(o.buf)+len(part)+len(b) > cap(o.buf) {
		o.drain()
	}
	o.buf = append(append(o.buf, part...), b...)
	o.from = at
}

// bytes writes b.
func (o *output) bytes(b []byte) {
	o.flush()
	if len(b) >= copyBytes {
		o.drain()
		o.write(b)
		return
	}
	o.append(b)
}

// text writes s.
func (o *output) text(s string) {
	o.flush()
	if len(o.buf)+len(s) > cap(o.buf) {
		o.drain()
	}
	o.buf = append(o.buf, s...)
}

// attribute writes a short attribute, whose value needs no escaping.
func (o *output) attribute(name, value []byte) {
	o.flush()
	if len(o.buf)+len(name)+len(value)+4 > cap(o.buf) {
		o.drain()
	}
	b := append(append(o.buf, ' '), name...)
	b = append(append(b, `="`...), value...)
	o.buf = append(b, '"')
}

// escapes holds the references that replace characters.
type escapes [64]string

// Canonical XML 1.0 section 2.3, text nodes and attribute nodes.
var (
	textEscapes = escapes{'&': "&amp;", '<': "&lt;", '>': "&gt;", '\r': "&#xD;"}
	attrEscapes = escapes{
		'&': "&amp;", '<': "&lt;", '"': "&quot;", '\t': "&#x9;", '\n': "&#xA;", '\r': "&#xD;",
	}
)

// append appends b to dst with characters replaced.
func (e *escapes) append(dst, b []byte) []byte {
	from := 0
	for i, c := range b {
		if int(c) < len(e) && e[c] != "" {
			dst = append(append(dst, b[from:i]...), e[c]...)
			from = i + 1
		}
	}
	return append(dst, b[from:]...)
}

// escape writes b with characters replaced.
func (o *output) escape(b []byte, table *escapes) {
	o.flush()
	for len(b) > 0 {
		part := b[:min(len(b), copyBytes)]
		b = b[len(part):]
		// A reference has at most six characters.
		if len(o.buf)+6*len(part) > cap(o.buf) {
			o.drain()
		}
		o.buf = table.append(o.buf, part)
	}
}
