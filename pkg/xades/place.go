package xades

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// Limits of a place. The deepest known place has six steps.
const (
	maxSteps      = 32
	maxPlaceBytes = 4096
	maxPosition   = 1 << 30
)

// place is a path to the element that gets the signature as its last child.
type place []step

type axis uint8

const (
	child axis = iota
	descendant
)

// step selects elements below those that the step before it selected.
type step struct {
	axis     axis
	name     string // with prefix, as the document writes it; empty if the other names decide
	local    string
	space    string // namespace name; only places of profiles have one
	position int    // among the matching children of one parent, from 1; 0 = all
}

// parsePlace reads a signatureLocation: an element name or a path. Its syntax is a part of XPath:
// "/" leads to a child, "//" to a descendant, and [n] takes the nth of the matching children of one
// parent. A name with a prefix is compared with what the document writes. A name without a prefix
// matches elements of every namespace. A path that does not start with "/" starts anywhere.
func parsePlace(text string) (place, error) {
	if len(text) > maxPlaceBytes {
		return nil, signing.Errorf(signing.KindInvalid, "signatureLocation is longer than %d bytes", maxPlaceBytes)
	}
	rest := strings.TrimSpace(text)
	if !strings.HasPrefix(rest, "/") {
		rest = "//" + rest
	}
	var p place
	for rest != "" {
		s := step{axis: child}
		rest = rest[1:]
		if strings.HasPrefix(rest, "/") {
			s.axis = descendant
			rest = rest[1:]
		}
		end := strings.IndexByte(rest, '/')
		if end < 0 {
			end = len(rest)
		}
		if !s.parse(rest[:end]) || len(p) == maxSteps {
			return nil, signing.Errorf(signing.KindInvalid, "signatureLocation %s is not an element name or a path "+
				"of at most %d steps such as //ext:UBLExtension[1]/ext:ExtensionContent", quoted(text), maxSteps)
		}
		p = append(p, s)
		rest = rest[end:]
	}
	return p, nil
}

// quoted returns a text of the request for an error text.
func quoted(text string) string {
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strconv.Quote(text)
}

// parse reads a name and its position.
func (s *step) parse(text string) bool {
	if name, position, found := strings.Cut(text, "["); found {
		digits, closed := strings.CutSuffix(position, "]")
		n, err := strconv.Atoi(strings.TrimSpace(digits))
		if !closed || err != nil || n < 1 || n > maxPosition {
			return false
		}
		s.position = n
		text = name
	}
	prefix, local, qualified := strings.Cut(text, ":")
	if !qualified {
		prefix, local = "", text
	}
	if qualified && !isName(prefix) || !isName(local) {
		return false
	}
	s.local = local
	if qualified {
		s.name = text
	}
	return true
}

// isName says whether the text can be a name without a colon. It need not be exact: a name that no
// document can have selects nothing.
func isName(text string) bool {
	return text != "" && utf8.ValidString(text) && !strings.ContainsAny(text, " \t\r\n:/[]()@*'\"=<>&|!,$") &&
		!strings.ContainsRune("-.0123456789", rune(text[0]))
}

// is says whether the element has the name that the step asks for.
func (s *step) is(t *xmlc14n.Token) bool {
	switch {
	case s.name != "":
		return string(t.Name()) == s.name
	case s.space != "":
		return t.Is(s.space, s.local)
	}
	return string(t.Local()) == s.local
}

// matcher follows the elements of a document and finds those that a place selects.
type matcher struct {
	place   place
	lengths uint64  // bit n: a step asks for a local name whose length is n modulo 64
	levels  []level // of open elements; the first one stands for the document
	// pending is how many of the innermost open elements have no level yet. No step selected them, and
	// no child of them was compared with a step. Most elements stay so until they end.
	pending int
}

// level is what the matcher knows about an open element.
type level struct {
	reached uint64 // bit i: the first i steps of the place lead to this element
	above   uint64 // bit i: they lead to it or to an element around it
	counts  []int  // matching children of each step; empty until there is one
}

func newMatcher(p place) *matcher {
	m := &matcher{place: p, levels: []level{{reached: 1, above: 1}}}
	for i := range p {
		m.lengths |= 1 << (len(p[i].local) % 64)
	}
	return m
}

// start takes the start of an element and says whether the place selects it.
func (m *matcher) start(t *xmlc14n.Token) bool {
	if m.lengths>>(len(t.Local())%64)&1 == 0 {
		m.pending++
		return false
	}
	for ; m.pending > 0; m.pending-- {
		m.push(0)
	}
	parent := len(m.levels) - 1
	var reached uint64
	for i := range m.place {
		s := &m.place[i]
		from := m.levels[parent].reached
		if s.axis == descendant {
			from = m.levels[parent].above
		}
		if from&(1<<i) == 0 || !s.is(t) {
			continue
		}
		if s.position == 0 || m.levels[parent].count(i, len(m.place)) == s.position {
			reached |= 1 << (i + 1)
		}
	}
	if reached == 0 {
		m.pending++
		return false
	}
	m.push(reached)
	return reached&(1<<len(m.place)) != 0
}

// push adds the level of an element below the innermost one that has a level.
func (m *matcher) push(reached uint64) {
	above := m.levels[len(m.levels)-1].above | reached
	if len(m.levels) < cap(m.levels) {
		m.levels = m.levels[:len(m.levels)+1]
	} else {
		m.levels = append(m.levels, level{})
	}
	l := &m.levels[len(m.levels)-1]
	l.reached, l.above, l.counts = reached, above, l.counts[:0]
}

// count counts one more child that matches the step.
func (l *level) count(step, steps int) int {
	if len(l.counts) == 0 {
		if cap(l.counts) < steps {
			l.counts = make([]int, steps)
		}
		l.counts = l.counts[:steps]
		clear(l.counts)
	}
	l.counts[step]++
	return l.counts[step]
}

// end takes the end of an element.
func (m *matcher) end() {
	if m.pending > 0 {
		m.pending--
		return
	}
	m.levels = m.levels[:len(m.levels)-1]
}
