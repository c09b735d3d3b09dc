package main

import (
	"os"
	"path/filepath"
	"testing"
)

// maxReadmeBytes is how large the README at the top may be. It is the face of the product and stays
// short; details belong beside what they describe.
const maxReadmeBytes = 10_000

// TestReadmeIsShort fails when the README at the top has grown too large.
func TestReadmeIsShort(t *testing.T) {
	info, err := os.Stat(filepath.Join(top, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > maxReadmeBytes {
		t.Errorf("README.md has %d bytes, at most %d are allowed: move details to the README of a package",
			info.Size(), maxReadmeBytes)
	}
}
