package connlimit

import "bytes"

// headScan finds the end of an HTTP/1 head in a stream of bytes, and counts its bytes and lines
// (RFC 9112 section 2.1). Its zero value is ready to use. It defines a line as net/http does: a
// line ends with LF, with or without CR.
type headScan struct {
	bytes     int
	lines     int  // lines that are not empty: the request line and the fields
	line      int  // bytes of the current line so far; 2 means two or more
	onlyCR    bool // the current line is one CR so far
	emptyLine bool // the line that next scanned last is complete and empty
}

// headLimits are the limits of a head.
type headLimits struct{ bytes, fields int }

func (l headLimits) exceededBy(s *headScan) bool {
	return s.bytes > l.bytes || s.lines > l.fields+1 // one line is the request line
}

// feed scans b, which continues a head. It stops after the head, or where the head exceeds a limit.
// It returns how many bytes it scanned, and why it stopped. Empty lines before the head belong to
// the head, as in net/http.
func (s *headScan) feed(b []byte, limits headLimits) (n int, ended, exceeded bool) {
	for n < len(b) {
		n += s.next(b[n:])
		if limits.exceededBy(s) {
			return n, false, true
		}
		if s.emptyLine && s.lines > 0 {
			return n, true, false
		}
	}
	return n, false, false
}

// follow scans b, which continues a body of unknown length. The body and later heads may end at any
// empty line, so follow counts from the last empty line. It enforces no limit. Of a long b it scans
// only the last readAhead bytes, because net/http does not read further beyond the end of a body.
func (s *headScan) follow(b []byte) {
	if len(b) > readAhead {
		b = b[len(b)-readAhead:]
		*s = headScan{line: 2} // b may now start in the middle of a line
	}
	for n := 0; n < len(b); {
		n += s.next(b[n:])
		if s.emptyLine {
			*s = headScan{}
		}
	}
}

// next scans to the end of a line, or to the end of b, and returns how many bytes it scanned.
func (s *headScan) next(b []byte) int {
	n := bytes.IndexByte(b, '\n')
	content, ends := b, n >= 0
	if ends {
		content = b[:n]
	}
	s.emptyLine = false
	if len(content) > 0 {
		s.onlyCR = s.line == 0 && len(content) == 1 && content[0] == '\r'
		s.line = min(s.line+len(content), 2)
	}
	if !ends {
		s.bytes += len(b)
		return len(b)
	}
	s.bytes += n + 1
	if s.line == 0 || s.onlyCR {
		s.emptyLine = true
	} else {
		s.lines++
	}
	s.line, s.onlyCR = 0, false
	return n + 1
}
