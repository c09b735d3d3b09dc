package pdf

import (
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	maxOperands     = 4096 // before one operator; the standard limits DeviceN, the largest, to 32
	maxContentFault = 1000 // syntax errors, such as stray brackets, that are skipped
)

// Content reads a content stream, or anything with the same syntax: CMaps and appearances (ISO
// 32000-2 7.8.2).
type Content struct {
	lex    *lexer
	p      *parser
	faults int
	most   int                     // operands before one operator
	spill  func(operands []Object) // takes the operands if there are more; nil: too many are an error
}

// NewContent reads decoded content from r.
func NewContent(r io.Reader) *Content {
	lex := newLexer(r, 0, maxDecoded)
	return &Content{lex: lex, p: &parser{lex: lex}, most: maxOperands}
}

// Spill makes Next call take whenever there are n operands before their operator, instead of
// failing if there are too many. Next then returns the operator with the remaining operands. It is
// for CMaps, whose blocks may have any number of entries.
func (c *Content) Spill(n int, take func(operands []Object)) { c.most, c.spill = n, take }

// Next returns the next operator with its operands, and io.EOF at the end. It skips stray brackets.
// It returns an inline image as the operator BI with its dictionary as the only operand, and skips
// the image data.
func (c *Content) Next() (operator string, operands []Object, err error) {
	for {
		o, keyword, end, err := c.item()
		switch {
		case err != nil:
			if c.faults++; c.faults > maxContentFault || signing.KindOf(err) != signing.KindDamaged || c.lex.peek() < 0 {
				return "", nil, err
			}
		case end:
			return "", nil, io.EOF
		case keyword == "BI":
			image, err := c.inlineImage()
			return "BI", []Object{image}, err
		case keyword != "":
			return keyword, operands, nil
		case len(operands) < c.most:
			operands = append(operands, o)
		case c.spill == nil:
			return "", nil, tooComplex("an operator has more than %d operands", c.most)
		default:
			c.spill(operands)
			operands = append(operands[:0], o)
		}
	}
}

func (c *Content) item() (o Object, keyword string, end bool, err error) {
	c.lex.skipSpace()
	if c.lex.peek() < 0 {
		return nil, "", true, c.lex.fault()
	}
	c.p.items = 0 // the limit of items is for one object
	o, keyword, err = c.p.object(0)
	return o, keyword, false, err
}

// inlineImage reads an inline image from behind BI to behind EI (ISO 32000-2 8.9.7).
func (c *Content) inlineImage() (*Dict, error) {
	image := &Dict{}
	var key Name
	var hasKey bool
	for {
		o, keyword, end, err := c.item()
		switch {
		case err != nil:
			return nil, err
		case end:
			return nil, io.EOF
		case keyword == "ID":
			return image, c.skipImage()
		case keyword != "":
			return nil, damaged("an inline image is broken")
		case hasKey:
			image.Set(key, o)
			hasKey = false
		default:
			if key, hasKey = o.(Name); !hasKey {
				return nil, damaged("an inline image is broken")
			}
		}
	}
}

// skipImage skips image data up to an EI between white space. It cannot recognise image data that
// contains the same bytes by chance.
func (c *Content) skipImage() error {
	before := c.lex.take()
	for {
		b := c.lex.take()
		if b < 0 {
			return c.lex.fault()
		}
		if b == 'E' && isSpace(before) && c.lex.peek() == 'I' {
			if after := c.lex.peekAt(1); after < 0 || isSpace(after) {
				c.lex.take()
				return nil
			}
		}
		before = b
	}
}
