package appearance

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/velocity"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// maxMissingNamed bounds how many characters one error names. A few are enough to find a suitable
// font.
const maxMissingNamed = 5

// missing collects the characters of one piece of text that no font has.
type missing struct {
	field string // the request field that the piece comes from
	runes []rune // each once, in the order of the text
}

// fieldOf returns the name of the request field that a piece comes from. The operator's own
// template has no field of its own.
func fieldOf(p velocity.Piece, template string) string {
	field := "visibleSignatureInfo.oneOffTemplate"
	if template == signing.SystemTemplate {
		field = "visibleSignatureInfo"
	}
	switch {
	case p.Reference == "":
		return field
	case strings.HasPrefix(p.Reference, "$reason"):
		return "reason"
	case strings.HasPrefix(p.Reference, "$location"):
		return "location"
	}
	return field + ": " + clip(p.Reference)
}

// clip shortens a reference, because a template may contain very long invented names.
func clip(s string) string {
	const maxReference = 80 // bytes; the longest known reference has about 50
	if len(s) > maxReference {
		return s[:maxReference]
	}
	return s
}

// error returns a KindVisible error that names the characters.
func (m *missing) error() error {
	var names []string
	for _, r := range m.runes[:min(len(m.runes), maxMissingNamed)] {
		name := fmt.Sprintf("U+%04X", r)
		if unicode.IsGraphic(r) && !unicode.IsMark(r) && !unicode.IsSpace(r) {
			name += " (" + string(r) + ")"
		}
		names = append(names, name)
	}
	more := ""
	if n := len(m.runes) - len(names); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return signing.Errorf(signing.KindVisible, "%s: no font has %s%s", m.field, strings.Join(names, ", "), more)
}
