package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// spool reads the files of operations and appends sections to them. It is safe for concurrent use.
type spool struct {
	db      *database
	files   paths
	space   *space
	appends [16]sync.Mutex // each serializes the appends of some operations
}

// part is a range of bytes in an operation's file.
type part struct {
	*io.SectionReader
	file *os.File
}

func (p part) Close() error { return p.file.Close() }

// inMemory is a small section from the database.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// OpenFile implements signing.Spool.
func (s *spool) OpenFile(_ context.Context, id signing.ID, c signing.Content) (signing.File, error) {
	at, ok := parseFileName(c.File)
	if !ok {
		return nil, signing.Errorf(signing.KindNotFound, "no such file")
	}
	return s.openPart(id, at, c.Size)
}

// openPart opens size bytes of an operation's file, starting at at. A file that is too short is
// KindStorage, because something else has damaged it.
func (s *spool) openPart(id signing.ID, at, size int64) (signing.File, error) {
	f, err := s.files.openOperation(id, os.O_RDONLY)
	if err != nil {
		return nil, s.files.fileError("open documents", err)
	}
	info, err := f.Stat()
	if err == nil && (size < 0 || at > info.Size()-size) {
		err = fmt.Errorf("file of %d bytes does not hold %d from %d on", info.Size(), size, at)
	}
	if err != nil {
		_ = f.Close()
		return nil, storageError("open documents", err)
	}
	return part{io.NewSectionReader(f, at, size), f}, nil
}

// OpenSection implements signing.Spool. It reads a section from the database at once, because such
// a section has smallSections bytes at most.
func (s *spool) OpenSection(ctx context.Context, ref signing.Ref) (signing.File, signing.Pieces, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if ref.Index < 0 || ref.Index >= maxDocuments {
		return nil, nil, readError("document", sql.ErrNoRows)
	}
	var at sql.NullInt64
	var size, original int64
	var sum, section []byte
	var list string
	found := s.db.queries.section.QueryRow(documentID(ref.Operation, ref.Index), int64(ref.Operation))
	err := found.Scan(&at, &size, &sum, &section, &list, &original)
	if err != nil {
		return nil, nil, readError("signed document", err)
	}
	var f signing.File = inMemory{bytes.NewReader(section)}
	if at.Valid {
		f, err = s.openPart(ref.Operation, at.Int64, size)
	} else if int64(len(section)) != size {
		err = storageError("read section", errors.New("length does not fit"))
	}
	if err != nil {
		return nil, nil, err
	}
	pieces, err := checkSection(f, sum, list, original)
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, pieces, nil
}

// checkSection returns the list of pieces of a section. It returns KindAltered if the section or
// the list is not the one that was stored. It reads the section one more time than its reader,
// which is cheap because a section is short. So a client gets no byte of a document whose signature
// is damaged. A section of an early release has no digest. It cannot be checked, and has no list.
func checkSection(f signing.File, sum []byte, list string, original int64) (signing.Pieces, error) {
	altered := signing.Errorf(signing.KindAltered, "the signature was altered on the disk of the service")
	if sum == nil && list != "" {
		return nil, altered
	}
	if sum != nil {
		got, err := digestOfSection(f, list)
		if err != nil {
			return nil, storageError("read section", err)
		}
		if !bytes.Equal(got, sum) {
			return nil, altered
		}
	}
	pieces, err := decodePieces(list, original, f.Size())
	if err != nil {
		return nil, altered.Because(err)
	}
	return pieces, nil
}

// digestOfSection is sectionDigest of a section that is read.
func digestOfSection(f signing.Sized, list string) ([]byte, error) {
	h := sha256.New()
	buffer := copyBuffers.Get().(*[copyBytes]byte)
	defer copyBuffers.Put(buffer)
	// Hide every method but Write, otherwise io.CopyBuffer does not use our buffer.
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, io.NewSectionReader(f, 0, f.Size()), buffer[:]); err != nil {
		return nil, err
	}
	h.Write([]byte(list))
	return h.Sum(nil), nil
}

// smallSections is how many bytes of sections of one operation in one call go into the database at
// most. There they need no fsync of their own. Larger ones go after the operation's documents,
// where they are written once instead of twice (WAL, database) and do not pass through SQLite's
// cache. It was measured with sections of 20 KB, see README.md.
const smallSections = 64 << 10

// appendSections writes sections at the end of the operation's file and makes them durable. It
// returns where each section starts and how long the file is now. If the commit fails afterwards,
// these bytes stay in the file without use.
func (s *spool) appendSections(id signing.ID, sections [][]byte) (at []int64, size int64, err error) {
	f, err := s.files.openOperation(id, os.O_RDWR)
	if err != nil {
		return nil, 0, s.files.fileError("open documents", err)
	}
	defer func() { _ = f.Close() }()
	at, size, err = s.writeBehind(f, id, sections)
	if err != nil {
		return nil, 0, storageError("write sections", err)
	}
	if err := f.Sync(); err != nil {
		return nil, 0, storageError("sync sections", err)
	}
	return at, size, nil
}

// writeBehind writes at the end of the file, one caller at a time. After an error it cuts off what
// it wrote.
func (s *spool) writeBehind(f *os.File, id signing.ID, sections [][]byte) (at []int64, size int64, err error) {
	mu := &s.appends[int(id.Sequence())%len(s.appends)]
	mu.Lock()
	defer mu.Unlock()
	start, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, 0, err
	}
	size = start
	at = make([]int64, len(sections))
	for i, section := range sections {
		if _, err := f.WriteAt(section, size); err != nil {
			return nil, 0, errors.Join(err, f.Truncate(start))
		}
		at[i] = size
		size += int64(len(section))
	}
	s.space.stored.Add(size - start)
	return at, size, nil
}
