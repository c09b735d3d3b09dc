package pdf

import (
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	maxOperands     = 4096 // before one operator; the standard's own limit for DeviceN is 32
	maxContentFault = 1000 // stray brackets and the like that are stepped over
)

// Content reads a content stream, or what is written like one: CMaps and appearances (ISO 32000-2
// 7.8.2).
type Content struct {
	lex    *lexer
	p      *parser
	faults int
	most   int                     // operands before one operator
	spill  func(operands []Object) // takes them where there are more; nil: that is an error
}

// NewContent reads decoded content from r.
func NewContent(r io.Reader) *Content {
	lex := newLexer(r, 0, maxDecoded)
	return &Content{lex: lex, p: &parser{lex: lex}, most: maxOperands}
}

// Spill has Next hand over operands whenever there are n of them before their operator, where it
// would fail with too many of them otherwise. Next returns the operator with those that are left.
// It is for CMaps, whose blocks may hold any number of entries.
func (c *Content) Spill(n int, take func(operands []Object)) { c.most, c.spill = n, take }

// Next returns the next operator with its operands; io.EOF at the end. Stray brackets are stepped
// over. An inline image comes as the operator BI with its dictionary as the only operand, its data
// left out.
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
	c.p.items = 0 // their limit is one object's
	o, keyword, err = c.p.object(0)
	return o, keyword, false, err
}

// inlineImage reads from behind BI to behind EI (ISO 32000-2 8.9.7).
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

// skipImage steps over image data: to an EI between white space. Data that holds the same by chance
// is not told from it.
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
