package tokenkey

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadOrMake(t *testing.T) {
	folder := t.TempDir()
	first, err := ReadOrMake(folder)
	if err != nil || len(first) < minBytes {
		t.Fatalf("ReadOrMake = %d bytes, %v", len(first), err)
	}
	again, err := ReadOrMake(folder)
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("the second ReadOrMake gave another key, or %v", err)
	}
	named, err := Read(filepath.Join(folder, FileName))
	if err != nil || !bytes.Equal(first, named) {
		t.Errorf("Read of the made file gave another key, or %v", err)
	}
	if info, err := os.Stat(filepath.Join(folder, FileName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the key = %v, %v, want 0600", info.Mode(), err)
	}
	other, err := ReadOrMake(t.TempDir())
	if err != nil || bytes.Equal(first, other) {
		t.Errorf("two folders have one key, or %v", err)
	}
}

// TestReadOrMakeKeepsWhatItCannotRead checks that a damaged key is not replaced by a new one.
// Otherwise tokens of other instances would silently become invalid.
func TestReadOrMakeKeepsWhatItCannotRead(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, FileName)
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadOrMake(folder); err == nil {
		t.Error("ReadOrMake of a short key gave no error")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "short" {
		t.Errorf("the file now holds %q, %v", text, err)
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := Read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of no file = %v, want fs.ErrNotExist", err)
	}
	for content, good := range map[string]bool{
		"": false, "\n\n\n": false, strings.Repeat("k", minBytes-1) + "\n": false, strings.Repeat("k", MaxBytes+1): false,
		strings.Repeat("k", minBytes): true, strings.Repeat("k", minBytes) + "\r\n": true,
		strings.Repeat("k", MaxBytes): true,
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := Read(path)
		if (err == nil) != good {
			t.Errorf("Read of %d bytes = %v, want good %v", len(content), err, good)
		}
		if err != nil && strings.Contains(err.Error(), "kkkk") {
			t.Errorf("the error shows the key: %v", err)
		}
		if bytes.ContainsAny(key, "\r\n") {
			t.Errorf("the key %q holds its line break", key)
		}
	}
}
