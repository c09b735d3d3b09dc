package main

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
)

// TestAuthorities checks which authorities are trusted. Without the file, or with an empty one, it
// is the system's authorities. A change of the file is in force at the next connection. A file
// without a certificate is refused at the start. A later file without a certificate leaves the last
// good authorities in force.
func TestAuthorities(t *testing.T) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	good := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	file := filepath.Join(t.TempDir(), "ca.crt")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &authorities{file: file, log: logr.Discard()}
	want := func(when string, own bool) {
		t.Helper()
		if got := a.pool(); (got != nil) != own {
			t.Errorf("%s: authorities of its own: %v, want %v", when, got != nil, own)
		}
	}
	if err := a.look(); err != nil {
		t.Errorf("look without the file = %v", err)
	}
	want("no file", false)
	write("\n")
	want("empty", false)
	write(good)
	want("written", true)
	write("no certificate")
	want("broken", true)
	write("")
	want("emptied", false)
	write("no certificate")
	if err := (&authorities{file: file, log: logr.Discard()}).look(); err == nil {
		t.Error("read of a file without a certificate = nil error, want one")
	}
}
