package signing

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
)

// OpenSigned opens a signed document: the stored original and, after it, its appended section. The
// caller must close it, and must read it from one goroutine. The store has checked the section. A
// caller that reads from the beginning to the end gets KindAltered at the end of the original if
// the original is not what was signed.
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

// joined reads two files as one.
type joined struct {
	head, tail File
	content    Content // of head
	hash       hash.Hash
	hashed     int64 // bytes of head that were hashed, from its beginning
}

// check hashes bytes of head while they are read in order. At the end of head it compares the
// digest with content.
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

// ReadAt implements io.ReaderAt. A read may cross the boundary between head and tail.
func (j *joined) ReadAt(p []byte, off int64) (int, error) {
	split := j.head.Size()
	if off >= split {
		return j.tail.ReadAt(p, off-split)
	}
	if off+int64(len(p)) <= split {
		n, err := j.head.ReadAt(p, off)
		if err == io.EOF && n == len(p) {
			err = nil // the end of head is not the end of the document
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
