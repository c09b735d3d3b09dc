package pades

import (
	"context"
	"crypto"
	_ "crypto/sha256" // the hashes that a Credential may name
	_ "crypto/sha512"
	"encoding"
	"hash"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const readBlock = 256 << 10 // bytes per read of the original

// hashOriginal returns the state of the hash after the last byte of the original. For SHA-256 the
// state already exists, because the upload was hashed while it was spooled. For any other hash the
// original is read once.
func hashOriginal(ctx context.Context, in signing.Input, algorithm crypto.Hash) ([]byte, error) {
	if !algorithm.Available() {
		return nil, signing.Errorf(signing.KindCertificate, "the hash algorithm of the credential is not supported")
	}
	if algorithm == crypto.SHA256 && len(in.Midstate) > 0 {
		if _, err := resumeHash(algorithm, in.Midstate); err != nil {
			return nil, err
		}
		return in.Midstate, nil
	}
	h := algorithm.New()
	if err := hashRange(ctx, h, in.File, 0, in.File.Size()); err != nil {
		return nil, err
	}
	m, ok := h.(encoding.BinaryMarshaler)
	if !ok {
		return nil, signing.Errorf(signing.KindInternal, "hash %v cannot be stored", algorithm)
	}
	b, err := m.MarshalBinary()
	if err != nil {
		return nil, internal("store hash", err)
	}
	return b, nil
}

// hashRange writes bytes from begin to end of r into h.
func hashRange(ctx context.Context, h hash.Hash, r io.ReaderAt, begin, end int64) error {
	buf := make([]byte, min(readBlock, max(0, end-begin)))
	for begin < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.ReadAt(buf[:min(int64(len(buf)), end-begin)], begin)
		h.Write(buf[:n])
		begin += int64(n)
		if err != nil && (err != io.EOF || begin < end) {
			return (&signing.Error{Kind: signing.KindStorage, Detail: "the document could not be read", Err: err}).Retryable(0)
		}
	}
	return nil
}

func resumeHash(algorithm crypto.Hash, midstate []byte) (hash.Hash, error) {
	h := algorithm.New()
	u, ok := h.(encoding.BinaryUnmarshaler)
	if !ok {
		return nil, signing.Errorf(signing.KindInternal, "hash %v cannot be resumed", algorithm)
	}
	if err := u.UnmarshalBinary(midstate); err != nil {
		return nil, internal("resume hash", err)
	}
	return h, nil
}

// continueHash continues a hash from a midstate with the parts and returns the digest.
func continueHash(algorithm crypto.Hash, midstate []byte, parts ...[]byte) ([]byte, error) {
	h, err := resumeHash(algorithm, midstate)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil), nil
}
