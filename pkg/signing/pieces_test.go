package signing_test

import (
	"bytes"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing/formattest"
)

const huge = math.MaxInt64

// TestPiecesRefused: Check refuses every kind of list that breaks a rule, also with numbers that
// overflow when they are added.
func TestPiecesRefused(t *testing.T) {
	const n, s = 1000, 100 // bytes of original and section
	original := func(from, to int64) signing.Piece { return signing.Piece{From: from, To: to} }
	section := func(from, to int64) signing.Piece { return signing.Piece{New: true, From: from, To: to} }
	for _, c := range []struct {
		name   string
		pieces signing.Pieces
		want   string
	}{
		{"nothing", nil, "0 pieces"},
		{"too many", append(manyPieces(5), section(50, s)), "6 pieces"},
		{
			"original missing at the end", signing.Pieces{original(0, n-1), section(0, s)},
			"999 of 1000 bytes of the original",
		},
		{
			"original missing at first", signing.Pieces{original(1, n), section(0, s)},
			"does not start at byte 0",
		},
		{
			"original twice", signing.Pieces{original(0, n), section(0, s), original(0, n)},
			"does not start at byte 1000",
		},
		{
			"original overlaps", signing.Pieces{original(0, 9), section(0, s), original(8, n)},
			"does not start at byte 9",
		},
		{
			"original out of order", signing.Pieces{original(9, n), section(0, s), original(0, 9)},
			"does not start at byte 0",
		},
		{
			"too much omitted", signing.Pieces{original(0, 9), section(0, s), original(266, n)},
			"does not start at byte 9",
		},
		{
			"omitted twice", signing.Pieces{original(0, 9), section(0, s), original(10, 20), original(21, n)},
			"omitted at two places",
		},
		{
			"head omitted alone", signing.Pieces{section(0, 9), original(1, n), section(9, s)},
			"does not start at byte 0",
		},
		{
			"tail omitted alone", signing.Pieces{section(0, 9), original(0, n-1), section(9, s)},
			"999 of 1000 bytes of the original",
		},
		{
			"middle without new bytes before it", signing.Pieces{original(1, n-1), section(0, s)},
			"does not start at byte 0",
		},
		{
			"section missing around the middle", signing.Pieces{section(0, 9), original(1, n-1), section(10, s)},
			"does not start at byte 9",
		},
		{"section missing at the end", signing.Pieces{original(0, n), section(0, s-1)}, "99 of 100 new bytes"},
		{
			"section missing at first", signing.Pieces{original(0, n), section(1, s)},
			"does not start at byte 0",
		},
		{
			"section with a gap", signing.Pieces{section(0, 9), original(0, n), section(10, s)},
			"does not start at byte 9",
		},
		{
			"section twice", signing.Pieces{section(0, s), original(0, n), section(0, s)},
			"does not start at byte 100",
		},
		{"no section", signing.Pieces{original(0, n)}, "0 of 100 new bytes"},
		{"original out of range", signing.Pieces{original(0, n+1), section(0, s)}, "out of range"},
		{"section out of range", signing.Pieces{original(0, n), section(0, s+1)}, "out of range"},
		{"negative start", signing.Pieces{original(-1, n), section(0, s)}, "out of range"},
		{"end before start", signing.Pieces{original(0, n), section(s, 0)}, "out of range"},
		{"empty piece", signing.Pieces{original(0, 0), original(0, n), section(0, s)}, "is empty"},
		{"largest end", signing.Pieces{original(0, huge), section(0, s)}, "out of range"},
		{"smallest start", signing.Pieces{original(math.MinInt64, n), section(0, s)}, "out of range"},
		{"overflowing length", signing.Pieces{original(math.MinInt64, huge), section(0, s)}, "out of range"},
	} {
		if err := c.pieces.Check(n, s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Check(%v) = %v, want an error with %q", c.name, c.pieces, err, c.want)
		}
	}
	for _, sizes := range [][2]int64{{-1, 1}, {1, -1}, {huge, 1}, {math.MinInt64, huge}} {
		whole := signing.Pieces{original(0, max(sizes[0], 1)), section(0, max(sizes[1], 1))}
		if err := whole.Check(sizes[0], sizes[1]); err == nil {
			t.Errorf("Check with the sizes %d = nil, want an error", sizes)
		}
	}
	middle := signing.Pieces{section(0, 9), original(128<<10, 33<<20), section(9, s)}
	if err := middle.Check(65<<20, s); err != nil {
		t.Errorf("Check of the middle of a file = %v", err)
	}
	if err := middle.Check(65<<20+1, s); err == nil {
		t.Error("Check with too long a tail = nil, want an error")
	}
	middle[1].From++
	if err := middle.Check(65<<20, s); err == nil {
		t.Error("Check with too long a head = nil, want an error")
	}
	if err := manyPieces(signing.MaxPieces).Check(30, 20); err != nil {
		t.Errorf("Check of %d pieces = %v", signing.MaxPieces, err)
	}
	if err := signing.Appended(huge-1, 1).Check(huge-1, 1); err != nil {
		t.Errorf("Check of the largest document = %v", err)
	}
}

