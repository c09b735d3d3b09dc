package pdf

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// CheckFile refuses a file that other readers repair before they show it, because what they rebuild
// may differ from what Document reads. It looks at the bytes before the header, at the first number
// of each cross-reference table, and at what follows the end of each revision. It reads objects
// only where bytes stand before the header. Errors are KindDamaged, KindUnsupported,
// KindTooComplex.
func (d *Document) CheckFile(ctx context.Context) error {
	if err := d.checkHeader(ctx); err != nil {
		return err
	}
	for _, s := range d.sections {
		if s.fromOne {
			return damaged("its cross-reference table at byte %d starts at object 1 instead of object 0", d.base+s.start)
		}
	}
	return d.checkTails()
}

// checkHeader allows bytes before the header only where every offset counts from the first byte of
// the file, as a ByteRange does. Where offsets count from the header, readers disagree about where
// a ByteRange begins.
func (d *Document) checkHeader(ctx context.Context) error {
	if d.junk == 0 {
		return nil
	}
	if d.base > 0 {
		return signing.Errorf(
			signing.KindUnsupported,
			"PDF has %d bytes before its header, with which it cannot be signed",
			d.junk,
		)
	}
	for _, s := range d.sections {
		for part := s; part != nil; part = part.hidden {
			if part.start != part.offset {
				return d.misplaced("no cross-reference section lies at byte %d", part.offset)
			}
			if err := d.checkOffsets(ctx, part); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Document) misplaced(format string, args ...any) error {
	return damaged("it has %d bytes before its header, and %s", d.junk, fmt.Sprintf(format, args...))
}

// checkOffsets wants each object that a section lists at the very byte that the section states.
func (d *Document) checkOffsets(ctx context.Context, s *section) error {
	return d.eachEntry(ctx, s, func(number int, e entry) error {
		if e.kind != entryPlain {
			return nil
		}
		var b [32]byte
		n, err := d.r.ReadAt(b[:], e.offset)
		if err != nil && err != io.EOF {
			return readError(err)
		}
		if !bytes.HasPrefix(b[:n], fmt.Appendf(nil, "%d %d obj", number, e.generation)) {
			return d.misplaced("object %d does not lie at byte %d", number, e.offset)
		}
		return nil
	})
}

// entriesBetweenAsks is after how many entries eachEntry asks whether to go on: some milliseconds
// of work.
const entriesBetweenAsks = 4096

// eachEntry visits all entries of one section, without those of its hidden one.
func (d *Document) eachEntry(ctx context.Context, s *section, visit func(number int, e entry) error) error {
	for _, run := range s.runs {
		for i := range run.count {
			if i%entriesBetweenAsks == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			e, _, err := d.lookupIn(s, run.first+i)
			if err != nil {
				return err
			}
			if err := visit(run.first+i, e); err != nil {
				return err
			}
		}
	}
	return nil
}
