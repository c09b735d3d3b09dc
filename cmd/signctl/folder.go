package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// folder receives the signed contents of one answer under temporary names in the output folder and renames them when the answer
// was read to its end: a file under its own name is always complete. It is a client.Sink.
type folder struct {
	dir  string
	temp []string // by number of the content; empty once renamed
}

// Begin implements client.Sink.
func (f *folder) Begin() error {
	f.discard()
	return nil
}

// Create implements client.Sink.
func (f *folder) Create(int) (io.WriteCloser, error) {
	path := filepath.Join(f.dir, ".signctl-"+rand.Text()+".part")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("create output file: %w", err)
	}
	f.temp = append(f.temp, path)
	return syncedFile{file}, nil
}

// keep renames a content and returns its path. What had that name is replaced.
func (f *folder) keep(content int, name string) (string, error) {
	if content < 0 || content >= len(f.temp) || f.temp[content] == "" {
		return "", errors.New("the answer holds no signed content for it")
	}
	path := filepath.Join(f.dir, name)
	if err := os.Rename(f.temp[content], path); err != nil {
		return "", fmt.Errorf("name output file: %w", err)
	}
	f.temp[content] = ""
	return path, nil
}

// discard removes what was not kept.
func (f *folder) discard() {
	for _, path := range f.temp {
		if path != "" {
			_ = os.Remove(path) // a leftover is hidden, named as partial, and harmless
		}
	}
	f.temp = nil
}

// syncedFile is on disk when Close returns without error, so that the rename never shows an empty file after a power cut.
type syncedFile struct{ *os.File }

// Close implements io.Closer.
func (f syncedFile) Close() error {
	return errors.Join(f.Sync(), f.File.Close())
}
