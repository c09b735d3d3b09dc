package velocity

import "strings"

// Text is a rendered template, piece by piece.
type Text []Piece

// Piece is a part of a text that comes from one source.
type Piece struct {
	Text string
	// Reference names the reference whose value Text is, without arguments, as in
	// $certificate.getCommonName(). It is empty for the template's own text.
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

// write adds text. Neighbours that the template itself holds become one piece.
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
