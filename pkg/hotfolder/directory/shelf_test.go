//go:build linux

package directory_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// TestModeAfterCrash gives consumers access to the sub-folder of a run that was made by a process
// that died before it had set the mode.
func TestModeAfterCrash(t *testing.T) {
	f := newFolders(t, true)
	s, ctx := f.Open(t, 0), context.Background()
	f.Put(t, "a.pdf", "1")
	e, err := s.Stat(ctx, "a.pdf")
	if err != nil {
		t.Fatal(err)
	}
	run := hotfolder.Run{ID: "4d3f1f2c-0f2e-4d0e-9e0b-8a52b7a4a3c1"}
	if errs := s.Claim(ctx, run, []hotfolder.Entry{e}); errs != nil && errs[0] != nil {
		t.Fatal(errs)
	}
	if err := os.Mkdir(f.path("out", run.ID), 0o700); err != nil {
		t.Fatal(err)
	}
	claim := hotfolder.Claim{Run: run, Name: e.Name, Size: e.Size, Modified: e.Modified}
	if err := s.Stage(ctx, claim, 0, "a.pdf", strings.NewReader("signed")); err != nil {
		t.Fatal(err)
	}
	if errs := s.Deliver(ctx, run, []hotfolder.Claim{claim}); errs != nil && errs[0] != nil {
		t.Fatal(errs)
	}
	info, err := os.Stat(f.path("out", run.ID))
	if err != nil || info.Mode().Perm() != 0o770 {
		t.Errorf("mode = %v, %v, want 0770", info.Mode(), err)
	}
}
