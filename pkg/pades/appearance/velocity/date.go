package velocity

import (
	"fmt"
	"strings"
	"time"
)

const (
	defaultPattern = "yyyy-MM-dd HH:mm:ss z"
	maxLetters     = 9 // of one kind in a row; more add only zeros
)

// formatIn implements date.format(pattern) and date.format(pattern, zone). It returns false if this
// machine does not know the zone.
func formatIn(t time.Time, args []string) (any, bool) {
	if len(args) == 2 {
		zone, err := time.LoadLocation(args[1])
		if err != nil || args[1] == "Local" {
			return nil, false
		}
		t = t.In(zone)
	}
	return format(t, args[0]), true
}

// format formats t by a pattern of Java's SimpleDateFormat. Unknown letters are copied unchanged.
func format(t time.Time, pattern string) string {
	var out strings.Builder
	for i := 0; i < len(pattern); {
		c := pattern[i]
		if c == '\'' {
			i += quoted(&out, pattern[i:])
			continue
		}
		n := 1
		for i+n < len(pattern) && pattern[i+n] == c && n < maxLetters {
			n++
		}
		field(&out, t, c, n, pattern[i:i+n])
		i += n
	}
	return out.String()
}

// quoted writes the literal text at the start of s, which begins with a quotation mark, and returns
// its length in s. Two marks stand for one.
func quoted(out *strings.Builder, s string) int {
	if strings.HasPrefix(s, "''") {
		out.WriteByte('\'')
		return 2
	}
	text, _, closed := strings.Cut(s[1:], "'")
	out.WriteString(text)
	if closed {
		return len(text) + 2
	}
	return len(s)
}

// field writes one field of a date, which the pattern gives as n letters c.
func field(out *strings.Builder, t time.Time, c byte, n int, literal string) {
	number := func(v int) { fmt.Fprintf(out, "%0*d", n, v) }
	name := func(long, short string) {
		if n > 3 {
			short = long
		}
		out.WriteString(t.Format(short))
	}
	switch c {
	case 'y':
		year(out, t, n)
	case 'M':
		if n > 2 {
			name("January", "Jan")
			return
		}
		number(int(t.Month()))
	case 'd':
		number(t.Day())
	case 'E':
		name("Monday", "Mon")
	case 'a':
		out.WriteString(t.Format("PM"))
	case 'H':
		number(t.Hour())
	case 'h':
		number((t.Hour()+11)%12 + 1)
	case 'm':
		number(t.Minute())
	case 's':
		number(t.Second())
	case 'S':
		number(t.Nanosecond() / 1e6)
	case 'z', 'Z', 'X':
		out.WriteString(t.Format(zoneLayout(c, n)))
	default:
		out.WriteString(literal)
	}
}

func year(out *strings.Builder, t time.Time, n int) {
	if n == 2 {
		fmt.Fprintf(out, "%02d", t.Year()%100)
		return
	}
	fmt.Fprintf(out, "%0*d", n, t.Year())
}

func zoneLayout(c byte, n int) string {
	switch {
	case c == 'z':
		return "MST"
	case c == 'Z':
		return "-0700"
	case n == 1:
		return "Z07"
	case n == 2:
		return "Z0700"
	}
	return "Z07:00"
}
