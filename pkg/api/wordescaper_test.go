package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
)

// guarded passes text through a wordEscaper in pieces that end at cuts.
func guarded(t *testing.T, text string, cuts ...int) string {
	t.Helper()
	var out strings.Builder
	g := &wordEscaper{w: &out}
	from := 0
	for _, cut := range append(cuts, len(text)) {
		n, err := g.Write([]byte(text[from:cut]))
		if err != nil || n != cut-from {
			t.Fatalf("Write = %d, %v, want %d", n, err, cut-from)
		}
		from = cut
	}
	if err := g.flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestWordEscaperOverEveryBoundary(t *testing.T) {
	texts := []string{
		"error",
		"xerrorx",
		"errorerror",
		"eerror",
		"errerror",
		"erroerror",
		"errorr",
		"e",
		"err",
		"erro",
		"terrorerrors",
		"ERROR Error",
		"",
		"eeeeerrorrrr",
		"erroe",
		"r ror er",
	}
	for _, text := range texts {
		want := strings.ReplaceAll(text, "error", `\u0065rror`)
		for i := 0; i <= len(text); i++ {
			for j := i; j <= len(text); j++ {
				if got := guarded(t, text, i, j); got != want {
					t.Errorf("%q cut at %d and %d = %q, want %q", text, i, j, got, want)
				}
			}
		}
		var every []int
		for i := range text {
			every = append(every, i)
		}
		if got := guarded(t, text, every...); got != want {
			t.Errorf("%q byte by byte = %q, want %q", text, got, want)
		}
	}
}

// TestWordEscaperNeverBreaksAnEscape checks that the last digit of an escape is not taken for a
// part of the word.
func TestWordEscaperNeverBreaksAnEscape(t *testing.T) {
	for _, value := range []string{
		"\x0error", "\x1error", "\\error", `"error"`, "\nerror", "\x1eerror", "erro\x00r", "<error>&",
	} {
		var out strings.Builder
		g := &wordEscaper{w: &out}
		w := jsonstream.NewWriter(g)
		w.String(value)
		if err := errors.Join(w.Flush(), g.flush()); err != nil {
			t.Fatal(err)
		}
		var got string
		err := json.Unmarshal([]byte(out.String()), &got)
		if err != nil || got != value || strings.Contains(out.String(), "error") {
			t.Errorf("%q is written %s and read as %q, %v", value, out.String(), got, err)
		}
	}
}

func TestWordEscaperInBase64OverPieces(t *testing.T) {
	// Base64 that is nothing but the word, so that it stands over every boundary of the writer's
	// pieces.
	plain := make([]byte, 0, 300_000)
	for len(plain) < 300_000 {
		// not aligned with the word: five bytes against its five letters of six bits
		plain = append(plain, 0x7a, 0xba, 0xe8, 0xae, 0xba)
	}
	for shift := range 5 {
		data := plain[shift:]
		var out strings.Builder
		g := &wordEscaper{w: &out}
		w := jsonstream.NewWriter(g)
		if _, err := w.Base64(strings.NewReader(string(data))); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Flush(), g.flush()); err != nil {
			t.Fatal(err)
		}
		var got []byte
		err := json.Unmarshal([]byte(out.String()), &got)
		if err != nil || string(got) != string(data) || strings.Contains(out.String(), "error") {
			t.Errorf("shift %d: read back %d bytes, %v", shift, len(got), err)
		}
	}
}

func TestWordEscaperReturnsErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, text := range []string{"x", "error", "xerrorx"} {
		g := &wordEscaper{w: writerFunc(func([]byte) (int, error) { return 0, broken })}
		if _, err := g.Write([]byte(text)); err != broken {
			t.Errorf("Write(%q) = %v, want %v", text, err, broken)
		}
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func FuzzWordEscaper(f *testing.F) {
	f.Add("an error", 4)
	f.Add("errorerror", 3)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		if cut < 0 || cut > len(text) {
			return
		}
		if got, want := guarded(t, text, cut), strings.ReplaceAll(text, "error", `\u0065rror`); got != want {
			t.Errorf("%q cut at %d = %q, want %q", text, cut, got, want)
		}
	})
}

func BenchmarkWordEscaper(b *testing.B) {
	piece := []byte(strings.Repeat("QUJDRGVmZ2hlcnJ", 2000))
	g := &wordEscaper{w: io.Discard}
	b.SetBytes(int64(len(piece)))
	for b.Loop() {
		if _, err := g.Write(piece); err != nil {
			b.Fatal(err)
		}
	}
	_ = fmt.Sprint(g.held)
}
