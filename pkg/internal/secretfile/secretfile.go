// Package secretfile reads secrets from the files that settings name: never on a command line,
// never in a log.
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxBytes bounds a secret: keys and passwords are shorter, and a wrong path must not fill the
// memory.
const maxBytes = 64 << 10

// Read returns the content of a file without white space at its end: editors and kubectl add a line
// break that is no part of a secret. An empty secret is an error. Errors hold the path and nothing
// of the content.
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

var errEmpty = errors.New("it is empty")

// Bounded returns the content of a file that settings name, if it has at most limit bytes: a wrong
// path must not fill the memory. Errors hold the path and nothing of the content.
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
