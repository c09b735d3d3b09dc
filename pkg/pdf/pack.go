package pdf

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"
)

const (
	// packFrom is the size in bytes from which an object is compressed, if that is allowed. Nearly all
	// objects are smaller and stay readable.
	packFrom = 4 << 10
	// copiedSlack is how many bytes an update may repeat of the document's objects, in addition to the
	// size of the document. An object stream of a small file may contain an object of a thousand times
	// the size of the file. Annotations and form fields of real documents are lists of references.
	copiedSlack = 256 << 10
)

// packing is the objects of an update that are in an object stream (ISO 32000-2 7.5.7), with their
// places in it.
type packing struct {
	stream Ref
	places map[Ref]int
}

// pack puts the large objects into an object stream. It does so only if the document has a
// cross-reference stream, because a table cannot list such objects. Signatures stay outside,
// because a slot must keep its bytes. It packs nothing in an encrypted document, because strings in
// an object stream are encrypted in another way.
func (a *appender) pack() (packing, error) {
	var p packing
	if !a.xref.newest().stream || a.crypt != nil {
		return p, nil
	}
	var index, data strings.Builder
	p.places = make(map[Ref]int)
	for _, ref := range a.u.order {
		if ref.Generation != 0 || hasSlot(a.u.objects[ref]) {
			continue
		}
		if _, ok := a.u.objects[ref].(*Stream); ok {
			continue
		}
		var w writer
		if err := w.object(a.u.objects[ref]); err != nil {
			return p, err
		}
		if w.buf.Len() < packFrom {
			continue
		}
		p.places[ref] = len(p.places)
		fmt.Fprintf(&index, "%d %d ", ref.Number, data.Len())
		data.Write(w.buf.Bytes())
		data.WriteByte('\n')
	}
	if len(p.places) == 0 {
		return p, nil
	}
	content, err := deflated(index.String() + data.String())
	if err != nil {
		return p, err
	}
	p.stream = a.u.Add(NewStream(NewDict(
		"Type", Name("ObjStm"),
		"N", Int(int64(len(p.places))),
		"First", Int(int64(index.Len())),
		"Filter", Name("FlateDecode"),
	), content))
	return p, nil
}

// hasSlot reports whether a dictionary contains a slot, as the dictionary of a signature does.
func hasSlot(o Object) bool {
	dict, ok := o.(*Dict)
	if !ok {
		return false
	}
	for _, v := range dict.All() {
		if _, ok := v.(*Slot); ok {
			return true
		}
	}
	return false
}

func deflated(text string) ([]byte, error) {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// checkCopied returns an error if the update repeats much more of the document than the document
// contains.
func (a *appender) checkCopied(copied int64) error {
	if copied > copiedSlack+a.src.size {
		return tooComplex("a signature would have to repeat %d bytes of it", copied)
	}
	return nil
}
