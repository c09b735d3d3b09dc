// Package secretfile reads secrets from the files that settings name. So secrets are never on a
// command line or in a log.
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxBytes bounds a secret. Keys and passwords are shorter, and a wrong path must not fill the
// memory.
const maxBytes = 64 << 10

// Read returns the content of a file without white space at its end, because editors and kubectl
// add a line break that is not part of the secret. An empty secret is an error. Errors contain the
// path and nothing of the content.
func Read(path string) (string, error) {
	data, err := Bounded(path, maxBytes)
	if err != nil {
		return "", fmt.Errorf("read secret file: %w", err)
	}
	secret := strings.TrimRight(string(data), " \t\r\n")
	if secret == "" {
		return "", fmt.Errorf("read secret file %s: %w", path, errEmpty)
	}
	return secret, nil
}

var errEmpty = errors.New("the file is empty")

// Bounded returns the content of a file that settings name. A file of more than limit bytes is an
// error, because a wrong path must not fill the memory. Errors contain the path and nothing of the
// content.
func Bounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}
