package signing

import (
	"context"
	"crypto/sha256"
	"encoding"
	"io"
	"slices"
)

// SignedDigest returns the SHA-256 of a signed document that OpenSigned has opened as f. It reads
// only the section if the section follows the original, and otherwise the whole document. It checks
// the original only when it reads it.
func (a access) SignedDigest(ctx context.Context, d Document, f File) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	rest := io.NewSectionReader(f, 0, f.Size())
	section := f.Size() - d.Content.Size
	if len(d.Content.Midstate) > 0 && section > 0 && slices.Equal(d.Pieces, Appended(d.Content.Size, section)) {
		if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(d.Content.Midstate); err != nil {
			return sum, storageError(err)
		}
		rest = io.NewSectionReader(f, d.Content.Size, section)
	}
	buffer := readBuffers.Get().(*[]byte)
	defer readBuffers.Put(buffer)
	// Pass only the Writer. Otherwise io would copy with a buffer of its own.
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, contextReader{ctx, rest}, *buffer); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// contextReader stops reading when the context is done.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
