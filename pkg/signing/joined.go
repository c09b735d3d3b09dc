package signing

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Sized is random access to a known number of bytes.
type Sized interface {
	io.ReaderAt
	Size() int64
}

// Joined is a signed document that is joined from its pieces while it is read. It is safe for
// concurrent use if its original and its section are.
type Joined struct {
	original, section io.ReaderAt
	pieces            Pieces
	size              int64
}

// Join returns the signed document. It returns an error if the list does not follow the rules of
// Pieces. For this it reads the few bytes of the original that the list omits. The error is of
// KindStorage if they cannot be read.
func Join(original, section Sized, pieces Pieces) (*Joined, error) {
	if err := pieces.Check(original.Size(), section.Size()); err != nil {
		return nil, err
	}
	if err := checkOmitted(original, pieces); err != nil {
		return nil, err
	}
	return &Joined{original: original, section: section, pieces: pieces, size: pieces.Size()}, nil
}

// errOmitted is the error for a list that omits bytes that it must not omit.
var errOmitted = errors.New("the omitted bytes are not the slash of an empty element")

// checkOmitted reads the bytes of an XML document that pieces omits. They must be blanks and the
// slash of an empty XML element (XML 1.0, 3.1 EmptyElemTag), and the next character must be its
// ">". In UTF-16 each of these characters takes two bytes.
func checkOmitted(original Sized, pieces Pieces) error {
	from, to := pieces.omitted()
	if _, _, kept := pieces.kept(original.Size()); kept || from == to {
		return nil
	}
	text := make([]byte, min(to-from+2, original.Size()-from)) // maxOmitted+2 at most
	if n, err := original.ReadAt(text, from); n < len(text) {
		return storageError(fmt.Errorf("read omitted bytes: %w", err))
	}
	ok := true
	if narrow := text[:to-from+1]; bytes.IndexByte(narrow, 0) < 0 {
		text = narrow
	} else {
		text, ok = fromUTF16(text)
	}
	blanks, found := bytes.CutSuffix(text, []byte("/>"))
	if !ok || !found || len(bytes.Trim(blanks, " \t\r\n")) > 0 {
		return errOmitted
	}
	return nil
}

// fromUTF16 returns the characters of a text in UTF-16 that has only ASCII characters.
func fromUTF16(text []byte) (ascii []byte, ok bool) {
	if len(text)%2 != 0 {
		return nil, false
	}
	zero := 1 // little endian
	if text[0] == 0 {
		zero = 0
	}
	for i := 0; i < len(text); i += 2 {
		if text[i+zero] != 0 {
			return nil, false
		}
		ascii = append(ascii, text[i+1-zero])
	}
	return ascii, true
}

// Size returns the size of the signed document in bytes.
func (j *Joined) Size() int64 { return j.size }

// ReadAt implements io.ReaderAt. A read may cross boundaries of pieces. It returns
// io.ErrUnexpectedEOF if the original or the section has become shorter.
func (j *Joined) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("read of a signed document at a negative offset")
	}
	start := int64(0) // of the piece
	for _, piece := range j.pieces {
		inside := off + int64(n) - start
		start += piece.size()
		if n == len(p) || inside >= piece.size() {
			continue
		}
		source := j.original
		if piece.New {
			source = j.section
		}
		part := p[n : n+int(min(int64(len(p)-n), piece.size()-inside))]
		m, err := source.ReadAt(part, piece.From+inside)
		n += m
		if m < len(part) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
