package xmlc14n

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// reasonOf returns why a document is refused, or "".
func reasonOf(t *testing.T, r io.Reader) Reason {
	t.Helper()
	err := Canonicalize(NewTokenizer(r), New(io.Discard, Config{}))
	var fault *Error
	if err != nil && !errors.As(err, &fault) {
		t.Fatal(err)
	}
	if err == nil {
		return ""
	}
	return fault.Reason
}

// TestLimits accepts what reaches a limit, and refuses what exceeds it by one.
func TestLimits(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }
	long := func(n int) string { return "<a b='" + strings.Repeat("x", n-9) + "'/>" }
	bare := func(n int) string { return "<" + strings.Repeat("n", n-2) + "></" + strings.Repeat("n", n-2) + ">" }
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	attributes := func(n int) string { return "<a " + many(" b%d=''", n) + "/>" }
	namespaces := func(n int) string { return "<a " + many(" xmlns:p%d='u:'", n) + "/>" }
	values := func(n int) string {
		return strings.Repeat("<a xml:lang='"+strings.Repeat("x", n)+"'>", 4) + strings.Repeat("</a>", 4)
	}
	for _, c := range []struct {
		name      string
		good, bad string
		reason    Reason
	}{
		{"depth", nested(maxDepth), nested(maxDepth + 1), TooDeep},
		{"tag", long(maxTagBytes), long(maxTagBytes + 1), TagTooLong},
		{"name", bare(maxTagBytes / 2), bare(maxTagBytes + 1), TagTooLong},
		{"attributes", attributes(maxAttributes), attributes(maxAttributes + 1), TooManyAttributes},
		// The prefix xml is always in scope.
		{"namespaces", namespaces(maxNamespaces - 1), namespaces(maxNamespaces), TooManyNamespaces},
		{"context", values(maxContextBytes/4 - 100), values(maxContextBytes / 4), ContextTooLarge},
	} {
		if got := reasonOf(t, strings.NewReader(c.good)); got != "" {
			t.Errorf("%s at its limit is refused with %q", c.name, got)
		}
		if got := reasonOf(t, strings.NewReader(c.bad)); got != c.reason {
			t.Errorf("%s above its limit: %q, want %q", c.name, got, c.reason)
		}
	}
}

// repeat gives head, then part n times, then tail.
func repeat(head, part string, n int64, tail string) io.Reader {
	return io.MultiReader(
		strings.NewReader(head),
		&repeated{part: part, left: n * int64(len(part))},
		strings.NewReader(tail),
	)
}

type repeated struct {
	part string
	left int64
	at   int
}

func (r *repeated) Read(b []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(int64(len(b)), r.left)], r.part[r.at:])
	r.at = (r.at + n) % len(r.part)
	r.left -= int64(n)
	return n, nil
}

// TestHostile refuses documents that would take much memory or time, after reading little of them.
func TestHostile(t *testing.T) {
	const million = 1_000_000
	for _, c := range []struct {
		name   string
		doc    io.Reader
		reason Reason
	}{
		{"depth", repeat("", "<a>", million, ""), TooDeep},
		{"attributes", repeat("<a", " b=''", million, "/>"), TooManyAttributes},
		{"declarations", repeat("<a", " xmlns:b='u:'", million, "/>"), TooManyAttributes},
		{"value", repeat("<a b='", "x", 2*million, "'/>"), TagTooLong},
		{"name", repeat("<", "x", 2*million, "/>"), TagTooLong},
		{"blanks in a tag", repeat("<a", " ", 2*million, "/>"), TagTooLong},
		{"target", repeat("<?", "x", 2*million, "?><a/>"), TagTooLong},
		{"reference", repeat("<a>&", "x", 2*million, ";</a>"), Syntax},
		{"zeros in a reference", repeat("<a>&#", "0", 2*million, "65;</a>"), Syntax},
		{"long names", repeat("", "<a"+strings.Repeat("x", 500_000)+">", 3, ""), ContextTooLarge},
		{"declaration", repeat("<?xml version='1.0'", " ", 2*million, "?><a/>"), Declaration},
		{"text without end", repeat("<a>", "]", 2*million, ""), Incomplete},
		{"comment without end", repeat("<!--", "-\r", 2*million, ""), Incomplete},
		{"CDATA without end", repeat("<a><![CDATA[", "]\r", 2*million, ""), Incomplete},
		{"instruction without end", repeat("<?p ", "? ", 2*million, ""), Incomplete},
	} {
		if got := reasonOf(t, c.doc); got != c.reason {
			t.Errorf("%s: %q, want %q", c.name, got, c.reason)
		}
	}
}

// manyParts are documents that repeat a part, each of them in a way of its own.
var manyParts = map[string]struct{ head, part, tail string }{
	"elements":   {"<a xmlns='urn:a' xmlns:b='urn:b'>", "<b:c d='1' b:e='&lt;'>text &amp; more\r\n</b:c><f/>\n", "</a>"},
	"namespaces": {"<a>", "<b xmlns='urn:b' xmlns:c='urn:c'><c:d/></b>", "</a>"},
	"text":       {"<a>", "one long text ", "</a>"},
	"comment":    {"<!--", "one long comment\r\n", "--><a/>"},
	"CDATA":      {"<a><![CDATA[", "x ]] <&> é\r", "]]></a>"},
}

// TestMemory allocates no more for a document that is ten times as large.
func TestMemory(t *testing.T) {
	allocated := func(head, part, tail string, size int) uint64 {
		var before, after runtime.MemStats
		doc := repeat(head, part, int64(size/len(part)), tail)
		runtime.ReadMemStats(&before)
		if err := Canonicalize(NewTokenizer(doc), New(io.Discard, Config{Form: Form{Method: Exclusive}})); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	for name, d := range manyParts {
		small := allocated(d.head, d.part, d.tail, 1<<20)
		large := allocated(d.head, d.part, d.tail, 10<<20)
		// Either of them may have to make the buffers that tokenizers otherwise hand on.
		const buffers = windowBytes + outputBytes
		if large > small+buffers+64<<10 || large > 1<<20 {
			t.Errorf("%s: %d bytes are allocated for 1 MiB, %d for 10 MiB", name, small, large)
		}
	}
}

// TestManyPrefixes forgets prefixes that are no longer in scope, and still knows those in scope.
func TestManyPrefixes(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("<a xmlns:keep='urn:k'>")
	for i := range 3 * maxPrefixes {
		fmt.Fprintf(&b, "<p%d:b xmlns:p%d='urn:p'/><keep:c/>", i, i)
	}
	b.WriteString("</a>")
	tok := NewTokenizer(&b)
	if err := Canonicalize(tok, New(io.Discard, Config{})); err != nil {
		t.Fatal(err)
	}
	if n := len(tok.scope.prefixes); n > maxPrefixes {
		t.Errorf("%d prefixes are kept", n)
	}
	if n := tok.places.known; n > maxPlaces+1 {
		t.Errorf("%d places are kept", n)
	}
}