// manyPieces alternates pieces of ten bytes of the original and of the section.
func manyPieces(n int) (p signing.Pieces) {
	for i := range int64(n) {
		p = append(p, signing.Piece{New: i%2 == 1, From: i / 2 * 10, To: i/2*10 + 10})
	}
	return p
}

// FuzzPieces: a list that Check accepts joins a document with every byte of original and section,
// each once and in order. Of the original may be missing: one short range, all of it, or what is
// around one piece between new bytes.
func FuzzPieces(f *testing.F) {
	f.Add(uint8(9), uint8(4), []byte{0, 0, 9, 1, 0, 4})
	f.Add(uint8(9), uint8(4), []byte{0, 0, 5, 1, 0, 4, 0, 5, 9})
	f.Add(uint8(9), uint8(4), []byte{1, 0, 2, 0, 0, 9, 1, 2, 4})
	f.Add(uint8(9), uint8(4), []byte{0, 0, 5, 1, 0, 4, 0, 7, 9})
	f.Add(uint8(9), uint8(4), []byte{1, 0, 4})
	f.Add(uint8(9), uint8(4), []byte{1, 0, 2, 0, 3, 6, 1, 2, 4})
	f.Add(uint8(9), uint8(4), []byte{0, 0, 0xff, 1, 0xff, 4})
	f.Fuzz(func(t *testing.T, n, s uint8, list []byte) {
		var pieces signing.Pieces
		for ; len(list) >= 3 && len(pieces) < 8; list = list[3:] {
			pieces = append(pieces, signing.Piece{New: list[0]%2 == 1, From: int64(int8(list[1])), To: int64(int8(list[2]))})
		}
		if pieces.Check(int64(n), int64(s)) != nil {
			return
		}
		var used, usedNew []int64
		for _, p := range pieces {
			for at := p.From; at < p.To; at++ {
				if p.New {
					usedNew = append(usedNew, at)
				} else {
					used = append(used, at)
				}
			}
		}
		if len(pieces) > signing.MaxPieces || pieces.Size() != int64(len(used)+len(usedNew)) {
			t.Fatalf("%v is accepted, %d bytes", pieces, pieces.Size())
		}
		if !slices.Equal(usedNew, numbers(0, int64(s))) {
			t.Errorf("%v uses the new bytes %v", pieces, usedNew)
		}
		gap := 0
		for i := 1; i < len(used); i++ {
			if used[i] <= used[i-1] {
				t.Fatalf("%v uses the bytes %v", pieces, used)
			}
			if used[i] != used[i-1]+1 {
				gap++
			}
		}
		whole := len(used) > 0 && used[0] == 0 && used[len(used)-1] == int64(n)-1
		middle := gap == 0 && len(pieces) == 3 && pieces[0].New && !pieces[1].New && pieces[2].New
		if gap > 1 || len(used) > 0 && !whole && !middle {
			t.Errorf("%v uses the bytes %v of %d", pieces, used, n)
		}
	})
}

func numbers(from, to int64) (list []int64) {
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}

