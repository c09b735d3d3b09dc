// Package tokenkey reads, creates and watches the key that signs the tokens of the token endpoint.
package tokenkey

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/filewatch"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

const (
	// FileName is the name of the key file that ReadOrMake creates in a state folder.
	FileName = "token-signing.key"
	// minBytes is the output size of SHA-256. RFC 7518 section 3.2 requires at least this key size for
	// HS256.
	minBytes = 32
	// MaxBytes bounds a key. A longer file is not a key file.
	MaxBytes = 4096
)

// Read returns the key in file, which is the content without line breaks at the end. It returns an
// error if the file cannot be read or the key has a wrong length. The error never holds the key.
func Read(file string) ([]byte, error) {
	content, err := secretfile.Bounded(file, MaxBytes+2) // a line break at the end is not part of the key
	if err != nil {
		return nil, fmt.Errorf("read token signing key: %w", err)
	}
	key, err := Parse(content)
	if err != nil {
		return nil, fmt.Errorf("read token signing key: %s %w; create a key with: openssl rand -base64 32", file, err)
	}
	return key, nil
}

// Parse returns the key in the content of a key file, which is the content without line breaks at
// the end.
// It returns an error if the key has a wrong length.
func Parse(content []byte) ([]byte, error) {
	key := bytes.TrimRight(content, "\r\n")
	if len(key) < minBytes || len(key) > MaxBytes {
		return nil, fmt.Errorf("must contain %d to %d bytes", minBytes, MaxBytes)
	}
	return key, nil
}

// New returns the content of a key file with a new random key. It is one line of text.
func New() []byte {
	var random [minBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	return append(base64.StdEncoding.AppendEncode(nil, random[:]), '\n')
}

// ReadOrMake returns the key in the folder. If the folder contains no key, it creates one durably,
// with mode 0600. Only one process at a time may use the folder.
func ReadOrMake(folder string) ([]byte, error) {
	file := filepath.Join(folder, FileName)
	key, err := Read(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	content := New()
	if err := durable.WriteFile(file, content, 0o600); err != nil {
		return nil, fmt.Errorf("create token signing key: %w", err)
	}
	return Parse(content)
}

// Watch calls use with the key in file, first at once and then whenever the key has changed, until
// ctx is done. It then returns nil. If the key cannot be read, Watch logs each error once and does
// not call use, so that the caller keeps the last good key.
func Watch(ctx context.Context, file string, log logr.Logger, use func(key []byte)) error {
	read := func() ([]byte, error) { return Read(file) }
	keys := filewatch.NewLastGood(read, func(key []byte) (*[]byte, error) { return &key, nil })
	return filewatch.Run(ctx, filewatch.Config{Paths: []string{file}, Log: log}, func() {
		changed, err := keys.Reload()
		switch {
		case err != nil:
			log.Error(err, "could not reload the token signing key; the last good key stays in use")
		case changed:
			use(*keys.Value())
		}
	})
}
