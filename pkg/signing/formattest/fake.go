package formattest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Fake is a format of a shape. Its section is the signature value over the SHA-256 of the original.
// It reads the whole original into memory, because documents of tests are small. It is safe for
// concurrent use.
type Fake struct {
	Shape      Shape
	Credential *signing.Credential // signs with SHA-256
}

var _ signing.Format = Fake{}

// Prepare implements signing.Format.
func (f Fake) Prepare(_ context.Context, in signing.Input, _ *signing.Credential) (signing.Prepared, error) {
	content, err := io.ReadAll(io.NewSectionReader(in.File, 0, in.File.Size()))
	if err != nil {
		return signing.Prepared{}, err
	}
	digest := sha256.Sum256(content)
	return signing.Prepared{Digest: digest[:], State: bytes.Clone(digest[:])}, nil
}

// Embed implements signing.Format.
func (f Fake) Embed(
	_ context.Context, in signing.Input, p signing.Prepared, value []byte,
) ([]byte, signing.Pieces, error) {
	if !bytes.Equal(p.Digest, p.State) {
		return nil, nil, errors.New("the state was not kept")
	}
	if err := f.CheckValue(p, value); err != nil {
		return nil, nil, err
	}
	return value, f.Shape.Pieces(in.File.Size(), int64(len(value))), nil
}

// CheckValue implements signing.Format.
func (f Fake) CheckValue(p signing.Prepared, value []byte) error {
	return signing.VerifyValue(f.Credential, p.Digest, value)
}