// TestOmittedBytes: Join accepts a list that omits the slash of an empty element and the blanks
// before it, in every encoding of XML, and refuses one that omits anything else.
func TestOmittedBytes(t *testing.T) {
	wide := func(text string, little bool) string {
		var b strings.Builder
		for _, c := range []byte(text) {
			if little {
				b.Write([]byte{c, 0})
			} else {
				b.Write([]byte{0, c})
			}
		}
		return b.String()
	}
	for _, c := range []struct {
		head, omitted, tail string
		good                bool
	}{
		{"<a", "/", ">", true},
		{"<a", " \t\r\n/", ">\n", true},
		{"<a", strings.Repeat(" ", 255) + "/", ">", true},
		{wide("<a", true), wide(" /", true), wide(">", true), true},
		{wide("<a", false), wide(" /", false), wide(">", false), true},
		{"<a", "/", ">\x00", true},
		{"<a", strings.Repeat(" ", 256) + "/", ">", false},
		{"<a", " ", "/>", false},
		{"<a", "/>", "\n", false},
		{"<a", "x/", ">", false},
		{"<a", "/", " >", false},
		{"<a", "//", ">", false},
		{"<a>100 ", "€", "</a>", false},
		{wide("<a", true), wide("/", true), wide("x", true), false},
		{wide("<a", true), wide("/", true)[:1], "\x00" + wide(">", true), false},
		{wide("<a", true), wide("x/", true), wide(">", true), false},
		{wide("<a", false), wide("/", false), wide("x", false), false},
		{"<a", "\x00/", "\x01>", false},
	} {
		original := c.head + c.omitted + c.tail
		n, k := int64(len(original)), int64(len(c.head))
		pieces := signing.Pieces{{To: k}, {New: true, To: 3}, {From: k + int64(len(c.omitted)), To: n}}
		joined, err := signing.Join(strings.NewReader(original), strings.NewReader("new"), pieces)
		if (err == nil) != c.good {
			t.Errorf("Join without %.20q in %.30q = %v, want accepted = %v", c.omitted, original, err, c.good)
			continue
		}
		if !c.good {
			continue
		}
		got, err := io.ReadAll(io.NewSectionReader(joined, 0, joined.Size()))
		if err != nil || string(got) != c.head+"new"+c.tail {
			t.Errorf("joined document = %q, %v, want %q", got, err, c.head+"new"+c.tail)
		}
	}
}

// TestJoinedReadAt: ReadAt of a joined document returns the right bytes at every offset and length,
// for every shape, and io.EOF only at the end.
func TestJoinedReadAt(t *testing.T) {
	for _, shape := range formattest.Shapes {
		original, section := shape.Original([]byte("0123456789abcdef")), []byte("SECTION")
		pieces := shape.Pieces(int64(len(original)), int64(len(section)))
		joined, err := signing.Join(bytes.NewReader(original), bytes.NewReader(section), pieces)
		if err != nil {
			t.Fatalf("%s: Join = %v", shape.Name, err)
		}
		want := shape.Joined(original, section)
		if joined.Size() != int64(len(want)) {
			t.Errorf("%s: size = %d, want %d", shape.Name, joined.Size(), len(want))
		}
		for off := 0; off <= len(want)+2; off++ {
			for size := 0; size <= len(want)+3; size++ {
				p := make([]byte, size)
				n, err := joined.ReadAt(p, int64(off))
				rest := want[min(off, len(want)):]
				rest = rest[:min(size, len(rest))]
				if string(p[:n]) != string(rest) || (n < size) != (err == io.EOF) || err != nil && err != io.EOF {
					t.Fatalf("%s: ReadAt(%d bytes, %d) = %q, %v, want %q", shape.Name, size, off, p[:n], err, rest)
				}
			}
		}
		for _, off := range []int64{-1, math.MinInt64} {
			if n, err := joined.ReadAt(make([]byte, 4), off); n != 0 || err == nil || err == io.EOF {
				t.Errorf("%s: ReadAt at %d = %d, %v, want an error", shape.Name, off, n, err)
			}
		}
		if n, err := joined.ReadAt(make([]byte, 4), huge); n != 0 || err != io.EOF {
			t.Errorf("%s: ReadAt at the largest offset = %d, %v, want EOF", shape.Name, n, err)
		}
	}
}

// shortened is a file that has become shorter than its size.
type shortened struct{ *bytes.Reader }

func (s shortened) Size() int64 { return s.Reader.Size() + 1 }

// TestJoinedShortened: a reader of a joined document gets io.ErrUnexpectedEOF, never io.EOF, when
// the original has become shorter.
func TestJoinedShortened(t *testing.T) {
	for _, shape := range formattest.Shapes {
		original, section := shortened{bytes.NewReader(shape.Original([]byte("content")))}, []byte("SECTION")
		joined, err := signing.Join(original, bytes.NewReader(section), shape.Pieces(original.Size(), int64(len(section))))
		if err != nil {
			t.Fatalf("%s: Join = %v", shape.Name, err)
		}
		want := io.ErrUnexpectedEOF
		if shape.Name == "detached" || shape.Name == "keep the middle" { // without the last byte
			want = nil
		}
		if _, err := io.ReadAll(io.NewSectionReader(joined, 0, joined.Size())); err != want {
			t.Errorf("%s: error = %v, want %v", shape.Name, err, want)
		}
	}
}
