package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// addresses is the content of the ready file. Scripts that start the proxy on free ports read it.
type addresses struct {
	REST       string `json:"rest"` // IP:PORT
	Management string `json:"management"`
	TLS        bool   `json:"tls"` // whether the REST port uses TLS
}

// writeReadyFile writes the file atomically, so that readers never see half of it. It does nothing
// if the path is empty. The file is not made durable, because after a power failure the proxy does
// not run.
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

// removeReadyFile removes the file of an earlier process at the start, or of this process at the
// end. The file says that a proxy is running.
func removeReadyFile(path string) error {
	if path == "" {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove ready file: %w", err)
	}
	return nil
}
