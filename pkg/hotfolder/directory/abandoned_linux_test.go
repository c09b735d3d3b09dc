package directory_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
)

// TestFindAbandoned finds an input folder with runs that is not configured any more, and tells
// whose it was.
func TestFindAbandoned(t *testing.T) {
	f := newFolders(t, true)
	if err := errors.Join(os.MkdirAll(f.path("other/deep"), 0o700), os.Symlink("/", f.path("link"))); err != nil {
		t.Fatal(err)
	}
	cfg := f.config(0)
	cfg.Client = "PRT.1"
	s, err := directory.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	find := func(configured ...string) []hotfolder.Abandoned {
		list, err := directory.FindAbandoned(t.Context(), f.work, configured)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if list := find(); len(list) != 0 {
		t.Errorf("an input folder without runs is abandoned: %+v", list)
	}
	c := claim(t, f, s, "a.pdf")
	want := []hotfolder.Abandoned{{ClientService: "PRT.1", Folder: "/in", Runs: 1}}
	if list := find("/out", "/backup"); !slices.Equal(list, want) {
		t.Errorf("abandoned = %+v, want %+v", list, want)
	}
	if list := find("/out", "/backup", "/in", "/missing"); len(list) != 0 {
		t.Errorf("a configured folder is abandoned: %+v", list)
	}
	if err := errors.Join(s.Backup(t.Context(), run, []hotfolder.BackupFile{{Claim: c}})...); err != nil {
		t.Fatal(err)
	}
	if list := find(); len(list) != 0 {
		t.Errorf("a run without files is abandoned: %+v", list)
	}
}
