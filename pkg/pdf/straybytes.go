package pdf

import (
	"bytes"
	"context"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Stray looks for bytes between two offsets that belong to no revision. from is the end of one
// revision; to is the end of another one or of the file. Both count from the first byte of the
// file. Only white space, comments, cross-reference sections and the objects that these sections
// list may be between them. Stray returns the offset of the first other byte, and whether there is
// one. Bytes that cannot be read as one of these also count as stray. Errors are KindTooComplex,
// KindStorage, and the error of ctx.
func (d *Document) Stray(ctx context.Context, from, to int64) (at int64, found bool, err error) {
	w := &strayWalk{d: d, listed: map[int64]Ref{}, sections: map[int64]*section{}}
	w.from, w.to = from-d.src.base, to-d.src.base
	if err := w.claim(ctx); err != nil {
		return 0, false, err
	}
	at, err = w.walk(ctx)
	return d.src.base + at, at < w.to, err
}

// strayWalk reads the bytes of one or more revisions.
type strayWalk struct {
	d        *Document
	listed   map[int64]Ref // objects by their offset
	sections map[int64]*section
	from, to int64
	lex      *lexer
}

// claim collects what the cross-reference sections between the two offsets list there.
func (w *strayWalk) claim(ctx context.Context) error {
	for _, s := range w.d.xref.sections {
		for ; s != nil; s = s.hidden {
			if s.start < w.from || s.start >= w.to {
				continue
			}
			w.sections[s.start] = s
			if err := w.d.xref.each(ctx, s, w.note); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *strayWalk) note(number int, e entry) error {
	if e.kind != entryPlain || e.offset < w.from || e.offset >= w.to {
		return nil
	}
	if len(w.listed) >= maxChanged {
		return tooComplex("more than %d objects were changed", maxChanged)
	}
	w.listed[e.offset] = Ref{Number: number, Generation: e.generation}
	return nil
}

// walk returns the offset of the first byte that belongs to nothing, or w.to if there is no such
// byte.
func (w *strayWalk) walk(ctx context.Context) (int64, error) {
	pos := w.from
	w.lex = w.d.src.lexerAt(pos)
	for pos < w.to {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		w.lex.budget = max(w.lex.budget, maxObjectBytes) // each object has a budget of its own
		from := w.lex.offset()
		harmless := w.lex.skipHarmless()
		pos = w.lex.offset()
		if err := w.lex.fault(); err != nil {
			return 0, err
		}
		if harmless && (w.lex.peek() < 0 || pos >= w.to) {
			return w.to, nil
		}
		if !harmless {
			return pos, nil
		}
		end, err := w.item(from, pos)
		if storageFault(err) != nil {
			return 0, err
		}
		if err != nil || end > w.to {
			return pos, nil
		}
	}
	return w.to, nil
}

var errStray = signing.Errorf(signing.KindDamaged, "it belongs to no revision")

// item skips what starts at offset at, and returns where that ends. from is where the white space
// before it starts, because the offsets of some writers point there.
func (w *strayWalk) item(from, at int64) (int64, error) {
	if s := w.sections[at]; s != nil {
		w.move(s.end)
		if s.stream {
			return w.endStream()
		}
		return s.end, nil
	}
	if !isDigit(w.lex.peek()) {
		ok, err := isStartxref(w.d, w.lex)
		if err == nil && !ok {
			err = errStray
		}
		return w.lex.offset(), err
	}
	p := &parser{lex: w.lex}
	ref, err := p.header()
	if err != nil {
		return 0, err
	}
	if !w.claims(ref, from, at) {
		return 0, errStray
	}
	begin := w.lex.offset()
	end, err := w.content(p, ref)
	if signing.KindOf(err) == signing.KindDamaged {
		return w.broken(begin)
	}
	return end, err
}

// content skips what follows the header of an object.
func (w *strayWalk) content(p *parser, ref Ref) (int64, error) {
	o, word, err := p.top()
	if err != nil || word != "stream" {
		return w.lex.offset(), err
	}
	dict, ok := o.(*Dict)
	if !ok {
		return 0, errStray
	}
	length, err := w.d.loader.streamLength(dict, ref)
	if err != nil {
		return 0, err
	}
	stm, err := w.d.src.streamAt(w.lex, dict, ref, length)
	if err != nil {
		return 0, err
	}
	w.move(stm.offset + stm.length)
	return w.endStream()
}

// broken skips a listed object that cannot be parsed, up to its endobj. The object must not contain
// anything that a reader which repairs the file takes for the start of another object.
func (w *strayWalk) broken(begin int64) (int64, error) {
	w.move(begin)
	var last [8]byte // the newest bytes
	for {
		c := w.lex.take()
		if c < 0 {
			return 0, errStray
		}
		copy(last[:], last[1:])
		last[len(last)-1] = byte(c)
		switch {
		case isRepairWord(last[:]):
			return 0, errStray
		case bytes.HasSuffix(last[:], []byte("endobj")):
			return w.lex.offset(), w.lex.fault()
		}
	}
}

// claims reports whether a section lists the object at an offset between from and at.
func (w *strayWalk) claims(ref Ref, from, at int64) bool {
	for ; at >= from; at-- {
		if found, ok := w.listed[at]; ok && found == ref {
			return true
		}
	}
	return false
}

// move continues to read at another offset.
func (w *strayWalk) move(to int64) {
	w.lex.release()
	w.lex = w.d.src.lexerAt(to)
}

// endStream skips endstream and endobj.
func (w *strayWalk) endStream() (int64, error) {
	for _, want := range []string{"endstream", "endobj"} {
		t, err := w.lex.next()
		if err != nil {
			return 0, err
		}
		if t.value != want {
			return 0, errStray
		}
	}
	return w.lex.offset(), nil
}
