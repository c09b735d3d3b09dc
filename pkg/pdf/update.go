package pdf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// maxTableOffset is the greatest offset that ten digits of a cross-reference table hold.
const maxTableOffset = 9_999_999_999

// Update is an incremental update in the making (ISO 32000-2 7.5.6): new and changed objects of a
// document.
type Update struct {
	d       *Document
	first   int // first new object number
	next    int // next new object number
	objects map[Ref]Object
	order   []Ref
}

// NewUpdate begins an update of d. New objects get numbers above all that d lists or counts.
func NewUpdate(d *Document) (*Update, error) {
	next := 1
	for _, s := range d.sections {
		size, ok := small(s.trailer.Get("Size"), maxObjects)
		if !ok {
			return nil, damaged("a trailer has no usable /Size")
		}
		next = max(next, size, s.top())
	}
	if next > maxObjects-1024 {
		return nil, tooComplex("it leaves no room for new objects")
	}
	return &Update{d: d, first: next, next: next, objects: map[Ref]Object{}}, nil
}

// Document is the document that is updated.
func (u *Update) Document() *Document { return u.d }

// Reserve returns the reference of a new object, which Put gives its value.
func (u *Update) Reserve() Ref {
	ref := Ref{Number: u.next}
	u.next++
	return ref
}

// Add adds a new object and returns its reference.
func (u *Update) Add(o Object) Ref {
	ref := u.Reserve()
	u.Put(ref, o)
	return ref
}

// Put sets the object that ref stands for: a reserved one, or one of the document, which it then
// replaces. An object of an object stream is replaced by one of its own.
func (u *Update) Put(ref Ref, o Object) {
	if _, ok := u.objects[ref]; !ok {
		u.order = append(u.order, ref)
	}
	u.objects[ref] = o
}

// Get is Document.Get that sees the update's own objects first.
func (u *Update) Get(o Object) (Object, error) {
	for range maxRefChain {
		ref, ok := o.(Ref)
		if !ok {
			return o, nil
		}
		if v, ok := u.objects[ref]; ok {
			o = v
			continue
		}
		return u.d.Get(ref)
	}
	return nil, tooComplex("references are chained more than %d times", maxRefChain)
}

// EditDict returns a copy of the dictionary that ref stands for, which is already Put: what is set
// in it is written. A key that the file gives twice is damage, since readers differ in which one
// they take.
func (u *Update) EditDict(ref Ref) (*Dict, error) {
	v, err := u.Get(ref)
	if err != nil {
		return nil, err
	}
	dict, ok := v.(*Dict)
	if !ok {
		return nil, damaged("object %s is no dictionary", ref)
	}
	if key, dup := dict.Duplicate(); dup {
		return nil, damaged("object %s has the key /%s twice", ref, string(key))
	}
	if _, mine := u.objects[ref]; mine {
		return dict, nil
	}
	dict = dict.Clone()
	u.Put(ref, dict)
	return dict, nil
}

// Bytes writes the section to append. It begins with an end of line where the file does not end
// with one.
func (u *Update) Bytes() ([]byte, error) {
	w := &writer{base: u.d.Size()}
	if err := u.beginLine(w); err != nil {
		return nil, err
	}
	packed, err := u.pack()
	if err != nil {
		return nil, err
	}
	offsets := make(map[Ref]int64, len(u.order))
	copied := int64(0)
	for _, ref := range u.order {
		start := w.offset()
		offsets[ref] = start - u.d.base
		if _, ok := packed.places[ref]; ok {
			continue
		}
		if err := u.writeObject(w, ref); err != nil {
			return nil, err
		}
		if ref.Number < u.first || ref == packed.stream {
			copied += w.offset() - start
		}
	}
	if err := u.mayCopy(copied); err != nil {
		return nil, err
	}
	w.encrypt = nil
	if u.d.sections[0].stream {
		err = u.writeXrefStream(w, offsets, packed)
	} else {
		err = u.writeTable(w, offsets)
	}
	if err != nil {
		return nil, err
	}
	return w.buf.Bytes(), nil
}

func (u *Update) beginLine(w *writer) error {
	var last [1]byte
	if _, err := u.d.r.ReadAt(last[:], u.d.size-1); err != nil && err != io.EOF {
		return readError(err)
	}
	if last[0] != '\n' && last[0] != '\r' {
		w.buf.WriteByte('\n')
	}
	return nil
}

func (u *Update) writeObject(w *writer, ref Ref) error {
	w.encrypt = nil
	if u.d.crypt != nil && ref != u.d.encrypt {
		w.encrypt = func(s string) (string, error) { return u.d.crypt.encryptString(ref, s) }
	}
	fmt.Fprintf(&w.buf, "%d %d obj\n", ref.Number, ref.Generation)
	o := u.objects[ref]
	stm, ok := o.(*Stream)
	if !ok {
		if err := w.object(o); err != nil {
			return err
		}
		w.buf.WriteString("\nendobj\n")
		return nil
	}
	return u.writeStream(w, ref, stm)
}

