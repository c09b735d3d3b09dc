package signing

import (
	"errors"
	"fmt"
	"math"
)

// MaxPieces is how many pieces a signed document has at most. The known formats need four.
const MaxPieces = 5

const (
	// maxOmitted is how many bytes of an XML document a list may omit at most, see Pieces. A format
	// keeps the blanks of an empty root element that has more.
	maxOmitted = 256
	// maxOmittedHead and maxOmittedTail are how many bytes before and after the content of a CMS file
	// a list may omit at most. They are above what pkg/cades reads there.
	maxOmittedHead = 128 << 10
	maxOmittedTail = 32 << 20
)

// Piece is a range of bytes of a signed document: the bytes [From, To) of its section, or of its
// original. It is not empty.
type Piece struct {
	New      bool // of the section; false = of the original
	From, To int64
}

func (p Piece) size() int64 { return p.To - p.From }

// String returns the piece in the notation of the stored lists, such as "original[0,100)".
func (p Piece) String() string {
	source := "original"
	if p.New {
		source = "new"
	}
	return fmt.Sprintf("%s[%d,%d)", source, p.From, p.To)
}

// Pieces says how a signed document is joined from its original and its section, which holds the
// new bytes. A list has 1 to MaxPieces pieces. Every byte of the section and every byte of the
// original appears exactly once and in order. There are three exceptions for the original:
//
//   - A detached signature (CAdES) has no byte of the original.
//   - If a further signature is added to a CMS file (CAdES), its content stays, in one piece
//     between new bytes. What is before and after the content is written again.
//   - The slash of an empty XML root element (<a/>) and the blanks before it may be omitted, so
//     that the element can get content (<a>...</a>).
//
// Check tests everything except the values of the omitted bytes, which Join reads.
type Pieces []Piece

// Appended returns the list of a format that appends: the original, then the section. Sizes are
// in bytes.
func Appended(original, section int64) Pieces {
	last := Piece{New: true, To: section}
	if original == 0 {
		return Pieces{last}
	}
	return Pieces{{To: original}, last}
}

// Size returns the size of the signed document in bytes. It is meaningful only if Check found
// nothing.
func (p Pieces) Size() (n int64) {
	for _, piece := range p {
		n += piece.size()
	}
	return n
}

// Check returns an error if the list does not follow the rules for an original and a section of
// these sizes in bytes. The list and the sizes may come from a damaged disk.
func (p Pieces) Check(original, section int64) error {
	if len(p) == 0 || len(p) > MaxPieces {
		return fmt.Errorf("%d pieces, want 1 to %d", len(p), MaxPieces)
	}
	if original < 0 || section < 0 || original > math.MaxInt64-section {
		return fmt.Errorf("an original of %d bytes and a section of %d bytes are not possible", original, section)
	}
	if from, to, ok := p.kept(original); ok {
		return Pieces{p[0], {To: to - from}, p[2]}.Check(to-from, section)
	}
	var usedOriginal, usedNew int64 // all bytes before these positions are used or omitted
	omissions := 0
	for _, piece := range p {
		used, size := &usedOriginal, original
		if piece.New {
			used, size = &usedNew, section
		}
		if piece.From < 0 || piece.To <= piece.From || piece.To > size {
			return fmt.Errorf("%v is empty or out of range, there are %d bytes", piece, size)
		}
		if piece.From != *used {
			if piece.New || usedOriginal == 0 || piece.From < usedOriginal || piece.From-usedOriginal > maxOmitted {
				return fmt.Errorf("%v does not start at byte %d", piece, *used)
			}
			omissions++
		}
		*used = piece.To
	}
	switch {
	case omissions > 1:
		return errors.New("bytes of the original are omitted at two places")
	case usedNew != section:
		return fmt.Errorf("%d of %d new bytes are used", usedNew, section)
	case usedOriginal != original && usedOriginal > 0:
		return fmt.Errorf("%d of %d bytes of the original are used", usedOriginal, original)
	}
	return nil
}

// kept returns the range of the original that stays when a further signature is added to a CMS
// file. ok is false for a list of any other shape.
func (p Pieces) kept(original int64) (from, to int64, ok bool) {
	if len(p) != 3 || !p[0].New || p[1].New || !p[2].New {
		return 0, 0, false
	}
	from, to = p[1].From, p[1].To
	ok = 0 < from && from <= maxOmittedHead && from < to && to < original && original-to <= maxOmittedTail
	return from, to, ok
}

// end returns the first byte of the original after the pieces.
func (p Pieces) end() (end int64) {
	for _, piece := range p {
		if !piece.New {
			end = piece.To
		}
	}
	return end
}

// omitted returns the range of the original that the list omits in front of a later piece. The
// range is empty if the list omits nothing, and for a detached signature.
func (p Pieces) omitted() (from, to int64) {
	for _, piece := range p {
		if piece.New {
			continue
		}
		if piece.From != from {
			return from, piece.From
		}
		from = piece.To
	}
	return from, from
}
