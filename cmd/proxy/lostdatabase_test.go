package main_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// TestLostWAL checks that a proxy that was killed does not start if the database's WAL is missing,
// because it would forget accepted operations and sign a repeated request again. With the WAL it
// starts, and the repetition is answered with the first operation.
func TestLostWAL(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	p := newTestProxy(t, remote.flags()...).start(t)
	r := oneDocument(t, "accepted", client.SignatureInfo{})
	r.Key = "key"
	first, err := newClient(t, p.Instance).SignAsync(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newClient(t, p.Instance).Wait(t.Context(), "accepted"); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	wal, kept := filepath.Join(p.o.State, "metadata.db-wal"), filepath.Join(p.o.Work, "wal")
	if err := os.Rename(wal, kept); err != nil {
		t.Fatalf("the killed proxy left no WAL: %v", err)
	}
	for _, lose := range []func() error{
		func() error { return nil },
		func() error { return os.WriteFile(wal, nil, 0o600) },
	} {
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		wantRefusedStart(t, p.o, "metadata.db is older than what instance.json has seen")
	}
	if err := os.Rename(kept, wal); err != nil {
		t.Fatal(err)
	}
	p.start(t)
	again, err := newClient(t, p.Instance).SignAsync(t.Context(), r)
	if err != nil || again.ID != first.ID {
		t.Errorf("the repetition = %+v, %v, want operation %d", again, err, first.ID)
	}
	p.Kill()
	for _, suffix := range []string{"", "-wal"} {
		if err := os.WriteFile(filepath.Join(p.o.State, "metadata.db"+suffix), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantRefusedStart(t, p.o, "metadata.db is empty")
	if _, err := os.Stat(filepath.Join(p.o.State, "operations", fmt.Sprint(first.ID))); err != nil {
		t.Errorf("the documents: %v, want them where they were", err)
	}
	if n := remote.Counts().Signatures; n != 1 {
		t.Errorf("%d signatures were made, want 1", n)
	}
}

// wantRefusedStart checks that a proxy exits with code 1 and an error that gives the reason.
func wantRefusedStart(t *testing.T, o instance.Options, why string) {
	t.Helper()
	args := append(
		[]string{"--work.folder=" + o.Work, "--state.folder=" + o.State, "--server.address=127.0.0.1", "--server.port=0",
			"--management.server.address=127.0.0.1", "--management.server.port=0"},
		o.Args...)
	out, err := exec.CommandContext(t.Context(), o.Binary, args...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), why) {
		t.Fatalf("start = %v: %s\nwant exit code 1 and %q", err, out, why)
	}
}

// TestDeletedStateFolder checks that requests are answered with 503 and Retry-After while the state
// folder is missing.
func TestDeletedStateFolder(t *testing.T) {
	t.Parallel()
	p := newTestProxy(t).start(t)
	c := newClient(t, p.Instance)
	if _, err := c.SignAsync(t.Context(), oneDocument(t, "before", client.SignatureInfo{})); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(t.Context(), "before"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(p.o.State); err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]wireAnswer{
		"a new request": post(t, p, "document/sign/async/base64", requestBody(t, "after")),
		"a result":      get(t, p, "operation/sign/detail/withExternalReference/before"),
	} {
		if answer.status != http.StatusServiceUnavailable || answer.header.Get("Retry-After") == "" {
			t.Errorf("%s is answered with %d, Retry-After %q, want 503 and a time: %.300s", name, answer.status,
				answer.header.Get("Retry-After"), answer.body)
		}
	}
}
