package hotfolder

import (
	"bytes"
	"regexp"
	"strings"
)

// Tools for operators use these functions to read folders as the engine does.

// IsSidecar reports whether a file with that name holds settings for another file.
func IsSidecar(name string) bool {
	return strings.HasSuffix(name, sidecarSuffix) && name != sidecarSuffix
}

// Ignored reports whether files with that name are never signed. patterns are those of
// Config.Ignored.
func Ignored(name string, patterns []string) bool {
	return (&window{cfg: &Config{Ignored: patterns}}).ignored(name)
}

// HasEnd reports whether a file has the end that its content requires: the end of file marker of a
// PDF, or the closed root of an XML document. Other content needs none.
func HasEnd(f File) (bool, error) {
	kind, err := kindOf(f)
	if err != nil {
		return false, err
	}
	return hasEnd(f, kind)
}

// ReasonName returns the name of the text file that says why a document failed. If a document has
// that name too, the text file has a number.
func ReasonName(name string) string { return withSuffix(name, textSuffix) }

// MaxReasonBytes is more than a text file with a reason has.
const MaxReasonBytes = 64 << 10

// IsReason reports whether a text is one that the engine writes beside a document that failed. A
// text that is a document itself does not look like that.
func IsReason(text []byte) bool {
	line, rest, ok := bytes.Cut(text, []byte("\n"))
	if !ok || len(rest) > 0 || len(text) > MaxReasonBytes {
		return false
	}
	if string(line) == internalReason {
		return true
	}
	return beginsWithKind.Match(line)
}

// beginsWithKind matches a line that begins with a signing.Kind.
var beginsWithKind = regexp.MustCompile(`^[a-z]+(-[a-z]+)*: .`)
