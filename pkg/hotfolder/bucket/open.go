package bucket

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// Open implements hotfolder.Claims.
func (c *claims) Open(ctx context.Context, claim hotfolder.Claim) (hotfolder.File, error) {
	o, err := c.mineAndHeld(ctx, claim)
	if err != nil {
		return nil, err
	}
	return &file{store: c.store, object: o, ctx: context.WithoutCancel(ctx)}, nil
}

// file is a claimed file. It reads ranges of the version that it was opened with, and keeps the
// last one, because readers take small pieces.
type file struct {
	store
	object
	ctx context.Context // of the reads, which io.ReaderAt gives none; patience bounds each of them

	mu     sync.Mutex
	window []byte // the bytes from start on
	start  int64
}

func (f *file) Size() int64 { return f.size }

func (f *file) Close() error { return nil }

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, errors.New("read: negative offset")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	done := 0
	for done < len(p) {
		at := offset + int64(done)
		if at >= f.size {
			return done, io.EOF
		}
		if at < f.start || at >= f.start+int64(len(f.window)) {
			if err := f.fetch(at); err != nil {
				return done, err
			}
		}
		done += copy(p[done:], f.window[at-f.start:])
	}
	return done, nil
}

// fetch reads the window that begins at offset.
func (f *file) fetch(offset int64) error {
	if f.window == nil {
		f.window = make([]byte, min(windowBytes, f.size))
	}
	window := f.window[:min(int64(cap(f.window)), f.size-offset)]
	err := f.read(f.ctx, f.object, window, offset)
	if err != nil {
		f.window = f.window[:0]
		return changed(err)
	}
	f.window, f.start = window, offset
	return nil
}

// Unchanged implements hotfolder.File.
func (f *file) Unchanged() error {
	now, err := f.head(f.ctx, f.key)
	if err == nil && now.version != f.version {
		return hotfolder.ErrChanged
	}
	return changed(err)
}

// changed translates errors of an object that was there before.
func changed(err error) error {
	switch {
	case errors.Is(err, errCondition):
		return hotfolder.ErrChanged
	case errors.Is(err, errNotFound):
		return hotfolder.ErrLost
	}
	return err
}
