package pdf

import (
	"bytes"
	"context"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// CheckFile returns an error for a file that other readers repair before they show it, because they
// may then show other content than Document reads. It checks the bytes before the header, the first
// number of each cross-reference table, and the bytes behind the end of each revision. It reads
// objects only if bytes stand before the header. Errors are KindDamaged, KindUnsupported,
// KindTooComplex, KindStorage, and the error of ctx.
func (d *Document) CheckFile(ctx context.Context) error {
	c := fileCheck{d}
	if err := c.header(ctx); err != nil {
		return err
	}
	for _, s := range d.xref.sections {
		if s.fromOne {
			return damaged("its cross-reference table at byte %d starts at object 1 instead of object 0", d.src.base+s.start)
		}
	}
	return c.revisionEnds()
}

// fileCheck does the work of CheckFile. It changes no state of the document.
type fileCheck struct{ d *Document }

// header allows bytes before the header only if every offset counts from the first byte of the
// file, as a ByteRange does. If offsets count from the header, readers disagree about where a
// ByteRange starts.
func (c fileCheck) header(ctx context.Context) error {
	if c.d.header.offset == 0 {
		return nil
	}
	if c.d.src.base > 0 {
		const refusal = "PDF has %d bytes before its header, so it cannot be signed"
		return signing.Errorf(signing.KindUnsupported, refusal, c.d.header.offset)
	}
	for _, s := range c.d.xref.sections {
		for part := s; part != nil; part = part.hidden {
			if part.start != part.offset {
				return c.misplaced("there is no cross-reference section at byte %d", part.offset)
			}
			if err := c.offsets(ctx, part); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c fileCheck) misplaced(format string, args ...any) error {
	return damaged("it has %d bytes before its header, and %s", c.d.header.offset, fmt.Sprintf(format, args...))
}

// offsets checks that each object that a section lists starts exactly at the byte that the section
// states.
func (c fileCheck) offsets(ctx context.Context, s *section) error {
	return c.d.xref.each(ctx, s, func(number int, e entry) error {
		if e.kind != entryPlain {
			return nil
		}
		var b [32]byte
		n, err := c.d.src.read(b[:], e.offset)
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(b[:n], fmt.Appendf(nil, "%d %d obj", number, e.generation)) {
			return c.misplaced("object %d is not at byte %d", number, e.offset)
		}
		return nil
	})
}
