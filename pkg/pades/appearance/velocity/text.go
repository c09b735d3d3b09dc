package velocity

import "strings"

// Text is a rendered template, divided into pieces.
type Text []Piece

// Piece is a part of a text that comes from one source.
type Piece struct {
	Text string
	// Reference is the reference whose value is Text, without arguments, as in
	// $certificate.getCommonName(). It is empty for literal text of the template.
	Reference string
}

// String returns the whole text.
func (t Text) String() string {
	var b strings.Builder
	for _, p := range t {
		b.WriteString(p.Text)
	}
	return b.String()
}

// writer collects the pieces of a text.
type writer struct {
	text Text
	size int // bytes
}

// write adds text. Neighbouring pieces of literal text become one piece.
func (w *writer) write(text, reference string) {
	w.size += len(text)
	if last := len(w.text) - 1; last >= 0 && reference == "" && w.text[last].Reference == "" {
		w.text[last].Text += text
		return
	}
	if text != "" {
		w.text = append(w.text, Piece{Text: text, Reference: reference})
	}
}
