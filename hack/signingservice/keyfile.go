package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// defaultKeyFile returns a path in the user's cache folder. It returns an empty string if the user
// has none, as in a container. Then keys are not kept unless --key-file names a file.
func defaultKeyFile() string {
	folder, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(folder, "signstash-simulation", "key-seed")
}

// readSeed reads the key file, or creates it. It may be a mounted Secret. For an empty path it
// returns nil.
func readSeed(path string) (service.Seed, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(rand.Text() + rand.Text() + "\n")
		err = writeSeed(path, text)
	}
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	seed := service.Seed(bytes.TrimSpace(text))
	if len(seed) < service.MinSeed {
		return nil, fmt.Errorf("key file %s: has %d characters, want %d or more", path, len(seed), service.MinSeed)
	}
	return seed, nil
}

// writeSeed replaces the file in one step. It does not sync the file, because only the keys of the
// simulation are lost with it.
func writeSeed(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
