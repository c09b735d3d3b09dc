package textsearch

import (
	"errors"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// interpreter runs one content stream.
type interpreter struct {
	*search
	resources *pdf.Dict
	states    []state
	now       state
	above     []pdf.Ref // form XObjects that contain this one
}

// run interprets a content stream that starts in a given state.
func (s *search) run(r io.Reader, resources pdf.Object, begin state, above []pdf.Ref) error {
	dict, err := s.d.Dict(resources)
	if err != nil && fatal(err) {
		return err
	}
	in := &interpreter{search: s, resources: dict, now: begin, above: above}
	c := pdf.NewContent(r)
	for {
		operator, operands, err := c.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.meter.operator(); err != nil {
			return err
		}
		if s.meter.spent.operators%4096 == 0 {
			if err := s.ctx.Err(); err != nil {
				return err
			}
		}
		if err := in.do(operator, operands); err != nil && fatal(err) {
			return err
		}
	}
}

// do executes one operator. It ignores operators with wrong operands.
func (in *interpreter) do(operator string, operands []pdf.Object) error {
	n := &in.now
	switch operator {
	case "q":
		if len(in.states) < maxStates {
			in.states = append(in.states, *n)
		}
	case "Q":
		if len(in.states) > 0 {
			*n = in.states[len(in.states)-1]
			in.states = in.states[:len(in.states)-1]
		}
	case "cm":
		if m, ok := matrixOf(operands); ok {
			n.ctm = m.times(n.ctm)
		}
	case "BT":
		n.text, n.line = identity, identity
	case "Do":
		return in.object(operands)
	case "gs":
		return in.parameters(operands)
	case "Tf":
		if len(operands) == 2 {
			n.size = number(operands[1])
			return in.setFont(operands[0])
		}
	case "Tm":
		if m, ok := matrixOf(operands); ok {
			n.text, n.line = m, m
		}
	case "Td", "TD":
		if len(operands) == 2 {
			x, y := number(operands[0]), number(operands[1])
			n.nextLine(x, y)
			if operator == "TD" {
				n.leading = -y
			}
		}
	case "T*":
		n.nextLine(0, -n.leading)
	default:
		in.setNumber(operator, operands)
		return in.show(operator, operands)
	}
	return nil
}

// setNumber executes the operators that set one number of the text state.
func (in *interpreter) setNumber(operator string, operands []pdf.Object) {
	if len(operands) != 1 {
		return
	}
	n := &in.now
	switch operator {
	case "Tc":
		n.charSpace = number(operands[0])
	case "Tw":
		n.wordSpace = number(operands[0])
	case "Tz":
		n.scale = number(operands[0]) / 100
	case "TL":
		n.leading = number(operands[0])
	case "Ts":
		n.rise = number(operands[0])
	}
}

// show executes the operators that show text (ISO 32000-2 table 107).
func (in *interpreter) show(operator string, operands []pdf.Object) error {
	n := &in.now
	switch {
	case operator == "Tj" && len(operands) == 1:
		return in.showString(operands[0])
	case operator == "'" && len(operands) == 1:
		n.nextLine(0, -n.leading)
		return in.showString(operands[0])
	case operator == `"` && len(operands) == 3:
		n.wordSpace, n.charSpace = number(operands[0]), number(operands[1])
		n.nextLine(0, -n.leading)
		return in.showString(operands[2])
	case operator == "TJ" && len(operands) == 1:
		list, _ := operands[0].(pdf.Array)
		for _, o := range list {
			if k, ok := o.(pdf.Number); ok {
				in.advance(-number(k) / 1000 * n.size)
				continue
			}
			if err := in.showString(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// advance moves the text position along the writing direction by a length of unscaled text space.
func (in *interpreter) advance(length float64) {
	n := &in.now
	if n.font != nil && n.font.vertical {
		n.text = move(0, length).times(n.text)
		return
	}
	n.text = move(length*n.scale, 0).times(n.text)
}

func (in *interpreter) showString(o pdf.Object) error {
	str, ok := o.(pdf.String)
	n := &in.now
	if !ok || n.font == nil {
		return nil
	}
	if err := in.meter.shown(len(str.Value)); err != nil {
		return err
	}
	for codes := str.Value; codes != ""; {
		g, length := n.font.next(codes)
		in.place(g)
		step := g.width*n.size + n.charSpace
		if n.font.vertical {
			step = g.height*n.size + n.charSpace
		}
		if length == 1 && codes[0] == ' ' {
			step += n.wordSpace
		}
		in.advance(step)
		codes = codes[length:]
	}
	return nil
}

// place records a glyph at the current text position.
func (in *interpreter) place(g glyph) {
	n := &in.now
	if len(in.text.characters) >= maxCharacters {
		in.finder.look(&in.text)
		in.text.characters = in.text.characters[:0]
	}
	m := matrix{a: n.size * n.scale, d: n.size, f: n.rise}.times(n.text).times(n.ctm)
	x, y := 0.0, 0.0
	if n.font.vertical { // from the top centre to the left end of the baseline (ISO 32000-2 9.7.4.3)
		x, y = -g.width/2, -n.font.originY
	}
	at, right, up := m.point(x, y), m.point(x+g.width, y), m.point(x, y+1)
	c := character{
		text: g.text, at: at, advance: Point{right.X - at.X, right.Y - at.Y}, up: Point{up.X - at.X, up.Y - at.Y},
		ascent: n.font.ascent, descent: n.font.descent,
	}
	if c.at.nearPage() && c.advance.nearPage() && c.up.nearPage() {
		in.text.characters = append(in.text.characters, c)
	}
}

// object executes Do: it runs form XObjects and ignores images.
func (in *interpreter) object(operands []pdf.Object) error {
	if len(operands) != 1 {
		return nil
	}
	name, _ := operands[0].(pdf.Name)
	objects, err := in.d.DictAt(in.resources, "XObject")
	if err != nil {
		return err
	}
	ref, _ := objects.Get(name).(pdf.Ref)
	v, err := in.d.Get(objects.Get(name))
	if err != nil {
		return err
	}
	stm, ok := v.(*pdf.Stream)
	if !ok {
		return nil
	}
	if kind, err := in.d.Name(stm.Dict.Get("Subtype")); err != nil || kind != "Form" {
		return err
	}
	return in.form(stm, ref)
}

func (in *interpreter) form(stm *pdf.Stream, ref pdf.Ref) error {
	if len(in.above) >= maxNesting {
		return nil
	}
	for _, one := range in.above {
		if one == ref { // the form draws itself
			return nil
		}
	}
	if err := in.meter.form(); err != nil {
		return err
	}
	begin := in.now
	list, err := in.d.ArrayAt(stm.Dict, "Matrix")
	if err != nil && fatal(err) {
		return err
	}
	if m, ok := matrixOf(list); ok {
		begin.ctm = m.times(begin.ctm)
	}
	resources := stm.Dict.Get("Resources")
	if resources == nil { // before PDF 1.2, forms used the resources of the page
		resources = in.resources
	}
	r, err := in.streams.open(stm)
	if err != nil {
		return err
	}
	above := append(in.above[:len(in.above):len(in.above)], ref)
	return in.run(&joined{streams: in.streams, open: r}, resources, begin, above)
}

// parameters executes gs, which may set the font.
func (in *interpreter) parameters(operands []pdf.Object) error {
	if len(operands) != 1 {
		return nil
	}
	name, _ := operands[0].(pdf.Name)
	all, err := in.d.DictAt(in.resources, "ExtGState")
	if err != nil {
		return err
	}
	one, err := in.d.Dict(all.Get(name))
	if err != nil {
		return err
	}
	pair, err := in.d.ArrayAt(one, "Font")
	if err != nil || len(pair) != 2 {
		return err
	}
	in.now.size = number(pair[1])
	in.now.font, err = in.fonts.load(pair[0])
	return err
}

func (in *interpreter) setFont(o pdf.Object) error {
	name, _ := o.(pdf.Name)
	in.now.font = nil
	fonts, err := in.d.DictAt(in.resources, "Font")
	if err != nil {
		return err
	}
	in.now.font, err = in.fonts.load(fonts.Get(name))
	return err
}

// number returns the value of a number, or 0 for any other object.
func number(o pdf.Object) float64 {
	n, _ := o.(pdf.Number)
	f, _ := n.Float()
	return f
}

// matrixOf returns the matrix of six numbers (ISO 32000-2 8.3.3). It returns false if there are not
// six objects. An object that is not a number counts as 0.
func matrixOf(a []pdf.Object) (matrix, bool) {
	if len(a) != 6 {
		return matrix{}, false
	}
	return matrix{number(a[0]), number(a[1]), number(a[2]), number(a[3]), number(a[4]), number(a[5])}, true
}
