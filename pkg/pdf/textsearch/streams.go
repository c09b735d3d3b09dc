package textsearch

import (
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// streams opens the content streams and CMaps of one search, and counts what is read from them.
type streams struct {
	d     *pdf.Document
	meter *meter
}

// open returns the data of a stream; nil if o is not a stream.
func (s *streams) open(o pdf.Object) (io.Reader, error) {
	if err := s.meter.stream(); err != nil {
		return nil, err
	}
	v, err := s.d.Get(o)
	if err != nil {
		return nil, err
	}
	stm, ok := v.(*pdf.Stream)
	if !ok {
		return nil, nil
	}
	return s.d.Data(stm)
}

// joined reads several streams, one after the other, with white space between them. It opens each
// stream when it reaches it.
type joined struct {
	streams *streams
	list    pdf.Array
	open    io.Reader
}

func (j *joined) Read(p []byte) (int, error) {
	for {
		if j.open == nil {
			if len(j.list) == 0 {
				return 0, io.EOF
			}
			o := j.list[0]
			j.list = j.list[1:]
			r, err := j.streams.open(o)
			if err != nil && fatal(err) {
				return 0, err
			}
			if j.open = r; r == nil {
				continue
			}
		}
		n, err := j.open.Read(p)
		if err := j.streams.meter.content(n); err != nil {
			return n, err
		}
		switch {
		case err == nil && n > 0:
			return n, nil
		case err != nil && fatal(err):
			return n, err
		case err != nil:
			j.open = nil
			if n == 0 && len(p) > 0 {
				p[0] = '\n'
				return 1, nil
			}
			return n, nil
		}
	}
}

// metered reads r and counts the bytes.
type metered struct {
	r     io.Reader
	meter *meter
}

func (m metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if over := m.meter.content(n); over != nil {
		return n, over
	}
	return n, err
}
