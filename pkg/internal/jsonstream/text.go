package jsonstream

import (
	"strconv"
)

// String reads a string of at most limit bytes of UTF-8. If a number or boolean comes instead,
// String returns its text, as the usual Java readers do.
func (s *Scanner) String(limit int) (string, error) { return s.scalar(limit, "must be a string") }

// maxBoolBytes bounds a string that comes instead of a boolean.
const maxBoolBytes = 256

// Bool reads true or false. It also accepts them in a string, and 1 or 0, for the reason given at
// String.
func (s *Scanner) Bool() (bool, error) {
	const reason = "must be true or false"
	text, err := s.scalar(maxBoolBytes, reason)
	if err != nil {
		return false, err
	}
	switch text {
	case "true", "True", "TRUE", "1":
		return true, nil
	case "false", "False", "FALSE", "0":
		return false, nil
	}
	return false, s.fault(WrongType, reason)
}

// scalar returns the text of a string, number or boolean. For any other value it returns a fault
// with reason.
func (s *Scanner) scalar(limit int, reason string) (string, error) {
	c, err := s.peek()
	switch {
	case err != nil:
		return "", err
	case c == 't' || c == 'f' || c == '-' || '0' <= c && c <= '9':
		return s.Raw(limit)
	case c != '"':
		return "", s.wrongType(reason)
	}
	s.pending = false
	text, err := s.utf8Text(limit, "is longer than "+strconv.Itoa(limit)+" bytes")
	if err != nil {
		return "", err
	}
	s.text += int64(len(text))
	return text, s.checkText()
}
