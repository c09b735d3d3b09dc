package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// addresses are what the ready file tells scripts that start the proxy on free ports.
type addresses struct {
	REST       string `json:"rest"` // IP:PORT
	Management string `json:"management"`
	TLS        bool   `json:"tls"` // of the REST port
}

// writeReadyFile writes the file so that nobody reads a half of it; an empty path asks for none. It
// is not made durable: after a power cut nobody serves.
func writeReadyFile(path string, a addresses) error {
	if path == "" {
		return nil
	}
	data, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode ready file: %w", err)
	}
	temp := path + ".tmp"
	if err := os.WriteFile(temp, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write ready file: %w", err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("write ready file: %w", err)
	}
	return nil
}

// removeReadyFile removes what an earlier process left, or this one at its end: the file says that
// somebody serves.
func removeReadyFile(path string) error {
	if path == "" {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove ready file: %w", err)
	}
	return nil
}
