//go:build linux

package directory_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
)

// blocked returns a claim whose delivery has begun and is blocked, because the output folder has no
// room for the sub-folder of the run. free makes room.
func blocked(t *testing.T, f *folders, s hotfolder.Storage) (c hotfolder.Claim, free func()) {
	t.Helper()
	c = claim(t, f, s, "a.pdf")
	if err := s.Stage(t.Context(), c, 0, "a.pdf", strings.NewReader("signed")); err != nil {
		t.Fatal(err)
	}
	var fillers []string
	for i := range 100 {
		name := f.path("out", strings.Repeat("f", i+1))
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			break
		}
		fillers = append(fillers, name)
	}
	last := len(fillers) - 1
	if err := os.Remove(fillers[last]); err != nil { // leaves room for a small file of our own
		t.Fatal(err)
	}
	fillers = fillers[:last]
	if err := errors.Join(s.Deliver(t.Context(), run, []hotfolder.Claim{c})...); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("Deliver to a full output folder = %v, want ENOSPC", err)
	}
	return c, func() {
		for _, name := range fillers {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestFormerOutputFolder shows a result in the output folder that was configured when its delivery
// began, and names this folder while it cannot be used.
func TestFormerOutputFolder(t *testing.T) {
	f := newFolders(t, true)
	mount(t, f.path("out"), "nr_inodes=10")
	if err := os.Mkdir(f.path("out2"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := f.Open(t, 0)
	c, free := blocked(t, f, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := f.config(0)
	cfg.Output = "/out2"
	s, err := directory.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	deliver := func() error { return errors.Join(s.Deliver(t.Context(), run, []hotfolder.Claim{c})...) }
	if err := deliver(); !errors.Is(err, hotfolder.ErrFormerOutput) || !strings.Contains(err.Error(), "folder /out:") {
		t.Errorf("Deliver to a full former output folder = %v", err)
	}
	free()
	own, away := f.path("out/.signstash"), f.path("out/.away")
	if err := os.Rename(own, away); err != nil { // as if the volume were not mounted
		t.Fatal(err)
	}
	if err := deliver(); !errors.Is(err, hotfolder.ErrFormerOutput) || !strings.Contains(err.Error(), "folder /out:") {
		t.Errorf("Deliver to a former output folder without its volume = %v", err)
	}
	if err := os.Rename(away, own); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(deliver(), errors.Join(s.Backup(t.Context(), run, []hotfolder.BackupFile{{Claim: c}})...),
		s.Release(t.Context(), run)); err != nil {
		t.Fatal(err)
	}
	if got := f.Output(t); len(got) != 1 || got[run.ID+"/a.pdf"] != "signed" {
		t.Errorf("former output folder has %v", got)
	}
	if got := visible(t, f.path("out2")); len(got) != 0 {
		t.Errorf("output folder has %v", got)
	}
	for _, left := range []string{f.path("out/.signstash/*"), f.path("in/.signstash/0/*-*")} {
		if list, err := filepath.Glob(left); err != nil || len(list) > 0 {
			t.Errorf("left: %v, %v", list, err)
		}
	}
}

// TestMarkerOfEarlierRelease continues a delivery that an earlier release began, which did not
// record the output folder.
func TestMarkerOfEarlierRelease(t *testing.T) {
	f := newFolders(t, true)
	s := f.Open(t, 0)
	c := claim(t, f, s, "a.pdf")
	if err := s.Stage(t.Context(), c, 0, "a.pdf", strings.NewReader("signed")); err != nil {
		t.Fatal(err)
	}
	from := f.path("in/.signstash/0", run.ID)
	if err := errors.Join(os.Mkdir(from+"/delivered.0", 0o700),
		os.Rename(from+"/claimed/a.pdf", from+"/delivered.0/a.pdf")); err != nil {
		t.Fatal(err)
	}
	c.Delivered = true
	if err := errors.Join(s.Deliver(t.Context(), run, []hotfolder.Claim{c})...); err != nil {
		t.Fatal(err)
	}
	if got := f.Output(t); len(got) != 1 || got[run.ID+"/a.pdf"] != "signed" {
		t.Errorf("output = %v", got)
	}
}

// TestLostStagedFile does not begin a delivery if the output folder has lost what was staged,
// because its volume is gone.
func TestLostStagedFile(t *testing.T) {
	f := newFolders(t, true)
	s := f.Open(t, 0)
	c := claim(t, f, s, "a.pdf")
	if err := s.Stage(t.Context(), c, 0, "a.pdf", strings.NewReader("signed")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(f.path("out/.signstash")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Deliver(t.Context(), run, []hotfolder.Claim{c})...); err == nil {
		t.Fatal("Deliver succeeds without the staged file")
	}
	if err := errors.Join(s.Stage(t.Context(), c, 0, "a.pdf", strings.NewReader("signed")),
		errors.Join(s.Deliver(t.Context(), run, []hotfolder.Claim{c})...)); err != nil {
		t.Fatal(err)
	}
	if got := f.Output(t); len(got) != 1 || got[run.ID+"/a.pdf"] != "signed" {
		t.Errorf("output = %v", got)
	}
}
