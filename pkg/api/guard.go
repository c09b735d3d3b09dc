package api

import (
	"bytes"
	"io"
)

// A client that exists takes any body with the lower-case letters "error" for a failure. No key and
// no fixed text of a success body holds them, but a reference may, and by chance so does one of
// some 4,000 base64 texts of 200 KB.
var (
	forbiddenWord = []byte("error")
	escapedWord   = []byte(`\u0065rror`)
)

// guard passes JSON on with the forbidden word written by an escape: the same value to a JSON
// parser. All JSON may pass through it, since the word can only stand inside a string, and never as
// the end of an escape: jsonstream.Writer writes escapes in upper case.
type guard struct {
	w    io.Writer
	held int // bytes at the end of the last piece that began the word and are not written yet
}

// Write implements io.Writer.
func (g *guard) Write(p []byte) (int, error) {
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

// flush writes what is held back: at the end, or when it was no beginning of the word after all. A
// prefix of the word that fails to become it holds no other beginning: its letters but the first
// are none.
func (g *guard) flush() error {
	held := g.held
	g.held = 0
	_, err := g.w.Write(forbiddenWord[:held])
	return err
}

// heldBack is the length of the longest end of p that the word begins with, short of the word.
func heldBack(p []byte) int {
	for n := min(len(forbiddenWord)-1, len(p)); n > 0; n-- {
		if bytes.HasSuffix(p, forbiddenWord[:n]) {
			return n
		}
	}
	return 0
}
