// Package tokenkey reads the key that signs the tokens of the token endpoint, or makes one.
package tokenkey

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
)

const (
	// FileName is what the key is called that is made in a state folder.
	FileName = "token-signing.key"
	// minBytes is the output of SHA-256: RFC 7518 section 3.2 wants no shorter key for HS256.
	minBytes = 32
	// maxBytes bounds a key file; a longer one is a file of another kind.
	maxBytes = 4096
)

// Read returns the key in file: its content without line breaks at the end.
func Read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read token signing key: %w", err)
	}
	defer f.Close()
	key, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read token signing key: %w", err)
	}
	key = bytes.TrimRight(key, "\r\n")
	if len(key) < minBytes || len(key) > maxBytes {
		return nil, fmt.Errorf("read token signing key: %s must hold %d to %d bytes; make one with: openssl rand -base64 32", file, minBytes, maxBytes)
	}
	return key, nil
}

// ReadOrMake returns the key in the folder, which is made, durably and with mode 0600, where it is missing. Only one process at a
// time may use the folder.
func ReadOrMake(folder string) ([]byte, error) {
	file := filepath.Join(folder, FileName)
	key, err := Read(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	var random [minBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	key = base64.StdEncoding.AppendEncode(nil, random[:])
	if err := durable.WriteFile(file, append(key, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("make token signing key: %w", err)
	}
	return key, nil
}
