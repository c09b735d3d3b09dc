package jsonstream

import "strconv"

// Skip consumes a value of any type and checks that it is JSON. It checks the escapes of strings,
// but not whether they are UTF-8 or contain control characters.
func (s *Scanner) Skip() error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	s.pending = false
	switch c {
	case '{':
		return s.Object(func(string) error { return s.Skip() })
	case '[':
		return s.Array(func(int) error { return s.Skip() })
	case '"':
		return s.skipText()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

// Raw consumes a value of any type and returns its text without the blanks between tokens. A text
// longer than limit bytes is TooLarge.
func (s *Scanner) Raw(limit int) (string, error) {
	if _, err := s.peek(); err != nil {
		return "", err
	}
	s.raw, s.recording, s.rawMax = nil, true, limit
	defer func() { s.raw, s.recording = nil, false }()
	if err := s.Skip(); err != nil {
		return "", err
	}
	if err := s.checkRaw(); err != nil {
		return "", err
	}
	s.text += int64(len(s.raw))
	return string(s.raw), s.checkText()
}

// checkText enforces the limit of all text together.
func (s *Scanner) checkText() error {
	if s.text > s.limits.TextBytes {
		return s.fault(TooLarge,
			"is part of a text that has more than "+strconv.FormatInt(s.limits.TextBytes, 10)+" bytes beside content")
	}
	return nil
}
