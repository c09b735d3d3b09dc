package api

import (
	"bytes"
	"io"
)

// A known client takes any body with the lower-case letters "error" for a failure. No key and no
// fixed text of a success body contains them. But a reference may contain them, and by chance so
// does one in about 4,000 base64 texts of 200 KB.
var (
	forbiddenWord = []byte("error")
	escapedWord   = []byte(`\u0065rror`)
)

// wordEscaper copies JSON and writes the forbidden word with an escape, which is the same value to
// a JSON parser. It needs no knowledge of JSON, because the word can only stand inside a string. It
// never includes the end of an escape, because jsonstream.Writer writes escapes in upper case.
type wordEscaper struct {
	w    io.Writer
	held int // bytes at the end of the last piece that may begin the word and are not written yet
}

// Write implements io.Writer.
func (g *wordEscaper) Write(p []byte) (int, error) {
	all := len(p)
	if g.held > 0 {
		rest := forbiddenWord[g.held:]
		n := min(len(rest), len(p))
		if bytes.Equal(p[:n], rest[:n]) {
			if g.held += n; g.held < len(forbiddenWord) {
				return all, nil
			}
			g.held, p = 0, p[n:]
			if _, err := g.w.Write(escapedWord); err != nil {
				return 0, err
			}
		} else if err := g.flush(); err != nil {
			return 0, err
		}
	}
	for {
		i := bytes.Index(p, forbiddenWord)
		if i < 0 {
			break
		}
		if _, err := g.w.Write(append(p[:i:i], escapedWord...)); err != nil {
			return 0, err
		}
		p = p[i+len(forbiddenWord):]
	}
	g.held = heldBack(p)
	if _, err := g.w.Write(p[:len(p)-g.held]); err != nil {
		return 0, err
	}
	return all, nil
}

// flush writes the bytes that are held back: at the end, or when they turn out not to begin the
// word. No later letter of such a prefix can begin the word, because the first letter of the word
// occurs in it only once.
func (g *wordEscaper) flush() error {
	held := g.held
	g.held = 0
	_, err := g.w.Write(forbiddenWord[:held])
	return err
}

// heldBack returns the length of the longest end of p that is a proper prefix of the word.
func heldBack(p []byte) int {
	for n := min(len(forbiddenWord)-1, len(p)); n > 0; n-- {
		if bytes.HasSuffix(p, forbiddenWord[:n]) {
			return n
		}
	}
	return 0
}
