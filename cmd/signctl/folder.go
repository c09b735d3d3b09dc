package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// folder receives the signed contents of one answer under temporary names in the output folder. It
// renames them when the whole answer was read, so a file under its final name is always complete.
// It is a client.Sink.
type folder struct {
	dir  string
	temp []string // by number of the content; empty after the rename
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

// keep renames a content to its final name and returns its path. It replaces an existing file of
// that name.
func (f *folder) keep(content int, name string) (string, error) {
	if content < 0 || content >= len(f.temp) || f.temp[content] == "" {
		return "", errors.New("the answer contains no signed content for this document")
	}
	path := filepath.Join(f.dir, name)
	if err := os.Rename(f.temp[content], path); err != nil {
		return "", fmt.Errorf("rename output file: %w", err)
	}
	f.temp[content] = ""
	return path, nil
}

// header is how a PDF begins. Readers search for it in the first headerWindow bytes (ISO 32000-2
// 7.5.2, annex C of ISO 32000-1).
const (
	header       = "%PDF-"
	headerWindow = 1024
)

// check returns an error if a content cannot be of its content type.
func (f *folder) check(content int, contentType string) error {
	if contentType != "application/pdf" || content < 0 || content >= len(f.temp) {
		return nil
	}
	file, err := os.Open(f.temp[content])
	if err != nil {
		return fmt.Errorf("read output file: %w", err)
	}
	defer file.Close()
	start, err := io.ReadAll(io.LimitReader(file, headerWindow+int64(len(header))))
	if err == nil && !bytes.Contains(start, []byte(header)) {
		err = errors.New("the proxy sent something that is not a PDF")
	}
	return err
}

// extends returns nil if a content starts with all bytes of original and adds more. This is true
// for every PAdES signature.
func (f *folder) extends(content int, original string) error {
	signed, err := os.Open(f.temp[content])
	if err != nil {
		return fmt.Errorf("read output file: %w", err)
	}
	defer signed.Close()
	file, err := os.Open(original)
	if err != nil {
		return fmt.Errorf("read %s again: %w", original, err)
	}
	defer file.Close()
	got, want := bufio.NewReader(signed), bufio.NewReader(file)
	for {
		w, err := want.ReadByte()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read %s again: %w", original, err)
		}
		if g, err := got.ReadByte(); err != nil || g != w {
			return errors.New("the answer is another document, because it does not begin with the file's bytes")
		}
	}
	if _, err := got.ReadByte(); err != nil {
		return errors.New("the answer is this file without a signature")
	}
	return nil
}

// discard removes the temporary files that were not kept.
func (f *folder) discard() {
	for _, path := range f.temp {
		if path != "" {
			_ = os.Remove(path) // a leftover is hidden, its name says that it is partial, and it does no harm
		}
	}
	f.temp = nil
}

// syncedFile is on disk when Close returns without an error. Without this, the renamed file could
// be empty after a power failure.
type syncedFile struct{ *os.File }

// Close implements io.Closer.
func (f syncedFile) Close() error {
	return errors.Join(f.Sync(), f.File.Close())
}
