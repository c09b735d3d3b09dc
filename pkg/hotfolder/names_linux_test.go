package hotfolder_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLongNames delivers files with names of 255 bytes, for whose results a part of the name is
// cut. Names that are the same then get a number.
func TestLongNames(t *testing.T) {
	stem := strings.Repeat("n", 250)
	inBubble(t, nil, func(h *harness) {
		h.put(stem+"a.txt", "1")
		h.put(stem+"b.txt", "2")
		h.put(stem+"d.pdf", pdf("bad"))
		h.put(strings.Repeat("ä", 127)+"x", "3") // the cut is inside of a character
		h.pass(time.Minute)
		h.has("in")
		out := h.visible("out")
		var signed []string
		for name, content := range out {
			if len(name) > 255 {
				t.Errorf("%q has %d bytes", name, len(name))
			}
			if text, ok := strings.CutPrefix(content, "signed "); ok && strings.HasSuffix(name, ".p7m") {
				signed = append(signed, text)
			}
		}
		if len(out) != 4 || len(signed) != 3 {
			t.Errorf("output = %q", out)
		}
		if backup := h.visible("backup"); len(backup) != 5 || backup[stem+"a.txt"] != "1" || backup[stem+"b.txt"] != "2" {
			t.Errorf("backup has %d files, want the originals by their names, and a text", len(backup))
		}
	})
}

// TestUnmountedInput claims nothing from the empty folder below a volume that is not mounted, and
// goes on when the volume is back.
func TestUnmountedInput(t *testing.T) {
	volume := t.TempDir()
	if err := unix.Mount("none", volume, "tmpfs", 0, ""); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(volume, unix.MNT_DETACH) })
	var input string
	t.Cleanup(func() { _ = unix.Unmount(input, unix.MNT_DETACH) })
	mount := func() error { return unix.Mount(volume, input, "", unix.MS_BIND, "") }
	inBubble(t, func(h *harness) {
		input = h.path("in")
		if err := mount(); err != nil {
			t.Fatal(err)
		}
	}, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.pass(time.Minute)
		h.put("b.pdf", pdf("2"))
		if err := unix.Unmount(input, unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
		h.put("below.pdf", pdf("not on the volume"))
		h.pass(time.Minute)
		h.has("out", "a.pdf=signed "+pdf("1"))
		h.has("in", "below.pdf="+pdf("not on the volume"))
		if got := h.metric("folder_usable", ""); got != 0 {
			t.Errorf("folder_usable = %v while the volume is not mounted, want 0", got)
		}
		if err := errors.Join(os.Remove(h.path("in/below.pdf")), mount()); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Minute)
		h.has("out", "a.pdf=signed "+pdf("1"), "b.pdf=signed "+pdf("2"))
		if got := h.metric("folder_usable", ""); got != 1 {
			t.Errorf("folder_usable = %v, want 1", got)
		}
	})
}

// TestMissingFolders uses the folders as soon as they exist.
func TestMissingFolders(t *testing.T) {
	inBubble(t, func(h *harness) {
		if err := os.Remove(h.path("out")); err != nil {
			t.Fatal(err)
		}
	}, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.pass(time.Minute)
		h.has("in", "a.pdf="+pdf("1"))
		if got := h.metric("folder_usable", ""); got != 0 {
			t.Errorf("folder_usable = %v, want 0", got)
		}
		if err := os.Mkdir(h.path("out"), 0o750); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Minute)
		h.has("out", "a.pdf=signed "+pdf("1"))
	})
}

// TestManySmallFiles lets two instances sign a folder with many tiny files. HOT_FILES sets how
// many.
func TestManySmallFiles(t *testing.T) {
	files := 500
	if text := os.Getenv("HOT_FILES"); text != "" {
		if _, err := fmt.Sscan(text, &files); err != nil {
			t.Fatal(err)
		}
	}
	inBubble(t, func(h *harness) { h.cfg.Window = min(files/3, 10_000) }, func(h *harness) {
		other := &harness{T: h.T, work: h.work, service: newFakeService(), client: h.client, cfg: h.cfg}
		other.cfg.Ordinal = 1
		other.start()
		defer func() { other.stop() }()
		for i := range files {
			h.put(fmt.Sprintf("%06d", i), "x")
		}
		for h.service.count()+other.service.count() < files {
			h.pass(time.Minute)
		}
		h.pass(time.Minute)
		if out, backup := len(h.visible("out")), len(h.visible("backup")); out != files || backup != files {
			t.Errorf("%d outputs and %d originals, want %d", out, backup, files)
		}
		if n := h.service.count() + other.service.count(); n != files {
			t.Errorf("%d signatures, want %d", n, files)
		}
		h.has("in")
	})
}

// count returns how many signatures were made.
func (s *fakeService) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signed
}