// writeStream writes a new stream, encrypted where the file is.
func (u *Update) writeStream(w *writer, ref Ref, s *Stream) error {
	if !s.isNew {
		return fmt.Errorf("write object %s: the stream was read, not made", ref)
	}
	data := s.data
	if c := u.d.crypt; c != nil {
		method, err := c.streamMethod(u.d, s)
		if err != nil {
			return err
		}
		sealed, err := c.apply(ref, method, string(data), true)
		if err != nil {
			return err
		}
		data = []byte(sealed)
	}
	dict := s.Dict.Clone()
	dict.Set("Length", Int(int64(len(data))))
	if err := w.dict(dict); err != nil {
		return err
	}
	w.buf.WriteString("\nstream\n")
	w.buf.Write(data)
	w.buf.WriteString("\nendstream\nendobj\n")
	return nil
}

// carried returns the entries of the last trailer that the new one carries on.
func (u *Update) carried() *Dict {
	old := u.d.Trailer()
	t := &Dict{}
	t.Set("Size", Int(int64(u.next)))
	for k, v := range old.All() {
		switch k {
		case "Size", "Prev", "XRefStm":
			continue
		case "Type", "Length", "Filter", "DecodeParms", "W", "Index", "F", "FFilter", "FDecodeParms", "DL":
			if u.d.sections[0].stream { // they describe the old stream itself
				continue
			}
		}
		t.Set(k, v)
	}
	t.Set("Prev", Int(u.d.startxref))
	return t
}

func sortedRefs(offsets map[Ref]int64) []Ref {
	refs := make([]Ref, 0, len(offsets))
	for r := range offsets {
		refs = append(refs, r)
	}
	slices.SortFunc(refs, func(a, b Ref) int { return a.Number - b.Number })
	return refs
}

// runs cuts sorted references into runs of following numbers.
func runs(refs []Ref) [][]Ref {
	var out [][]Ref
	for i, r := range refs {
		if i == 0 || r.Number != refs[i-1].Number+1 {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], r)
	}
	return out
}

// writeTable writes a cross-reference table with trailer (ISO 32000-2 7.5.4). Object 0 is listed
// again as it was, as the standard's own example of an update does it.
func (u *Update) writeTable(w *writer, offsets map[Ref]int64) error {
	start := w.offset() - u.d.base
	zero, err := u.d.lookup(0)
	if err != nil {
		return err
	}
	if zero.kind != entryFree || zero.generation != 65535 || zero.offset > maxObjects {
		zero = entry{generation: 65535}
	}
	fmt.Fprintf(&w.buf, "xref\n0 1\n%010d 65535 f \n", zero.offset)
	for _, run := range runs(sortedRefs(offsets)) {
		fmt.Fprintf(&w.buf, "%d %d\n", run[0].Number, len(run))
		for _, r := range run {
			if offsets[r] > maxTableOffset {
				return signing.Errorf(signing.KindUnsupported, "PDF is too large: its cross-reference table ends at 10 GB")
			}
			fmt.Fprintf(&w.buf, "%010d %05d n \n", offsets[r], r.Generation)
		}
	}
	w.buf.WriteString("trailer\n")
	if err := w.dict(u.carried()); err != nil {
		return err
	}
	fmt.Fprintf(&w.buf, "\nstartxref\n%d\n%%%%EOF\n", start)
	return nil
}

// writeXrefStream writes a cross-reference stream, which lists itself (ISO 32000-2 7.5.8).
func (u *Update) writeXrefStream(w *writer, offsets map[Ref]int64, packed packing) error {
	start := w.offset() - u.d.base
	self := u.Reserve()
	offsets[self] = start
	width := 4
	for start>>(8*width) != 0 {
		width++
	}
	var rows bytes.Buffer
	index := Array{}
	for _, run := range runs(sortedRefs(offsets)) {
		index = append(index, Int(int64(run[0].Number)), Int(int64(len(run))))
		for _, r := range run {
			kind, at, last := byte(1), uint64(offsets[r]), r.Generation
			if place, ok := packed.places[r]; ok {
				kind, at, last = 2, uint64(packed.stream.Number), place
			}
			var b [8]byte
			binary.BigEndian.PutUint64(b[:], at)
			rows.WriteByte(kind)
			rows.Write(b[8-width:])
			rows.Write([]byte{byte(last >> 8), byte(last)})
		}
	}
	dict := u.carried()
	dict.Set("Type", Name("XRef"))
	dict.Set("W", Array{Int(1), Int(int64(width)), Int(2)})
	dict.Set("Index", index)
	dict.Set("Length", Int(int64(rows.Len())))
	fmt.Fprintf(&w.buf, "%d 0 obj\n", self.Number)
	if err := w.dict(dict); err != nil {
		return err
	}
	w.buf.WriteString("\nstream\n")
	w.buf.Write(rows.Bytes())
	fmt.Fprintf(&w.buf, "\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n", start)
	return nil
}
