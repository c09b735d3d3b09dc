package jsonstream

import (
	"bytes"
	"io"
	"slices"
	"strconv"
)

// Limits bound what a Scanner holds in memory. NewScanner replaces zero values by the defaults
// named beside them.
type Limits struct {
	Depth     int   // nested objects and arrays. 0 = 32
	Names     int   // in one object. 0 = 256
	NameBytes int   // of one name. 0 = 256
	TextBytes int64 // of all values returned by String and Raw together. 0 = 16 MiB
}

func (l *Limits) setDefaults() {
	if l.Depth == 0 {
		l.Depth = 32
	}
	if l.Names == 0 {
		l.Names = 256
	}
	if l.NameBytes == 0 {
		l.NameBytes = 256
	}
	if l.TextBytes == 0 {
		l.TextBytes = 16 << 20
	}
}

// Scanner reads values from a JSON text. Every method that returns a value consumes it. After an
// error no method may be called. Errors are *Error for faults of the text. Errors of the reader are
// returned unchanged. Not safe for concurrent use.
type Scanner struct {
	lexer
	limits  Limits
	text    int64 // bytes of text returned so far
	pending bool  // a member or item whose value is not consumed yet
}

// NewScanner returns a scanner of one JSON text.
func NewScanner(r io.Reader, limits Limits) *Scanner {
	limits.setDefaults()
	return &Scanner{lexer: newLexer(r), limits: limits}
}

// Path returns the path of the value that is being read, as in documents[3].documentRequest.name.
func (s *Scanner) Path() string { return s.path.String() }

// Offset returns the number of bytes consumed.
func (s *Scanner) Offset() int64 { return s.consumed() }

// End returns an error if anything but blanks follows the value.
func (s *Scanner) End() error { return s.expectEnd() }

// Object reads an object. For each member it calls member, which reads the value by a method of s.
// If member does not read the value, Object skips it. Members whose value is null are treated as
// absent.
func (s *Scanner) Object(member func(name string) error) error {
	if err := s.open('{', "must be an object"); err != nil {
		return err
	}
	var names []string
	for {
		more, err := s.more('}', len(names) == 0)
		if err != nil || !more {
			return err
		}
		name, err := s.name(names)
		if err != nil {
			return err
		}
		names = append(names, name)
		if err := s.value(func() error { return member(name) }, true); err != nil {
			return err
		}
		s.path = s.path[:len(s.path)-1]
	}
}

// Array reads an array. For each item it calls item with its index, like Object. An item that is
// null is not treated as absent.
func (s *Scanner) Array(item func(index int) error) error {
	if err := s.open('[', "must be an array"); err != nil {
		return err
	}
	for i := 0; ; i++ {
		more, err := s.more(']', i == 0)
		if err != nil || !more {
			return err
		}
		s.path = append(s.path, element{index: i})
		if err := s.value(func() error { return item(i) }, false); err != nil {
			return err
		}
		s.path = s.path[:len(s.path)-1]
	}
}

// open consumes the bracket that begins an object or array.
func (s *Scanner) open(bracket byte, reason string) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if c != bracket {
		return s.wrongType(reason)
	}
	if len(s.path) >= s.limits.Depth {
		return s.fault(TooLarge, "is nested deeper than "+strconv.Itoa(s.limits.Depth)+" levels")
	}
	s.pending = false
	s.advance(1)
	return nil
}

// more consumes the comma between members or items, or the closing bracket. After the bracket it
// returns false.
func (s *Scanner) more(bracket byte, first bool) (bool, error) {
	c, err := s.peek()
	switch {
	case err != nil:
		return false, err
	case c == bracket:
		s.advance(1)
		return false, nil
	case first:
		return true, nil
	case c != ',':
		return false, s.fault(Malformed, "not JSON: a comma or a closing bracket is missing")
	}
	s.advance(1)
	if err := s.checkRaw(); err != nil {
		return false, err
	}
	if c, err = s.peek(); err == nil && c == bracket {
		err = s.fault(Malformed, "not JSON: a comma stands before a closing bracket")
	}
	return true, err
}

// name reads a member's name and the colon after it, and appends the name to the path.
func (s *Scanner) name(seen []string) (string, error) {
	c, err := s.peek()
	if err != nil {
		return "", err
	}
	if c != '"' {
		return "", s.fault(Malformed, "not JSON: a name in double quotes is missing")
	}
	name, err := s.utf8Text(s.limits.NameBytes, "has a name longer than "+strconv.Itoa(s.limits.NameBytes)+" bytes")
	if err != nil {
		return "", err
	}
	s.path = append(s.path, element{name: name})
	if slices.Contains(seen, name) {
		return "", s.fault(Duplicate, "is there twice")
	}
	if len(seen) >= s.limits.Names {
		return "", s.fault(TooLarge, "is one name too many; an object may have "+strconv.Itoa(s.limits.Names))
	}
	if c, err = s.peek(); err != nil {
		return "", err
	}
	if c != ':' {
		return "", s.fault(Malformed, "not JSON: a colon is missing")
	}
	s.advance(1)
	return name, nil
}

// value calls read to consume a value, and skips the value if read did not consume it.
func (s *Scanner) value(read func() error, nullIsAbsent bool) error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	if c == 'n' && nullIsAbsent && !s.recording {
		return s.literal("null")
	}
	s.pending = true
	if err := read(); err != nil {
		return err
	}
	if !s.pending {
		return nil
	}
	return s.Skip()
}

// wrongType returns the fault for a value of the wrong type, or for text that is not a value.
func (s *Scanner) wrongType(reason string) error {
	if bytes.IndexByte([]byte(`{["tfn-0123456789`), s.buf[s.pos]) < 0 {
		return s.fault(Malformed, "not JSON")
	}
	return s.fault(WrongType, reason)
}
