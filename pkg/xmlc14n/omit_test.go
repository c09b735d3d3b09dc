package xmlc14n

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// withoutLeaves canonicalizes a document whose tokenizer reports no leaves.
func withoutLeaves(text string, cfg Config) ([]byte, error) {
	var out bytes.Buffer
	c := New(&out, cfg)
	tok := NewTokenizer(strings.NewReader(text))
	for {
		n, err := tok.Next()
		if errors.Is(err, io.EOF) {
			err := c.Close()
			return out.Bytes(), err
		}
		if err != nil {
			return nil, err
		}
		if err := c.Token(n); err != nil {
			return nil, err
		}
	}
}

// TestOmit leaves out each element in turn, alone and together with every third element behind it.
// The result must not depend on whether the tokenizer reports leaves, and the selector must be
// asked as often.
func TestOmit(t *testing.T) {
	for seed := range uint64(60) {
		text, elements := generate(seed)
		form := forms[seed%uint64(len(forms))]
		for place := 1; place <= min(elements, 20); place++ {
			for _, more := range []bool{false, true} {
				asked := 0
				omit := func(*Token) bool {
					asked++
					return asked == place || more && asked > place && (asked-place)%3 == 0
				}
				want, err := withoutLeaves(text, Config{Form: form, Omit: omit})
				if err != nil {
					t.Fatal(err)
				}
				times := asked
				asked = 0
				got, err := canonical([]byte(text), Config{Form: form, Omit: omit})
				if err != nil || !bytes.Equal(got, want) || asked != times {
					t.Fatalf("seed %d, %s, place %d: asked %d times, want %d; %v, %s", seed, form.URI(), place, asked, times, err,
						difference(got, want))
				}
			}
		}
	}
}
