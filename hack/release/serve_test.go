package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/release/cosign"
	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
	"github.com/signstash-proxy/signstash-proxy/hack/release/verify"
)

// TestServe runs the registry for tests with clusters, and verifies what it serves.
func TestServe(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"serve", "-top", checkout(t), "-dir", t.TempDir(), "-host", "registry.example.org",
			"-platforms", "linux/amd64", "-clients", ""}, w)
		w.CloseWithError(err)
		ended <- err
	}()
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready served
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(ready.Chart, "oci://registry.example.org:") {
		t.Errorf("the chart is at %s", ready.Chart)
	}
	text, err := os.ReadFile(ready.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := cosign.ParsePublicKey(text)
	if err != nil {
		t.Fatal(err)
	}
	cfg := verify.Config{Key: key, Version: ready.Version, Log: quiet}
	if err := verifyIn(t.Context(), oci.Registry{Name: ready.Local, PlainHTTP: true}, cfg); err != nil {
		t.Errorf("registry: %v", err)
	}
	if err := verify.Folder(t.Context(), ready.Folder, cfg); err != nil {
		t.Errorf("folder: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("serve ended with %v", err)
	}
}
