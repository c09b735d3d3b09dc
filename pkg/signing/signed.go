package signing

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
)

// OpenSigned opens a signed document, which is joined from the stored original and its section. The
// caller must close it, and must read it from one goroutine. The store has checked the section and
// the list of pieces. A caller that reads from the beginning to the end gets KindAltered at the end
// of the original if the original is not what was signed. A detached signature has no byte of the
// original, so its reader is not told of such a change.
func (a access) OpenSigned(ctx context.Context, d Document) (File, error) {
	if d.State != DocumentSigned {
		return nil, Errorf(KindNotFound, "document %d is not signed", d.Index)
	}
	original, err := a.cfg.Store.OpenFile(ctx, d.Operation, d.Content)
	if err != nil {
		return nil, err
	}
	section, pieces, err := a.cfg.Store.OpenSection(ctx, d.Ref)
	if err != nil {
		return nil, errors.Join(err, original.Close())
	}
	f, err := joinStored(original, section, pieces, d)
	if err != nil {
		return nil, errors.Join(err, original.Close(), section.Close())
	}
	return f, nil
}

// joinStored joins a signed document from what the store holds.
func joinStored(original, section File, pieces Pieces, d Document) (File, error) {
	if n := original.Size(); n != d.Content.Size {
		return nil, Errorf(KindStorage, "document %d has %d bytes instead of %d", d.Index, n, d.Content.Size)
	}
	checked := &checkedOriginal{File: original, content: d.Content, hash: sha256.New()}
	checked.omitFrom, checked.omitTo = pieces.omitted()
	checked.end = pieces.end()
	joined, err := Join(checked, section, pieces)
	if err != nil {
		if KindOf(err) != KindStorage {
			err = Errorf(KindAltered, "the signed document was altered on the disk of the service").Because(err)
		}
		return nil, err
	}
	return &signedFile{Joined: joined, original: original, section: section}, nil
}

// signedFile reads an original and its section as one file.
type signedFile struct {
	*Joined
	original, section File
}

func (f *signedFile) Close() error { return errors.Join(f.original.Close(), f.section.Close()) }

// checkedOriginal hashes an original while it is read in order. At its end it compares the digest
// with content.
type checkedOriginal struct {
	File
	content          Content
	omitFrom, omitTo int64 // a range that no reader asks for; it is hashed too
	end              int64 // no reader asks for the bytes from here on; they are hashed too
	hash             hash.Hash
	hashed           int64 // bytes that were hashed, from the beginning
}

// ReadAt implements io.ReaderAt.
func (c *checkedOriginal) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.File.ReadAt(p, off)
	if altered := c.check(p[:n], off); altered != nil {
		return 0, altered
	}
	return n, err
}

// check hashes the bytes at off if they are the next ones. It returns KindAltered at the end of an
// original that is not what was signed.
func (c *checkedOriginal) check(p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	if off == c.omitTo && c.hashed == c.omitFrom && c.omitFrom < c.omitTo {
		if err := c.hashUnread(c.omitTo); err != nil {
			return err
		}
	}
	if off != c.hashed {
		return nil
	}
	c.hash.Write(p)
	c.hashed += int64(len(p))
	if c.hashed == c.end {
		if err := c.hashUnread(c.File.Size()); err != nil {
			return err
		}
	}
	if c.hashed < c.File.Size() {
		return nil
	}
	return checkDigest(c.hash, c.content)
}

// hashUnread hashes the bytes up to a position, which no reader asks for: at most maxOmittedTail.
func (c *checkedOriginal) hashUnread(to int64) error {
	buffer := readBuffers.Get().(*[]byte)
	defer readBuffers.Put(buffer)
	for c.hashed < to {
		part := (*buffer)[:min(to-c.hashed, int64(len(*buffer)))]
		if n, err := c.File.ReadAt(part, c.hashed); n < len(part) {
			return storageError(err)
		}
		c.hash.Write(part)
		c.hashed += int64(len(part))
	}
	return nil
}
