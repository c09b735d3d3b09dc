package formattest

import (
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Shape is a way to join a signed document from an original and a section.
type Shape struct {
	Name    string
	Promise Promise
	// Root is what an original of this shape starts with. Only an empty root element needs it.
	Root string
	join func(original, section int64) signing.Pieces
}

// emptyRoot is a root element of which the last three bytes are " />".
const emptyRoot = "<invoice />"

// Shapes are the shapes of the known formats, and one with as many pieces as are allowed.
var Shapes = []Shape{
	{Name: "append", Promise: Appends, join: signing.Appended},
	{Name: "insert", Promise: Inserts, join: func(n, s int64) signing.Pieces {
		return signing.Pieces{{To: n / 2}, {New: true, To: s}, {From: n / 2, To: n}}
	}},
	{Name: "empty root", Promise: Inserts, Root: emptyRoot, join: func(n, s int64) signing.Pieces {
		const name = int64(len(emptyRoot) - len(" />"))
		return signing.Pieces{{To: name}, {New: true, To: s}, {From: name + int64(len(" /")), To: n}}
	}},
	{Name: "wrap", Promise: Wraps, join: func(n, s int64) signing.Pieces {
		return signing.Pieces{{New: true, To: s / 3}, {To: n}, {New: true, From: s / 3, To: s}}
	}},
	{Name: "detached", Promise: Detaches, join: func(_, s int64) signing.Pieces {
		return signing.Pieces{{New: true, To: s}}
	}},
	{Name: "keep the middle", join: func(n, s int64) signing.Pieces {
		return signing.Pieces{{New: true, To: s / 3}, {From: n / 3, To: n - n/3}, {New: true, From: s / 3, To: s}}
	}},
	{Name: "five pieces", join: func(n, s int64) signing.Pieces {
		return signing.Pieces{
			{To: n / 3}, {New: true, To: s / 2}, {From: n / 3, To: n / 2}, {New: true, From: s / 2, To: s}, {From: n / 2, To: n},
		}
	}},
}

// Original returns content as an original of this shape.
func (s Shape) Original(content []byte) []byte { return append([]byte(s.Root), content...) }

// Pieces returns the list for an original and a section of these sizes in bytes.
func (s Shape) Pieces(original, section int64) signing.Pieces {
	return slices.DeleteFunc(s.join(original, section), func(p signing.Piece) bool { return p.From == p.To })
}

// Joined returns the signed document. It is a second implementation of signing.Join, for small
// documents.
func (s Shape) Joined(original, section []byte) (signed []byte) {
	for _, p := range s.Pieces(int64(len(original)), int64(len(section))) {
		source := original
		if p.New {
			source = section
		}
		signed = append(signed, source[p.From:p.To]...)
	}
	return signed
}
