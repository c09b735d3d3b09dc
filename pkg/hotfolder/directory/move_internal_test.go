//go:build linux

package directory

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMoveByLinkAfterCrash completes a move that a crash interrupted between the link and the
// removal of the old name. It replaces no other file.
func TestMoveByLinkAfterCrash(t *testing.T) {
	work := t.TempDir()
	at := func(elements ...string) string { return filepath.Join(append([]string{work}, elements...)...) }
	if err := errors.Join(os.Mkdir(at("from"), 0o700), os.Mkdir(at("to"), 0o700),
		os.WriteFile(at("from/a"), []byte("a"), 0o600), os.WriteFile(at("to/b"), []byte("b"), 0o600),
		os.Link(at("from/a"), at("to/a"))); err != nil {
		t.Fatal(err)
	}
	p := &places{cfg: Config{Work: work}}
	from, err := p.open("/from")
	if err != nil {
		t.Fatal(err)
	}
	defer from.close()
	to, err := p.open("/to")
	if err != nil {
		t.Fatal(err)
	}
	defer to.close()
	if err := from.moveByLink("a", to, "b"); !errors.Is(err, unix.EEXIST) {
		t.Errorf("move to the name of another file = %v, want EEXIST", err)
	}
	if err := from.moveByLink("a", to, "a"); err != nil {
		t.Errorf("move after a crash = %v", err)
	}
	if from.exists("a") || !to.exists("a") {
		t.Error("the file has not moved")
	}
}
