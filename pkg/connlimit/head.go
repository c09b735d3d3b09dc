package connlimit

import "bytes"

// headScan finds the end of an HTTP/1 head in a stream of bytes, and counts its bytes and lines
// (RFC 9112 section 2.1). Its zero value is ready to use. It defines a line as net/http does: a
// line ends with LF, with or without CR.
type headScan struct {
	bytes   int
	lines   int  // lines that are not empty: the request line and the fields
	line    int  // bytes of the current line, counted up to 2
	onlyCR  bool // the current line is one CR so far
	blanked bool // the last complete line was empty
}

// headLimits are the limits of a head.
type headLimits struct{ bytes, fields int }

func (l headLimits) exceededBy(s *headScan) bool {
	return s.bytes > l.bytes || s.lines > l.fields+1 // one line is the request line
}

// feed scans b up to the end of a head, or to the place where a limit is exceeded. It returns how
// many bytes it scanned. Empty lines before the head belong to the head, as in net/http.
func (s *headScan) feed(b []byte, limits headLimits) (n int, ended, exceeded bool) {
	for n < len(b) {
		n += s.next(b[n:])
		if limits.exceededBy(s) {
			return n, false, true
		}
		if s.blanked && s.lines > 0 {
			return n, true, false
		}
	}
	return n, false, false
}

// follow scans b, which may contain the ends of any number of heads and chunks. It keeps the counts
// since the last empty line.
func (s *headScan) follow(b []byte) {
	if len(b) > readAhead {
		b = b[len(b)-readAhead:]
		*s = headScan{line: 2}
	}
	for n := 0; n < len(b); {
		n += s.next(b[n:])
		if s.blanked {
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
	s.blanked = false
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
		s.blanked = true
	} else {
		s.lines++
	}
	s.line, s.onlyCR = 0, false
	return n + 1
}
