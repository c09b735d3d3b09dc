package api_test

import (
	"context"
	"crypto/sha256"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

// spyStore is a store in memory that counts the uploads that have not ended. A hollow one stores no
// content, for documents that are too large for a test's memory. Its files have the right size.
type spyStore struct {
	*storetest.Memory
	open    atomic.Int64
	created chan signing.ID // gets each operation that is made
	keys    sync.Map        // keyhome.Key of each Idempotency-Key of these
	hollow  bool
	short   atomic.Bool                   // files are a byte shorter than they were
	torn    atomic.Bool                   // reading files fails at their last byte
	turn    func(id signing.ID, from int) // is called before documents are read; nil = nothing is
}

func newSpyStore() *spyStore {
	return &spyStore{Memory: storetest.NewMemory(), created: make(chan signing.ID, 1000)}
}

func (s *spyStore) NewUpload(ctx context.Context) (signing.Upload, error) {
	up, err := s.Memory.NewUpload(ctx)
	if err != nil {
		return nil, err
	}
	s.open.Add(1)
	return &spyUpload{Upload: up, store: s}, nil
}

func (s *spyStore) Create(ctx context.Context, up signing.Upload, op signing.NewOperation) (signing.Operation, error) {
	made, err := s.Memory.Create(ctx, up.(*spyUpload).Upload, op)
	if err == nil {
		if op.IdempotencyKey != "" {
			s.keys.Store(keyhome.KeyOf(op.ClientService, op.IdempotencyKey), true)
		}
		s.created <- made.ID
	}
	return made, err
}

func (s *spyStore) OpenFile(ctx context.Context, id signing.ID, c signing.Content) (signing.File, error) {
	if s.hollow {
		return hollowFile(c.Size), nil
	}
	f, err := s.Memory.OpenFile(ctx, id, c)
	switch {
	case err != nil:
		return nil, err
	case s.torn.Load():
		return tornFile{f}, nil
	case s.short.Load():
		return shortFile{f}, nil
	}
	return f, nil
}

func (s *spyStore) Documents(ctx context.Context, id signing.ID, from, limit int) ([]signing.Document, error) {
	if s.turn != nil {
		s.turn(id, from)
	}
	return s.Memory.Documents(ctx, id, from, limit)
}

type spyUpload struct {
	signing.Upload
	store *spyStore
	once  sync.Once
}

func (u *spyUpload) Add(r io.Reader) (signing.Content, error) {
	if !u.store.hollow {
		return u.Upload.Add(r)
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		return signing.Content{}, err
	}
	c, err := u.Upload.Add(strings.NewReader("hollow"))
	h := sha256.New() // of the bytes that readers get
	_, _ = io.Copy(h, io.NewSectionReader(hollowFile(n), 0, n))
	c.Size, c.SHA256 = n, [32]byte(h.Sum(nil))
	return c, err
}

func (u *spyUpload) Discard() {
	u.once.Do(func() { u.store.open.Add(-1) })
	u.Upload.Discard()
}

// hollowFile is a file of that many bytes.
type hollowFile int64

func (f hollowFile) Size() int64  { return int64(f) }
func (f hollowFile) Close() error { return nil }
func (f hollowFile) ReadAt(p []byte, off int64) (int, error) {
	n := min(int64(len(p)), int64(f)-off)
	if n <= 0 {
		return 0, io.EOF
	}
	clear(p[:n])
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// shortFile is a file that lost its last byte.
type shortFile struct{ signing.File }

func (f shortFile) Size() int64 { return f.File.Size() - 1 }

// tornFile is a file whose last byte cannot be read.
type tornFile struct{ signing.File }

func (f tornFile) ReadAt(p []byte, off int64) (int, error) {
	if left := f.Size() - 1 - off; int64(len(p)) > left {
		n, _ := f.File.ReadAt(p[:left], off)
		return n, io.ErrUnexpectedEOF
	}
	return f.File.ReadAt(p, off)
}
