package pdf

import (
	"io"
)

const maxRowBytes = 1 << 20 // of one predicted row; enough for 8,000 pixels of 32 components of 32 bits

// predicted undoes the predictor that the filter parameters name (ISO 32000-2 7.4.4.4).
func (d *decoder) predicted(r io.Reader, parms *Dict) (io.Reader, error) {
	predictor, err := d.resolver.Int(parms.Get("Predictor"), 1)
	if err != nil || predictor <= 1 {
		return r, err
	}
	var v [3]int64
	for i, p := range []struct {
		key       Name
		otherwise int64
	}{{"Colors", 1}, {"BitsPerComponent", 8}, {"Columns", 1}} {
		if v[i], err = d.resolver.Int(parms.Get(p.key), p.otherwise); err != nil {
			return nil, err
		}
		if v[i] < 1 || v[i] > maxRowBytes {
			return nil, damaged("a predictor has a wrong /%s", string(p.key))
		}
	}
	colors, bits, columns := v[0], v[1], v[2]
	if bits > 32 || colors > 32 || columns*colors*bits > 8*maxRowBytes {
		return nil, tooComplex("a predicted row takes more than %d bytes", maxRowBytes)
	}
	row, pixel := int((columns*colors*bits+7)/8), int(max(1, colors*bits/8))
	switch {
	case predictor >= 10:
		return &pngReader{r: r, row: make([]byte, row), above: make([]byte, row), pixel: pixel}, nil
	case predictor == 2 && bits == 8:
		return &tiffReader{r: r, row: make([]byte, row), pixel: pixel}, nil
	}
	return nil, unsupported("a stream has an unknown predictor")
}

// pngReader undoes PNG filters, row by row (PNG specification 9.2).
type pngReader struct {
	r          io.Reader
	row, above []byte
	pixel      int
	out        []byte
}

func (p *pngReader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if len(p.out) == 0 {
		if err := p.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, p.out)
	p.out = p.out[n:]
	return n, nil
}

func (p *pngReader) next() error {
	var kind [1]byte
	if _, err := io.ReadFull(p.r, kind[:]); err != nil {
		return err
	}
	p.row, p.above = p.above, p.row
	n, err := io.ReadFull(p.r, p.row)
	if err != nil && (err != io.ErrUnexpectedEOF || n == 0) {
		return noEOF(err)
	}
	p.out = p.row[:n] // the last row may be short
	return p.undo(kind[0])
}

func (p *pngReader) undo(kind byte) error {
	for i := range p.out {
		var left, upLeft byte
		up := p.above[i]
		if i >= p.pixel {
			left, upLeft = p.row[i-p.pixel], p.above[i-p.pixel]
		}
		switch kind {
		case 0:
			return nil
		case 1:
			p.row[i] += left
		case 2:
			p.row[i] += up
		case 3:
			p.row[i] += byte((int(left) + int(up)) / 2)
		case 4:
			p.row[i] += paeth(int(left), int(up), int(upLeft))
		default:
			return damaged("predicted data is broken")
		}
	}
	return nil
}

func paeth(a, b, c int) byte {
	pa, pb, pc := abs(b-c), abs(a-c), abs(a+b-2*c)
	switch {
	case pa <= pb && pa <= pc:
		return byte(a)
	case pb <= pc:
		return byte(b)
	}
	return byte(c)
}

func abs(i int) int { return max(i, -i) }

// tiffReader undoes TIFF predictor 2 for components of eight bits.
type tiffReader struct {
	r     io.Reader
	row   []byte
	pixel int
	out   []byte
}

func (t *tiffReader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if len(t.out) == 0 {
		n, err := io.ReadFull(t.r, t.row)
		if n == 0 {
			return 0, err
		}
		t.out = t.row[:n]
		for i := t.pixel; i < n; i++ {
			t.out[i] += t.out[i-t.pixel]
		}
	}
	n := copy(b, t.out)
	t.out = t.out[n:]
	return n, nil
}
