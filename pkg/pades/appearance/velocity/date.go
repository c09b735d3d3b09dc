package velocity

import (
	"fmt"
	"strings"
	"time"
)

const (
	// defaultPattern formats a date that a template shows without a call of date.format.
	defaultPattern = "yyyy-MM-dd HH:mm:ss z"
	// maxLetters is how many equal letters form one field. It bounds the width of a number. More
	// letters would only add leading zeros.
	maxLetters = 9
)

// formatIn implements date.format(pattern) and date.format(pattern, zone) of a template. It returns
// false if this machine does not know the zone. It refuses the zone "Local", which only Go knows.
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
			i += writeQuoted(&out, pattern[i:])
			continue
		}
		n := 1
		for i+n < len(pattern) && pattern[i+n] == c && n < maxLetters {
			n++
		}
		writeField(&out, t, c, pattern[i:i+n])
		i += n
	}
	return out.String()
}

// writeQuoted writes the literal text at the start of s, which begins with a quotation mark. It
// returns how many bytes of s the text takes, with its marks. Two marks in a row mean one literal
// mark.
func writeQuoted(out *strings.Builder, s string) int {
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

// writeField writes one field of a date. letters is the field in the pattern: the letter c, once or
// several times.
func writeField(out *strings.Builder, t time.Time, c byte, letters string) {
	n := len(letters)
	number := func(v int) { fmt.Fprintf(out, "%0*d", n, v) }
	name := func(long, short string) {
		if n > 3 {
			short = long
		}
		out.WriteString(t.Format(short))
	}
	switch c {
	case 'y':
		writeYear(out, t, n)
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
		out.WriteString(letters)
	}
}

// writeYear writes two digits for the pattern yy, otherwise the whole year with at least n digits.
func writeYear(out *strings.Builder, t time.Time, n int) {
	if n == 2 {
		fmt.Fprintf(out, "%02d", t.Year()%100)
		return
	}
	fmt.Fprintf(out, "%0*d", n, t.Year())
}

// zoneLayout returns the layout of package time for the time zone letter c, written n times.
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
