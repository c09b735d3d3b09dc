package cades

import (
	"context"
	"crypto"
	_ "crypto/sha256" // the hashes that a Credential may name
	_ "crypto/sha512"
	"encoding"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// digestOfInput returns the digest of the original. For SHA-256 its state is usually known, because
// the proxy hashes an upload while it stores it. Otherwise the original is read once.
func digestOfInput(ctx context.Context, in signing.Input, algorithm crypto.Hash) ([]byte, error) {
	if algorithm == crypto.SHA256 && len(in.Midstate) > 0 {
		h := algorithm.New()
		u, ok := h.(encoding.BinaryUnmarshaler)
		if !ok {
			return nil, signing.Errorf(signing.KindInternal, "hash %v cannot be resumed", algorithm)
		}
		if err := u.UnmarshalBinary(in.Midstate); err != nil {
			return nil, internal("resume hash", err)
		}
		return h.Sum(nil), nil
	}
	sums, err := digestsOf(ctx, in.File, []crypto.Hash{algorithm})
	return sums[algorithm], err
}

// digestsOf returns the digests of a file with those of the hashes that are available. It reads the
// file once.
func digestsOf(ctx context.Context, file signing.Sized, hashes []crypto.Hash) (map[crypto.Hash][]byte, error) {
	d := newDigester(hashes)
	r := io.NewSectionReader(contextReader{ctx, file}, 0, file.Size())
	n, err := io.CopyBuffer(struct{ io.Writer }{d}, struct{ io.Reader }{r}, make([]byte, readBlock))
	if err == nil && n < file.Size() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, (&signing.Error{
			Kind: signing.KindStorage, Detail: "the document could not be read", Err: err,
		}).Retryable(0)
	}
	return d.sums(), nil
}
