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
func (a access) OpenSigned(ctx context.Context, d Document) (File, error) {
	if d.State != DocumentSigned {
		return nil, Errorf(KindNotFound, "document %d is not signed", d.Index)
	}
	original, err := a.cfg.Store.OpenFile(ctx, d.Operation, d.Content)
	if err != nil {
		return nil, err
	}
	section, err := a.cfg.Store.OpenSection(ctx, d.Ref)
	if err != nil {
		return nil, errors.Join(err, original.Close())
	}
	return &signedFile{original: original, section: section, content: d.Content, hash: sha256.New()}, nil
}

// signedFile reads an original and its section as one file.
type signedFile struct {
	original, section File
	content           Content // of original
	hash              hash.Hash
	hashed            int64 // bytes of original that were hashed, from its beginning
}

// check hashes bytes of original while they are read in order. At the end of original it compares
// the digest with content.
func (f *signedFile) check(p []byte, off int64) error {
	if off != f.hashed || len(p) == 0 {
		return nil
	}
	f.hash.Write(p)
	f.hashed += int64(len(p))
	if f.hashed < f.original.Size() {
		return nil
	}
	return checkDigest(f.hash, f.content)
}

func (f *signedFile) Size() int64 { return f.original.Size() + f.section.Size() }

func (f *signedFile) Close() error { return errors.Join(f.original.Close(), f.section.Close()) }

// ReadAt implements io.ReaderAt. A read may cross the boundary between original and section.
func (f *signedFile) ReadAt(p []byte, off int64) (int, error) {
	split := f.original.Size()
	if off >= split {
		return f.section.ReadAt(p, off-split)
	}
	if off+int64(len(p)) <= split {
		n, err := f.original.ReadAt(p, off)
		if err == io.EOF && n == len(p) {
			err = nil // the end of original is not the end of the document
		}
		if altered := f.check(p[:n], off); altered != nil {
			return 0, altered
		}
		return n, err
	}
	n, err := f.original.ReadAt(p[:split-off], off)
	if int64(n) < split-off {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF // the original is shorter than it was when it was signed
		}
		return n, err
	}
	if err := f.check(p[:n], off); err != nil {
		return 0, err
	}
	m, err := f.section.ReadAt(p[n:], 0)
	return n + m, err
}
