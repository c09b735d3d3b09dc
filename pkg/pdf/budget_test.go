package pdf

import (
	"fmt"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// large is the text of an array that is too large for the object cache.
var large = "[(" + strings.Repeat("x", maxCachedBytes/4) + ")]"

// TestParsedBudget checks that all parsing counts against one budget: inside and outside object
// streams, of whole and of broken objects.
func TestParsedBudget(t *testing.T) {
	b := newBuilder().catalog()
	b.object(4, large)
	b.object(5, large+"]")
	b.objectStream(9, 6, large)
	b.xrefStream(10, "")
	broken := func(d *Document) error {
		_, err := d.Get(Ref{5, 0})
		if signing.KindOf(err) == signing.KindDamaged {
			return nil
		}
		return err
	}
	get := func(number int) func(d *Document) error {
		return func(d *Document) error {
			_, err := d.Get(Ref{number, 0})
			return err
		}
	}
	for name, read := range map[string]func(d *Document) error{
		"plain": get(4), "broken": broken, "in an object stream": get(6),
		"a length": func(d *Document) error { _, err := d.loader.plainNumber(Ref{4, 0}, b.offsets[4]); return err },
		"the place of a value": func(d *Document) error {
			_, _, _, err := d.ValueSpan(Ref{4, 0}, "A")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, b.Bytes())
			limit := int64(minParsed + parsedPerByte*b.Len())
			for range limit/int64(len(large)) - 5 {
				if err := read(d); err != nil {
					t.Fatalf("within the budget: %v", err)
				}
			}
			var err error
			for range 10 {
				if err == nil {
					err = read(d)
				}
			}
			wantKind(t, err, signing.KindTooComplex, "parsed too often")
			d.Renew()
			if err := read(d); err != nil {
				t.Errorf("with a new budget: %v", err)
			}
		})
	}
}

// TestParsedBudgetOfSmallObjects checks that an object counts for the block that is read for it,
// not only for its few bytes.
func TestParsedBudgetOfSmallObjects(t *testing.T) {
	b := newBuilder().catalog()
	b.table("")
	d := open(t, b.Bytes())
	if _, err := d.Get(Ref{3, 0}); err != nil || d.loader.budget.used < firstChunk {
		t.Errorf("parsed = %d, %v, want at least a block", d.loader.budget.used, err)
	}
	before := d.loader.budget.used
	if _, err := d.Get(Ref{3, 0}); err != nil || d.loader.budget.used != before {
		t.Errorf("an object that is kept counts again: %d, then %d, %v", before, d.loader.budget.used, err)
	}
}

// TestParsedBudgetOfPacked reads a large packed form several times, as signing does: 20,000 objects
// in a few kilobytes.
func TestParsedBudgetOfPacked(t *testing.T) {
	const objects = 20_000
	b := newBuilder().catalog()
	bodies := make([]string, objects)
	for i := range bodies {
		bodies[i] = fmt.Sprintf("<</Type/Annot/Subtype/Widget/FT/Tx/T(field%d)/Rect[%d %d %d %d]>>", i, i%500, i%700,
			i%500+40, i%700+12)
	}
	b.objectStream(10, 11, bodies...).xrefStream(10+1+objects, "")
	d := open(t, b.Bytes())
	for range 3 {
		for n := range objects {
			if o, err := d.Get(Ref{11 + n, 0}); err != nil || o == nil {
				t.Fatalf("object %d of a file of %d bytes: %v, %v", n, d.Size(), o, err)
			}
		}
	}
}
