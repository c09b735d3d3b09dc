// Package tokenkey reads the key that signs the tokens of the token endpoint, or makes one.
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
	// FileName is what the key is called that is made in a state folder.
	FileName = "token-signing.key"
	// minBytes is the output of SHA-256: RFC 7518 section 3.2 wants no shorter key for HS256.
	minBytes = 32
	// MaxBytes bounds a key file; a longer one is a file of another kind.
	MaxBytes = 4096
)

// Read returns the key in file: its content without line breaks at the end.
func Read(file string) ([]byte, error) {
	content, err := secretfile.Bounded(file, MaxBytes+2) // a line break is no part of it
	if err != nil {
		return nil, fmt.Errorf("read token signing key: %w", err)
	}
	key, err := Parse(content)
	if err != nil {
		return nil, fmt.Errorf("read token signing key: %s %w; make one with: openssl rand -base64 32", file, err)
	}
	return key, nil
}

// Parse returns the key that is the content of a key file: all of it but line breaks at the end.
func Parse(content []byte) ([]byte, error) {
	key := bytes.TrimRight(content, "\r\n")
	if len(key) < minBytes || len(key) > MaxBytes {
		return nil, fmt.Errorf("must hold %d to %d bytes", minBytes, MaxBytes)
	}
	return key, nil
}

// New returns a new key as the content of a key file: random, one line of text.
func New() []byte {
	var random [minBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	return append(base64.StdEncoding.AppendEncode(nil, random[:]), '\n')
}

// ReadOrMake returns the key in the folder, which is made, durably and with mode 0600, where it is
// missing. Only one process at a time may use the folder.
func ReadOrMake(folder string) ([]byte, error) {
	file := filepath.Join(folder, FileName)
	key, err := Read(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	content := New()
	if err := durable.WriteFile(file, content, 0o600); err != nil {
		return nil, fmt.Errorf("make token signing key: %w", err)
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
			log.Error(err, "token signing key refused; the last good one stays in force")
		case changed:
			use(*keys.Value())
		}
	})
}
