package pdf

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// reachable lists the numbers up to 40 that can be reached from the catalog of d.
func reachable(t *testing.T, r *References, d *Document, cut map[int][]int) string {
	t.Helper()
	if err := r.Advance(context.Background(), d); err != nil {
		t.Fatalf("Advance: %v", err)
	}
	reached := r.Reach(NumbersIn(d.Trailer().Get("Root")), cut)
	var list []int
	for n := range 40 {
		if reached(n) {
			list = append(list, n)
		}
	}
	return fmt.Sprint(list)
}

func TestReferences(t *testing.T) {
	b := newBuilder()
	b.object(1, "<</Type/Catalog/Pages 2 0 R/Metadata 20 0 R/Also[20 0 R]>>")
	// A key that is there twice, a stream whose /Length is an object, a lone reference, and an object
	// stream with neighbours.
	b.object(2, "<</Type/Pages/Count 1/Kids[3 0 R]/MediaBox[0 0 595 842]/A 21 0 R/A 22 0 R>>")
	b.objectStream(8, 3, "<</Type/Page/Parent 2 0 R/Contents 5 0 R>>", "<</Unused 30 0 R>>", "6 0 R")
	b.object(6, "<</Length 7 0 R/Note(31 0 R)>>\nstream\n32 0 R\nendstream").object(7, "6")
	b.xrefStream(9, "")
	file := b.Bytes()
	d := open(t, file)
	var r References
	for want, cut := range map[string]map[int][]int{
		"[1 2 3 5 6 7 8 20 21 22]": {1: {20}}, // one of the two stays
		"[1 2 3 5 6 7 8 21 22]":    {1: {20, 20}},
		"[1 2 20 21 22]":           {2: {3}},
	} {
		if got := reachable(t, &r, d, cut); got != want {
			t.Errorf("reached without %v: %s, want %s", cut, got, want)
		}
	}

	u, err := NewUpdate(d)
	if err != nil {
		t.Fatal(err)
	}
	u.Put(Ref{Number: 6}, Array{Ref{Number: 33}})
	section, err := u.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	newer := open(t, append(file, section...))
	if got, want := reachable(t, &r, newer, nil), "[1 2 3 5 6 8 20 21 22 33]"; got != want {
		t.Errorf("reached in the newer revision: %s, want %s", got, want)
	}
	if got, want := reachable(t, &r, d, nil), "[1 2 3 5 6 7 8 20 21 22]"; got != want {
		t.Errorf("reached in the older revision again: %s, want %s", got, want)
	}
}

// TestReferencesUnread checks that an object that cannot be read refers to everything, if it is
// reachable, because other readers may be able to read it.
func TestReferencesUnread(t *testing.T) {
	for name, tt := range map[string]struct {
		root, broken string
		all          bool
	}{
		"a token":         {"4 0 R", "<</A/" + strings.Repeat("a", maxTokenBytes+1) + "/B 5 0 R>>", true},
		"no object":       {"4 0 R", "endobj 5 0 obj", false}, // null
		"no such bracket": {"4 0 R", "<</A ]]>> )", true},
		"of no use":       {"6 0 R", "<</A/" + strings.Repeat("a", maxTokenBytes+1) + ">>", false},
	} {
		b := newBuilder()
		b.object(1, "<</Type/Catalog/Pages "+tt.root+">>").object(4, tt.broken).table("")
		var r References
		if got := reachable(t, &r, open(t, b.Bytes()), nil); strings.HasSuffix(got, " 39]") != tt.all {
			t.Errorf("%s: reached %s, want all: %v", name, got, tt.all)
		}
	}
	b := newBuilder()
	b.object(1, "<</Type/Catalog/Pages 4 0 R>>")
	b.offsets[4] = 3 // where no object is
	b.table("")
	var r References
	if got := reachable(t, &r, open(t, b.Bytes()), nil); !strings.HasSuffix(got, " 39]") {
		t.Errorf("at a wrong place: reached %s, want all", got)
	}
}

// TestReferencesBounded checks that objects inside each other are not read without end, and that a
// broken object refers to what it names before the damage.
func TestReferencesBounded(t *testing.T) {
	b := newBuilder().catalog()
	b.object(4, "<</A 5 0 R/B )>>").table("")
	var r References
	if err := r.Advance(context.Background(), open(t, b.Bytes())); err != nil || fmt.Sprint(r.of[4]) != "[5]" {
		t.Errorf("Advance = %v, references of a broken object = %v, want [5]", err, r.of[4])
	}

	b = newBuilder().catalog()
	const nested = 3000
	for n := range nested { // each is a string that holds all that follow
		b.offsets[4+n] = int64(b.Len())
		fmt.Fprintf(b, "%d 0 obj(", 4+n)
	}
	b.WriteString(strings.Repeat("x", 200<<10) + strings.Repeat(")", nested) + "endobj\n")
	b.table("")
	r = References{spent: maxScanned - 1<<20}
	err := r.Advance(context.Background(), open(t, b.Bytes()))
	wantKind(t, err, signing.KindTooComplex, "references of all its objects")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Advance(ctx, open(t, b.Bytes())); err != context.Canceled {
		t.Errorf("Advance = %v, want %v", err, context.Canceled)
	}
}
