package velocity

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on one template.
const (
	maxOutput = 32 << 10 // bytes; several pages of text
	maxChain  = 8        // parts of one reference
	maxArgs   = 2
)

// ErrTooLong is returned for a template that expands to more text than a visible signature can
// show.
var ErrTooLong = errors.New("the text of the template is longer than 32 KiB")

// Render expands template. The only error is ErrTooLong.
func Render(template string, data Data) (Text, error) {
	template = strings.ReplaceAll(template, "\r\n", "\n")
	var out writer
	for rest := template; rest != ""; {
		if out.size > maxOutput {
			return nil, ErrTooLong
		}
		switch {
		case strings.HasPrefix(rest, `\n`):
			out.write("\n", "")
			rest = rest[2:]
		case strings.HasPrefix(rest, `\$`):
			n := escaped(&out, rest, data)
			rest = rest[n:]
		case rest[0] == '$':
			n := expand(&out, rest, data)
			rest = rest[n:]
		case strings.HasPrefix(rest, "##"):
			_, rest, _ = strings.Cut(rest, "\n")
		case strings.HasPrefix(rest, "#*"):
			_, rest, _ = strings.Cut(rest[2:], "*#")
		default:
			n := plain(rest)
			out.write(rest[:n], "")
			rest = rest[n:]
		}
	}
	if out.size > maxOutput {
		return nil, ErrTooLong
	}
	return out.text, nil
}

// plain returns the length of the text before the next special character, at least 1.
func plain(s string) int {
	if n := strings.IndexAny(s[1:], `$\#`); n >= 0 {
		return n + 1
	}
	return len(s)
}

// escaped writes the text for the \$ at the start of s and returns how many bytes of s it used. The
// backslash is dropped before a known reference.
func escaped(out *writer, s string, data Data) int {
	ref, n := parseReference(s[1:])
	if n == 0 {
		out.write(s[:2], "")
		return 2
	}
	if _, known := data.value(ref); !known {
		out.write(`\`, "")
	}
	out.write(s[1:1+n], "")
	return 1 + n
}

// expand writes the value of the reference at the start of s and returns the length of the
// reference.
func expand(out *writer, s string, data Data) int {
	ref, n := parseReference(s)
	if n == 0 {
		out.write("$", "")
		return 1
	}
	value, known := data.value(ref)
	switch {
	case known:
		out.write(oneLine(value), ref.String())
	case !ref.quiet:
		out.write(s[:n], "")
	}
	return n
}

// oneLine turns control and formatting characters into blanks, such as line ends and marks that
// change the direction of the text. Joiners stay where they belong to the spelling, as in Persian
// and Indic names.
func oneLine(s string) string {
	before := ' '
	return strings.Map(func(r rune) rune {
		joins := (r == zeroWidthJoiner || r == zeroWidthNonJoiner) && unicode.In(before, unicode.L, unicode.M) &&
			!unicode.In(before, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Common, unicode.Inherited)
		before = r
		if !joins && (unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Cf)) {
			return ' '
		}
		return r
	}, s)
}

// Characters that say whether their neighbours are joined.
const (
	zeroWidthNonJoiner = 0x200c
	zeroWidthJoiner    = 0x200d
)

// reference is one parsed reference: $name.part.part(args).
type reference struct {
	quiet bool
	name  string
	parts []part
}

type part struct {
	name string
	call bool
	args []string
}

// String returns the reference without its arguments, as in $date.format().
func (r reference) String() string {
	var b strings.Builder
	b.WriteString("$" + r.name)
	for _, p := range r.parts {
		b.WriteString("." + p.name)
		if p.call {
			b.WriteString("()")
		}
	}
	return b.String()
}

// parseReference reads the reference at the start of s, which begins with a dollar sign. n is its
// length, or 0 if s does not start with a reference.
func parseReference(s string) (ref reference, n int) {
	at := 1
	if strings.HasPrefix(s[at:], "!") {
		ref.quiet = true
		at++
	}
	braced := strings.HasPrefix(s[at:], "{")
	if braced {
		at++
	}
	name := identifier(s[at:])
	if name == "" {
		return reference{}, 0
	}
	ref.name = name
	at += len(name)
	for len(ref.parts) < maxChain {
		p, n := parsePart(s[at:])
		if n == 0 {
			break
		}
		ref.parts = append(ref.parts, p)
		at += n
	}
	if braced {
		if !strings.HasPrefix(s[at:], "}") {
			return reference{}, 0
		}
		at++
	}
	return ref, at
}

// parsePart reads ".name" or ".name(args)".
func parsePart(s string) (p part, n int) {
	if !strings.HasPrefix(s, ".") {
		return part{}, 0
	}
	p.name = identifier(s[1:])
	if p.name == "" {
		return part{}, 0 // a full stop
	}
	n = 1 + len(p.name)
	if args, length, ok := parseArgs(s[n:]); ok {
		p.call, p.args = true, args
		n += length
	}
	return p, n
}

// parseArgs reads "()" or "('text', "text")".
func parseArgs(s string) (args []string, n int, ok bool) {
	if !strings.HasPrefix(s, "(") {
		return nil, 0, false
	}
	at := 1 + blanks(s[1:])
	if strings.HasPrefix(s[at:], ")") {
		return nil, at + 1, true
	}
	for len(args) < maxArgs {
		if at >= len(s) || s[at] != '\'' && s[at] != '"' {
			return nil, 0, false
		}
		end := strings.IndexByte(s[at+1:], s[at])
		if end < 0 {
			return nil, 0, false
		}
		args = append(args, s[at+1:at+1+end])
		at += end + 2
		at += blanks(s[at:])
		if strings.HasPrefix(s[at:], ")") {
			return args, at + 1, true
		}
		if !strings.HasPrefix(s[at:], ",") {
			return nil, 0, false
		}
		at++
		at += blanks(s[at:])
	}
	return nil, 0, false
}

func blanks(s string) int { return len(s) - len(strings.TrimLeft(s, " \t")) }

// identifier returns the VTL identifier that s begins with: a letter, then letters, digits and
// underscores (no hyphens, as in Velocity 2).
func identifier(s string) string {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if letter || i > 0 && c >= '0' && c <= '9' {
			continue
		}
		return s[:i]
	}
	return s
}

// lowerFirst turns CommonName into commonName.
func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}
