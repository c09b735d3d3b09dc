package config

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/hostport"
)

// value parses the text of a setting and stores it in a field. The errors of set say what is wanted
// and do not name the setting.
type value interface {
	set(text string) error
	String() string // as a person writes it
}

// text is any string.
type text struct{ to *string }

func (v text) set(s string) error { *v.to = s; return nil }
func (v text) String() string     { return *v.to }

// boolean is TRUE or FALSE, in upper or lower case.
type boolean struct{ to *bool }

func (v boolean) set(s string) error {
	switch strings.ToLower(s) {
	case "true":
		*v.to = true
	case "false":
		*v.to = false
	default:
		return fmt.Errorf("want TRUE or FALSE")
	}
	return nil
}

func (v boolean) String() string { return strings.ToUpper(strconv.FormatBool(*v.to)) }

// number is a whole number from min to max, both included.
type number struct {
	to       *int
	min, max int
}

func (v number) set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < v.min || n > v.max {
		return fmt.Errorf("want a whole number from %d to %d", v.min, v.max)
	}
	*v.to = n
	return nil
}

func (v number) String() string { return strconv.Itoa(*v.to) }

// duration is a time.Duration from min to max. Days can be written as 7d.
type duration struct {
	to       *time.Duration
	min, max time.Duration
}

const day = 24 * time.Hour

func (v duration) set(s string) error {
	d, err := parseDuration(s)
	if err != nil || d < v.min || d > v.max {
		return fmt.Errorf("want a duration from %s to %s, such as 500ms, 30s, 5m, 12h or 7d",
			formatDuration(v.min), formatDuration(v.max))
	}
	*v.to = d
	return nil
}

func (v duration) String() string { return formatDuration(*v.to) }

func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 16)
		return time.Duration(n) * day, err
	}
	return time.ParseDuration(s)
}

// formatDuration returns 7d, 12h or 1m30s. It is like time.Duration.String, but uses days and
// leaves out zeros at the end.
func formatDuration(d time.Duration) string {
	if d != 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// minutes is a duration that is given as a whole number of minutes.
type minutes struct {
	to       *time.Duration
	min, max int
}

func (v minutes) set(s string) error {
	var n int
	if err := (number{&n, v.min, v.max}).set(s); err != nil {
		return fmt.Errorf("%w of minutes", err)
	}
	*v.to = time.Duration(n) * time.Minute
	return nil
}

func (v minutes) String() string { return strconv.FormatInt(int64(*v.to/time.Minute), 10) }

// size is a number of bytes, at least min.
type size struct {
	to  *int64
	min int64
}

// units lists the units of sizes. The last four are those of Kubernetes; formatSize does not use
// them.
var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
	{"Ti", 1 << 40}, {"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10},
}

func (v size) set(s string) error {
	n, err := parseSize(s)
	if err != nil || n < v.min {
		return fmt.Errorf("want a size of at least %s, such as 1048576, 500MB or 2GiB", formatSize(v.min))
	}
	*v.to = n
	return nil
}

func (v size) String() string { return formatSize(*v.to) }

func parseSize(s string) (int64, error) {
	unit := int64(1)
	for _, u := range units {
		if n := len(s) - len(u.name); n > 0 && strings.EqualFold(s[n:], u.name) {
			s, unit = strings.TrimSpace(s[:n]), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, err
	}
	if n < 0 || n > (1<<62)/unit {
		return 0, strconv.ErrRange
	}
	return n * unit, nil
}

func formatSize(n int64) string {
	for _, u := range units {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// choice is one of a few words, in upper or lower case.
type choice[T ~string] struct {
	to    *T
	words []T
}

func (v choice[T]) set(s string) error {
	for _, w := range v.words {
		if strings.EqualFold(s, string(w)) {
			*v.to = w
			return nil
		}
	}
	return fmt.Errorf("want %s", v.form("one of ", ", "))
}

func (v choice[T]) String() string { return string(*v.to) }

func (v choice[T]) form(prefix, separator string) string {
	names := make([]string, len(v.words))
	for i, w := range v.words {
		names[i] = string(w)
	}
	return prefix + strings.Join(names, separator)
}

// named is one of a few values that have names in the configuration, in upper or lower case. The
// zero value has no name.
type named[T comparable] struct {
	to    *T
	names []name[T]
}

// name is the name of a value in the configuration.
type name[T any] struct {
	text  string
	value T
}

func (v named[T]) set(s string) error {
	text := ""
	if err := (choice[string]{&text, v.words()}).set(s); err != nil {
		return err
	}
	for _, n := range v.names {
		if n.text == text {
			*v.to = n.value
		}
	}
	return nil
}

func (v named[T]) String() string {
	for _, n := range v.names {
		if n.value == *v.to {
			return n.text
		}
	}
	return ""
}

func (v named[T]) words() []string {
	words := make([]string, len(v.names))
	for i, n := range v.names {
		words[i] = n.text
	}
	return words
}

func (v named[T]) form(prefix, separator string) string {
	return choice[string]{nil, v.words()}.form(prefix, separator)
}

// hostPort has the form HOST:PORT.
type hostPort struct{ to *string }

func (v hostPort) set(s string) error {
	if _, _, err := hostport.Parse(s); err != nil {
		return fmt.Errorf("want HOST:PORT, such as proxy-0.example.org:8080 or [2001:db8::1]:8080")
	}
	*v.to = s
	return nil
}

func (v hostPort) String() string { return *v.to }

// baseURL is an absolute http or https URL. Slashes at its end are removed.
type baseURL struct{ to *string }

func (v baseURL) set(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return fmt.Errorf("want a URL, such as https://signing.example.org")
	case u.User != nil:
		return fmt.Errorf("the URL must not hold a user name or password")
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("the URL must not have a query or a fragment")
	}
	*v.to = strings.TrimRight(s, "/")
	return nil
}

func (v baseURL) String() string { return *v.to }
