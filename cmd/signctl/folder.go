package main

import (
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
	from, err := f.path(content)
	if err != nil {
		return "", err
	}
	path := filepath.Join(f.dir, name)
	if err := os.Rename(from, path); err != nil {
		return "", fmt.Errorf("rename output file: %w", err)
	}
	f.temp[content] = ""
	return path, nil
}

// path returns the temporary name of a content.
func (f *folder) path(content int) (string, error) {
	if content < 0 || content >= len(f.temp) || f.temp[content] == "" {
		return "", errors.New("the answer contains no signed content for this document")
	}
	return f.temp[content], nil
}

// wanted says of a content type in an answer what the content must be, and in words what it is not
// otherwise.
var wanted = map[string]struct {
	content contentType
	words   string
}{
	"application/pdf":             {typePDF, "a PDF"},
	"application/xml":             {typeXML, "XML"},
	"text/xml":                    {typeXML, "XML"},
	"application/pkcs7-mime":      {typeCMS, "a CMS file (.p7m)"},
	"application/pkcs7-signature": {typeCMS, "a CMS file (.p7s)"},
}

// check returns an error if a content cannot be of the content type that the answer names.
func (f *folder) check(content int, named string) error {
	want, known := wanted[named]
	path, err := f.path(content)
	if err != nil || !known {
		return err
	}
	file, err := open(path)
	if err != nil {
		return fmt.Errorf("read output file: %w", err)
	}
	defer file.Close()
	got, err := contentTypeOf(file)
	if err == nil && got != want.content {
		err = fmt.Errorf("the proxy sent something that is not %s", want.words)
	}
	return err
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
