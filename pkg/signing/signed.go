package signing

import (
	"context"
	"errors"
	"io"
)

// OpenSigned opens a signed document: the stored original and its appended section, joined as they are read. The caller closes it.
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
	return &joined{head: original, tail: section}, nil
}

// joined is two files as one.
type joined struct{ head, tail File }

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
		return n, err
	}
	n, err := j.head.ReadAt(p[:split-off], off)
	if int64(n) < split-off {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF // the original is shorter than it was when it was signed
		}
		return n, err
	}
	m, err := j.tail.ReadAt(p[n:], 0)
	return n + m, err
}
