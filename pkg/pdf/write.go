package pdf

import (
	"bytes"
	"fmt"
	"strconv"
)

// Slot is a place in an update whose content is known only after the update is written. A text
// fills it until then. The bytes are written as they are, never encrypted.
type Slot struct {
	text   []byte
	offset int64
}

// NewSlot returns a slot that contains text at first.
func NewSlot(text []byte) *Slot { return &Slot{text: text, offset: -1} }

// Offset is where the slot starts, counted from the first byte of the file. It is -1 until the slot
// is written.
func (s *Slot) Offset() int64 { return s.offset }

// Len is the slot's length in bytes.
func (s *Slot) Len() int { return len(s.text) }

// slotSlack is room for what usually follows the contents of a signature, the largest slot of a
// section. With it the buffer is copied only once.
const slotSlack = 4 << 10

// writer writes objects in the usual form: on one line, with one blank between tokens that need
// one.
type writer struct {
	buf     bytes.Buffer
	base    int64 // offset of buf[0], counted from the first byte of the file
	encrypt func(string) (string, error)
	depth   int
}

func (w *writer) offset() int64 { return w.base + int64(w.buf.Len()) }

func (w *writer) object(o Object) error {
	switch v := o.(type) {
	case nil:
		w.buf.WriteString("null")
	case bool:
		w.buf.WriteString(strconv.FormatBool(v))
	case Number:
		w.buf.WriteString(string(v))
	case Name:
		w.name(v)
	case String:
		return w.string(v)
	case Ref:
		w.buf.WriteString(v.String())
	case Array:
		return w.array(v)
	case *Dict:
		return w.dict(v)
	case *Slot:
		v.offset = w.offset()
		w.buf.Grow(len(v.text) + slotSlack)
		w.buf.Write(v.text)
	default:
		return fmt.Errorf("write object: a %T cannot be written as a PDF object", o)
	}
	return nil
}

func (w *writer) array(a Array) error {
	if w.depth++; w.depth > maxDepth+8 {
		return tooComplex("objects are nested deeper than %d", maxDepth)
	}
	w.buf.WriteByte('[')
	for i, o := range a {
		if i > 0 {
			w.buf.WriteByte(' ')
		}
		if err := w.object(o); err != nil {
			return err
		}
	}
	w.buf.WriteByte(']')
	w.depth--
	return nil
}

func (w *writer) dict(d *Dict) error {
	if w.depth++; w.depth > maxDepth+8 {
		return tooComplex("objects are nested deeper than %d", maxDepth)
	}
	w.buf.WriteString("<<")
	for k, o := range d.All() {
		w.name(k)
		w.buf.WriteByte(' ')
		encrypt := w.encrypt
		if k == "Contents" && d.Has("ByteRange") { // of a signature: never encrypted (ISO 32000-2 7.6.2)
			w.encrypt = nil
		}
		err := w.object(o)
		if w.encrypt = encrypt; err != nil {
			return err
		}
	}
	w.buf.WriteString(">>")
	w.depth--
	return nil
}

// name escapes # and everything that is not a regular character (ISO 32000-2 7.3.5).
func (w *writer) name(n Name) {
	w.buf.WriteByte('/')
	for i := 0; i < len(n); i++ {
		c := n[i]
		if c <= ' ' || c >= 0x7f || c == '#' || isDelimiter(int(c)) {
			fmt.Fprintf(&w.buf, "#%02X", c)
			continue
		}
		w.buf.WriteByte(c)
	}
}

// string writes a string as it was read if it is not encrypted now, and else in the form that suits
// its bytes.
func (w *writer) string(s String) error {
	v := s.Value
	if w.encrypt != nil {
		var err error
		if v, err = w.encrypt(v); err != nil {
			return err
		}
		fmt.Fprintf(&w.buf, "<%X>", v)
		return nil
	}
	if s.source != "" {
		w.buf.WriteString(s.source)
		return nil
	}
	for i := 0; i < len(v); i++ {
		if v[i] < ' ' || v[i] >= 0x7f {
			fmt.Fprintf(&w.buf, "<%X>", v)
			return nil
		}
	}
	w.buf.WriteByte('(')
	for i := 0; i < len(v); i++ {
		if v[i] == '(' || v[i] == ')' || v[i] == '\\' {
			w.buf.WriteByte('\\')
		}
		w.buf.WriteByte(v[i])
	}
	w.buf.WriteByte(')')
	return nil
}
