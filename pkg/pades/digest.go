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

// In this file the original is the document before it is signed. A midstate is the stored state of
// a hash function after the last byte of the original. Hashing continues from it with the bytes
// that are appended, without reading the original again.

const readBlock = 256 << 10 // bytes per read of the original

// hashOriginal returns the midstate of the original. For SHA-256 it usually exists already, because
// the proxy hashes an upload while it stores it. Otherwise hashOriginal reads the original once.
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
		return nil, signing.Errorf(signing.KindInternal, "the state of hash %v cannot be stored", algorithm)
	}
	b, err := m.MarshalBinary()
	if err != nil {
		return nil, internal("store state of hash", err)
	}
	return b, nil
}

// hashRange writes the bytes of r from offset begin up to, but not including, offset end into h. A
// document that cannot be read is a retryable error of KindStorage.
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

// resumeHash returns a hash in the state midstate.
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

// continueHash resumes a hash from a midstate, adds the parts in order and returns the digest.
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
