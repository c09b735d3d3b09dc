package store

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// The column progress.pieces holds the list of pieces of a signed document as text, such as
//
//	1 original[0,100) new[0,50) original[100,300)
//
// The first word is the version of this notation. NULL stands for the list of a format that
// appends: the original, then the section. Releases with database version 6 and before know only
// this list. progress.section_sha256 covers the section and, after it, the text of the list.

// piecesVersion is the version of the notation that this release writes and reads.
const piecesVersion = "1"

// maxPiecesText bounds the text of a list: for each piece a word and two numbers of 19 digits.
const maxPiecesText = 8 + signing.MaxPieces*(len(" original[,)")+2*19)

// encodePieces returns the text of a list. It is empty, for NULL, if the format appends.
func encodePieces(p signing.Pieces) string {
	if len(p) == 0 || len(p) == 2 && !p[0].New && p[1].New {
		return ""
	}
	words := []string{piecesVersion}
	for _, piece := range p {
		words = append(words, piece.String())
	}
	return strings.Join(words, " ")
}

// decodePieces returns the list of a document whose original and section have these sizes. text is
// empty for NULL. It refuses a list that encodePieces does not write, and one that does not fit the
// sizes.
func decodePieces(text string, original, section int64) (signing.Pieces, error) {
	p := signing.Appended(original, section)
	if text != "" {
		var err error
		if p, err = parsePieces(text); err != nil {
			return nil, err
		}
	}
	if err := p.Check(original, section); err != nil {
		return nil, err
	}
	return p, nil
}

var errPiecesText = errors.New("the list of pieces cannot be read")

func parsePieces(text string) (signing.Pieces, error) {
	if len(text) > maxPiecesText {
		return nil, errPiecesText
	}
	words := strings.Split(text, " ")
	if words[0] != piecesVersion {
		return nil, fmt.Errorf("the list of pieces has version %.20q, this release knows %s", words[0], piecesVersion)
	}
	var p signing.Pieces
	for _, word := range words[1:] {
		source, numbers, _ := strings.Cut(word, "[")
		from, to, _ := strings.Cut(strings.TrimSuffix(numbers, ")"), ",")
		piece := signing.Piece{New: source == "new"}
		var errFrom, errTo error
		piece.From, errFrom = strconv.ParseInt(from, 10, 64)
		piece.To, errTo = strconv.ParseInt(to, 10, 64)
		if errFrom != nil || errTo != nil || piece.String() != word {
			return nil, errPiecesText
		}
		p = append(p, piece)
	}
	if encodePieces(p) != text {
		return nil, errPiecesText
	}
	return p, nil
}
