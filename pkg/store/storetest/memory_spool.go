package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"fmt"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

type upload struct {
	m      *memoryState
	files  map[string][]byte
	shared map[[32]byte]signing.Content
	ended  bool
}

// NewUpload implements signing.Spool.
func (m memorySpool) NewUpload(context.Context) (signing.Upload, error) {
	if err := m.write("NewUpload", func() error { return nil }); err != nil {
		return nil, err
	}
	return &upload{m: m.memoryState, files: make(map[string][]byte), shared: make(map[[32]byte]signing.Content)}, nil
}

// Add implements signing.Upload.
func (u *upload) Add(r io.Reader) (signing.Content, error) {
	data, err := io.ReadAll(r) // a fake for tests: documents are small
	if err != nil {
		return signing.Content{}, fmt.Errorf("read document: %w", err)
	}
	h := sha256.New()
	h.Write(data)
	c := signing.Content{File: fmt.Sprint(len(u.files)), Size: int64(len(data)), SHA256: [32]byte(h.Sum(nil))}
	if c.Midstate, err = h.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
		return signing.Content{}, err
	}
	return c, u.m.write("Add", func() error {
		u.files[c.File] = data
		return nil
	})
}

// AddShared implements signing.Upload.
func (u *upload) AddShared(r io.Reader) (signing.Content, error) {
	c, err := u.Add(r)
	if err != nil {
		return c, err
	}
	if first, ok := u.shared[c.SHA256]; ok {
		delete(u.files, c.File)
		return first, nil
	}
	u.shared[c.SHA256] = c
	return c, nil
}

// Discard implements signing.Upload.
func (u *upload) Discard() {
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	if !u.ended {
		u.files, u.ended = nil, true
	}
}

type file struct{ *bytes.Reader }

func (file) Close() error { return nil }

// OpenFile implements signing.Spool.
func (m memorySpool) OpenFile(_ context.Context, id signing.ID, c signing.Content) (signing.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.records[id]
	if r == nil {
		r = m.early[id]
	}
	if r != nil {
		if data, ok := r.files[c.File]; ok {
			return file{bytes.NewReader(data)}, nil
		}
	}
	return nil, signing.Errorf(signing.KindNotFound, "no such file")
}

// OpenSection implements signing.Spool.
func (m memorySpool) OpenSection(_ context.Context, ref signing.Ref) (signing.File, signing.Pieces, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := m.document(ref); d != nil && d.State == signing.DocumentSigned {
		return file{bytes.NewReader(d.section)}, d.Pieces, nil
	}
	return nil, nil, signing.Errorf(signing.KindNotFound, "document is not signed")
}
