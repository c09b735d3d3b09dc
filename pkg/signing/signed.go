package signing

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
)

// OpenSigned opens a signed document: the stored original and its appended section, joined as they
// are read. The caller closes it, and reads from one goroutine. The section is known to be what was
// stored; who reads from the beginning to the end gets KindAltered at the end of the original if
// that is not what was signed.
func (s *Service) OpenSigned(ctx context.Context, d Document) (File, error) {
	if d.State != DocumentSigned {
		return nil, Errorf(KindNotFound, "document %d is not signed", d.Index)
	}
	original, err := s.cfg.Store.OpenFile(ctx, d.Operation, d.Content)
	if err != nil {
		return nil, err
	}
	section, err := s.cfg.Store.OpenSection(ctx, d.Ref)
	if err != nil {
		return nil, errors.Join(err, original.Close())
	}
	return &joined{head: original, tail: section, content: d.Content, hash: sha256.New()}, nil
}

// joined is two files as one.
type joined struct {
	head, tail File
	content    Content // of head
	hash       hash.Hash
	hashed     int64 // bytes of head, from its beginning
}

// check hashes what was read of the head, as far as it was read in order, and compares at its end.
func (j *joined) check(p []byte, off int64) error {
	if off != j.hashed || len(p) == 0 {
		return nil
	}
	j.hash.Write(p)
	j.hashed += int64(len(p))
	if j.hashed < j.head.Size() {
		return nil
	}
	return sameBytes(j.hash, j.content)
}

func (j *joined) Size() int64 { return j.head.Size() + j.tail.Size() }

func (j *joined) Close() error { return errors.Join(j.head.Close(), j.tail.Close()) }

// ReadAt implements io.ReaderAt over the seam.
func (j *joined) ReadAt(p []byte, off int64) (int, error) {
	split := j.head.Size()
	if off >= split {
		return j.tail.ReadAt(p, off-split)
	}
	if off+int64(len(p)) <= split {
		n, err := j.head.ReadAt(p, off)
		if err == io.EOF && n == len(p) {
			err = nil // the end of the head is not the end
		}
		if altered := j.check(p[:n], off); altered != nil {
			return 0, altered
		}
		return n, err
	}
	n, err := j.head.ReadAt(p[:split-off], off)
	if int64(n) < split-off {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF // the original is shorter than it was when it was signed
		}
		return n, err
	}
	if err := j.check(p[:n], off); err != nil {
		return 0, err
	}
	m, err := j.tail.ReadAt(p[n:], 0)
	return n + m, err
}
