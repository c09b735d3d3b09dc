package store

import (
	"crypto/sha256"
	"errors"
	"io"
	"syscall"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// leastClone is how many bytes a document has at least that is cloned. A smaller one is copied
	// faster.
	leastClone = 64 << 10
	// cloneAlign is where a clone may begin in the file: at a block of the usual file systems. On one
	// with larger blocks the document is copied.
	cloneAlign = 4 << 10
)

// clone adds a document that is a file of the same file system, such as a file of a hot folder. It
// shares the blocks of that file instead of copying them, and a later write to that file does not
// change them. It reports false, and changes nothing, if the document is no file or the file system
// cannot do it (ext4 cannot, XFS and Btrfs can). The next documents are then copied without a try.
// It also reports false if the clone cannot be read.
func (u *upload) clone(r io.Reader) (c signing.Content, ok bool, err error) {
	section, isSection := r.(*io.SectionReader)
	if !isSection || u.copies {
		return c, false, nil
	}
	outer, from, n := section.Outer()
	source, isFile := outer.(syscall.Conn)
	if !isFile || n < leastClone {
		return c, false, nil
	}
	at := (u.size + cloneAlign - 1) &^ (cloneAlign - 1)
	if cloneRange(u.file, at, source, from, n) != nil {
		u.copies = true
		return c, false, u.cut()
	}
	c, err = u.cloned(at, n)
	switch {
	case errors.Is(err, errCloneUnread):
		return c, false, u.cut()
	case err != nil:
		return c, false, err
	}
	u.size = at // without the gap before it
	return c, true, nil
}

// errCloneUnread says that a clone cannot be read. It has the blocks of the document, so perhaps
// the disk has lost one of them. Then the copy fails with an error of the document, and not of the
// store.
var errCloneUnread = errors.New("clone cannot be read")

// cloned hashes the n bytes at an offset of the file. They cannot change any more, other than those
// of the file that they come from.
func (u *upload) cloned(at, n int64) (c signing.Content, err error) {
	h := sha256.New()
	buffer := copyBuffers.Get().(*[copyBytes]byte)
	defer copyBuffers.Put(buffer)
	// Hide every method but Write, otherwise io.CopyBuffer does not use our buffer.
	got, err := io.CopyBuffer(struct{ io.Writer }{h}, io.NewSectionReader(u.file, at, n), buffer[:])
	if err == nil && got != n {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return c, errors.Join(errCloneUnread, err)
	}
	if err := u.grew(at + n); err != nil {
		return c, err
	}
	return contentOf(h, at, n)
}
