package pdf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// maxTableOffset is the largest offset that fits the ten digits of a cross-reference table.
const maxTableOffset = 9_999_999_999

// appender writes the section of one Update. It reads the document but does not change it.
type appender struct {
	u       *Update
	src     *source
	xref    *xref
	crypt   *crypt // nil if the document is not encrypted
	w       writer
	offsets map[Ref]int64 // of the written objects
	packed  packing
}

// section writes all objects of the update and a cross-reference section of the same form as the
// newest one of the document.
func (a *appender) section() error {
	if err := a.beginLine(); err != nil {
		return err
	}
	var err error
	if a.packed, err = a.pack(); err != nil {
		return err
	}
	a.offsets = make(map[Ref]int64, len(a.u.order))
	copied := int64(0)
	for _, ref := range a.u.order {
		start := a.w.offset()
		a.offsets[ref] = start - a.src.base
		if _, ok := a.packed.places[ref]; ok {
			continue
		}
		if err := a.object(ref); err != nil {
			return err
		}
		if ref.Number < a.u.first || ref == a.packed.stream {
			copied += a.w.offset() - start
		}
	}
	if err := a.checkCopied(copied); err != nil {
		return err
	}
	a.w.encrypt = nil
	if a.xref.newest().stream {
		return a.xrefStream()
	}
	return a.table()
}

func (a *appender) beginLine() error {
	var last [1]byte
	if _, err := a.src.read(last[:], a.src.size-1); err != nil {
		return err
	}
	if last[0] != '\n' && last[0] != '\r' {
		a.w.buf.WriteByte('\n')
	}
	return nil
}

func (a *appender) object(ref Ref) error {
	a.w.encrypt = nil
	if a.crypt.covers(ref) {
		a.w.encrypt = func(s string) (string, error) { return a.crypt.encryptString(ref, s) }
	}
	fmt.Fprintf(&a.w.buf, "%d %d obj\n", ref.Number, ref.Generation)
	o := a.u.objects[ref]
	stm, ok := o.(*Stream)
	if !ok {
		if err := a.w.object(o); err != nil {
			return err
		}
		a.w.buf.WriteString("\nendobj\n")
		return nil
	}
	return a.stream(ref, stm)
}

// stream writes a new stream, and encrypts it if the document is encrypted.
func (a *appender) stream(ref Ref, s *Stream) error {
	if !s.isNew {
		return fmt.Errorf("write object %s: the stream was read, not made", ref)
	}
	data := s.data
	if c := a.crypt; c != nil {
		method, err := a.u.d.loader.decoder.cipherOf(s)
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
	if err := a.w.dict(dict); err != nil {
		return err
	}
	a.w.buf.WriteString("\nstream\n")
	a.w.buf.Write(data)
	a.w.buf.WriteString("\nendstream\nendobj\n")
	return nil
}

// trailer returns the new trailer with the entries of the last trailer that stay valid.
func (a *appender) trailer() *Dict {
	old := a.u.d.Trailer()
	t := &Dict{}
	t.Set("Size", Int(int64(a.u.next)))
	for k, v := range old.All() {
		switch k {
		case "Size", "Prev", "XRefStm":
			continue
		case "Type", "Length", "Filter", "DecodeParms", "W", "Index", "F", "FFilter", "FDecodeParms", "DL":
			if a.xref.newest().stream { // they describe the old stream itself
				continue
			}
		}
		t.Set(k, v)
	}
	t.Set("Prev", Int(a.u.d.end.startxref))
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

// runs splits sorted references into runs of consecutive numbers.
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

// table writes a cross-reference table with its trailer (ISO 32000-2 7.5.4). It lists object 0
// again unchanged, as the example of an update in the standard does.
func (a *appender) table() error {
	start := a.w.offset() - a.src.base
	zero, err := a.xref.lookup(0)
	if err != nil {
		return err
	}
	if zero.kind != entryFree || zero.generation != 65535 || zero.offset > maxObjects {
		zero = entry{generation: 65535}
	}
	fmt.Fprintf(&a.w.buf, "xref\n0 1\n%010d 65535 f \n", zero.offset)
	for _, run := range runs(sortedRefs(a.offsets)) {
		fmt.Fprintf(&a.w.buf, "%d %d\n", run[0].Number, len(run))
		for _, r := range run {
			if a.offsets[r] > maxTableOffset {
				return signing.Errorf(signing.KindUnsupported, "PDF is too large: its cross-reference table ends at 10 GB")
			}
			fmt.Fprintf(&a.w.buf, "%010d %05d n \n", a.offsets[r], r.Generation)
		}
	}
	a.w.buf.WriteString("trailer\n")
	if err := a.w.dict(a.trailer()); err != nil {
		return err
	}
	fmt.Fprintf(&a.w.buf, "\nstartxref\n%d\n%%%%EOF\n", start)
	return nil
}

// xrefStream writes a cross-reference stream, which lists itself (ISO 32000-2 7.5.8).
func (a *appender) xrefStream() error {
	start := a.w.offset() - a.src.base
	self := a.u.Reserve()
	a.offsets[self] = start
	width := 4
	for start>>(8*width) != 0 {
		width++
	}
	var rows bytes.Buffer
	index := Array{}
	for _, run := range runs(sortedRefs(a.offsets)) {
		index = append(index, Int(int64(run[0].Number)), Int(int64(len(run))))
		for _, r := range run {
			kind, at, last := byte(1), uint64(a.offsets[r]), r.Generation
			if place, ok := a.packed.places[r]; ok {
				kind, at, last = 2, uint64(a.packed.stream.Number), place
			}
			var b [8]byte
			binary.BigEndian.PutUint64(b[:], at)
			rows.WriteByte(kind)
			rows.Write(b[8-width:])
			rows.Write([]byte{byte(last >> 8), byte(last)})
		}
	}
	dict := a.trailer()
	dict.Set("Type", Name("XRef"))
	dict.Set("W", Array{Int(1), Int(int64(width)), Int(2)})
	dict.Set("Index", index)
	dict.Set("Length", Int(int64(rows.Len())))
	fmt.Fprintf(&a.w.buf, "%d 0 obj\n", self.Number)
	if err := a.w.dict(dict); err != nil {
		return err
	}
	a.w.buf.WriteString("\nstream\n")
	a.w.buf.Write(rows.Bytes())
	fmt.Fprintf(&a.w.buf, "\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n", start)
	return nil
}
