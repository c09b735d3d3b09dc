//go:build linux

package directory_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
)

var run = hotfolder.Run{Owner: 0, ID: "0a2f6f0e-6d0b-4c1c-9f3f-000000000001"}

// entry returns what List yields for a name.
func entry(t *testing.T, s hotfolder.Storage, name string) hotfolder.Entry {
	t.Helper()
	for e, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("List does not yield %q", name)
	return hotfolder.Entry{}
}

// claim puts a file and claims it.
func claim(t *testing.T, f *folders, s hotfolder.Storage, name string) hotfolder.Claim {
	t.Helper()
	f.Put(t, name, "content of "+name)
	if err := errors.Join(s.Claim(t.Context(), run, []hotfolder.Entry{entry(t, s, name)})...); err != nil {
		t.Fatal(err)
	}
	for c, err := range s.Claimed(t.Context(), run) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("%q was not claimed", name)
	return hotfolder.Claim{}
}

// TestIrregular lists what is no regular file, and neither opens nor claims it.
func TestIrregular(t *testing.T) {
	f := newFolders(t, true)
	s := f.Open(t, 0)
	secret := filepath.Join(t.TempDir(), "secret.pdf")
	write(t, secret, "secret")
	if err := errors.Join(
		os.Symlink(secret, f.path("in", "link.pdf")),
		os.Symlink("missing", f.path("in", "dangling.pdf")),
		unix.Mkfifo(f.path("in", "pipe.pdf"), 0o600),
		os.Mkdir(f.path("in", "folder.pdf"), 0o700),
	); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"link.pdf": "symbolic link", "dangling.pdf": "symbolic link", "pipe.pdf": "named pipe",
		"folder.pdf": "folder"}
	null := int(unix.Mkdev(1, 3))
	if err := unix.Mknod(f.path("in", "null.pdf"), unix.S_IFCHR|0o600, null); err == nil { // needs a right
		want["null.pdf"] = "device"
	}
	if err := unix.Mknod(f.path("in", "socket.pdf"), unix.S_IFSOCK|0o600, 0); err == nil {
		want["socket.pdf"] = "socket"
	}
	for name, kind := range want {
		e := entry(t, s, name)
		if e.Irregular != kind {
			t.Errorf("%s is listed as %q, want %q", name, e.Irregular, kind)
		}
		if err := s.Claim(t.Context(), run, []hotfolder.Entry{e})[0]; !errors.Is(err, hotfolder.ErrChanged) {
			t.Errorf("Claim(%s) = %v, want ErrChanged", name, err)
		}
	}
}

// TestReplacedByLink does not follow a link that replaces a claimed file.
func TestReplacedByLink(t *testing.T) {
	f := newFolders(t, true)
	s := f.Open(t, 0)
	secret := filepath.Join(t.TempDir(), "secret.pdf")
	write(t, secret, "content of a.pdf")
	c := claim(t, f, s, "a.pdf")
	at := f.path("in/.signstash/0", run.ID, "claimed/a.pdf")
	if err := errors.Join(os.Remove(at), os.Symlink(secret, at)); err != nil {
		t.Fatal(err)
	}
	if file, err := s.Open(t.Context(), c); err == nil {
		_ = file.Close()
		t.Error("Open follows a symbolic link")
	}
}

// TestOutside refuses folders outside the work folder.
func TestOutside(t *testing.T) {
	f := newFolders(t, true)
	outside := t.TempDir()
	if err := os.Symlink(outside, f.path("elsewhere")); err != nil {
		t.Fatal(err)
	}
	write(t, f.path("file"), "x")
	for _, input := range []string{"/elsewhere", "/../" + filepath.Base(outside), "/missing", "/file"} {
		cfg := f.config(0)
		cfg.Input = input
		if s, err := directory.Open(cfg); err == nil {
			_ = s.Close()
			t.Errorf("Open with the input folder %s succeeds", input)
		}
	}
	if list, err := os.ReadDir(outside); err != nil || len(list) != 0 {
		t.Errorf("the folder outside has %v, %v", list, err)
	}
}

// TestSameFolder refuses folders that are the same or inside each other because of a symbolic link.
func TestSameFolder(t *testing.T) {
	f := newFolders(t, true)
	if err := errors.Join(os.Mkdir(f.path("in/deep"), 0o700), os.Symlink("in", f.path("same")),
		os.Symlink("in/deep", f.path("inside"))); err != nil {
		t.Fatal(err)
	}
	for output, want := range map[string]string{
		"/in": "same", "/same": "same", "/inside": "inside", "/in/deep": "inside",
	} {
		cfg := f.config(0)
		cfg.Output = output
		s, err := directory.Open(cfg)
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open with the output folder %s = %v, want an error with %q", output, err, want)
		}
	}
}

// TestOneProcessPerOrdinal refuses a second process with the same ordinal.
func TestOneProcessPerOrdinal(t *testing.T) {
	f := newFolders(t, true)
	first := f.Open(t, 0)
	if s, err := directory.Open(f.config(0)); err == nil {
		_ = s.Close()
		t.Error("a second process with the same ordinal can open the folder")
	}
	f.Open(t, 1)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	f.Open(t, 0)
}

// TestOpenWriter does not claim a file that somebody has open for writing, also if it did not
// change for a long time.
func TestOpenWriter(t *testing.T) {
	f := newFolders(t, true)
	s := f.Open(t, 0)
	f.Put(t, "a.pdf", "first half")
	writer, err := os.OpenFile(f.path("in/a.pdf"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	e := entry(t, s, "a.pdf")
	if err := s.Claim(t.Context(), run, []hotfolder.Entry{e})[0]; !errors.Is(err, hotfolder.ErrInUse) {
		t.Errorf("Claim while the file is open = %v, want ErrInUse", err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Claim(t.Context(), run, []hotfolder.Entry{e})[0]; err != nil {
		t.Errorf("Claim afterwards = %v", err)
	}
}

// TestWrittenAfterClaim notices that a claimed file was changed.
func TestWrittenAfterClaim(t *testing.T) {
	f := newFolders(t, true)
	s := f.Open(t, 0)
	c := claim(t, f, s, "a.pdf")
	file, err := s.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	at := f.path("in/.signstash/0", run.ID, "claimed/a.pdf")
	if err := os.WriteFile(at, []byte("longer than before, and other"), 0); err != nil {
		t.Fatal(err)
	}
	if err := file.Unchanged(); !errors.Is(err, hotfolder.ErrChanged) {
		t.Errorf("Unchanged = %v, want ErrChanged", err)
	}
	if _, err := s.Open(t.Context(), c); !errors.Is(err, hotfolder.ErrChanged) {
		t.Errorf("Open = %v, want ErrChanged", err)
	}
}

// TestArrivals says how files came, as far as inotify tells it.
func TestArrivals(t *testing.T) {
	f := newFolders(t, false)
	s := f.Open(t, 0)
	write(t, f.path("moved.pdf"), "x")
	if err := os.Rename(f.path("moved.pdf"), f.path("in/moved.pdf")); err != nil {
		t.Fatal(err)
	}
	f.Put(t, "closed.pdf", "x")
	writer, err := os.Create(f.path("in/open.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	want := map[string]hotfolder.Arrival{"moved.pdf": hotfolder.ArrivalWhole, "closed.pdf": hotfolder.ArrivalClosed,
		"open.pdf": hotfolder.ArrivalUnknown}
	await(t, s, func() bool {
		for name, arrival := range want {
			if e, err := s.Stat(t.Context(), name); err != nil || e.Arrival != arrival {
				return false
			}
		}
		return true
	})
}

// await waits for hints until ok returns true.
func await(t *testing.T, s hotfolder.Storage, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !ok() {
		select {
		case <-s.Wake():
		case <-ctx.Done():
			t.Fatal("no hint came")
		}
	}
}

// TestPutBackIsNotWhole does not take a file for whole because it was put back.
func TestPutBackIsNotWhole(t *testing.T) {
	f := newFolders(t, false)
	s := f.Open(t, 0)
	c := claim(t, f, s, "a.pdf")
	if err := s.PutBack(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	write(t, f.path("last"), "x")
	if err := os.Rename(f.path("last"), f.path("in/last")); err != nil {
		t.Fatal(err)
	}
	await(t, s, func() bool {
		e, err := s.Stat(t.Context(), "last")
		return err == nil && e.Arrival == hotfolder.ArrivalWhole
	})
	if e := entry(t, s, "a.pdf"); e.Arrival == hotfolder.ArrivalWhole {
		t.Error("a file that was put back is whole")
	}
}

// TestConsumerRemovesEmptyFolders delivers while consumers remove all empty folders all the time:
// the sub-folder of the run, and also our own folders.
func TestConsumerRemovesEmptyFolders(t *testing.T) {
	f := newFolders(t, true)
	s := f.Open(t, 0)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = filepath.WalkDir(f.work, func(path string, e fs.DirEntry, _ error) error {
				if strings.HasPrefix(path, f.path("out")+"/") || strings.HasPrefix(path, f.path("backup")+"/") {
					_ = unix.Rmdir(path) // fails unless it is an empty folder
				}
				return nil
			})
		}
	}()
	defer func() { stop(); <-done }()
	for i := range 50 {
		c := claim(t, f, s, strings.Repeat("a", 5*i+1))
		if err := s.Stage(t.Context(), c, 0, c.Name, strings.NewReader("signed")); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(append(s.Deliver(t.Context(), run, []hotfolder.Claim{c}), s.Backup(t.Context(), run,
			[]hotfolder.BackupFile{{Claim: c, Beside: map[string][]byte{c.Name + ".t": []byte("text")}}})...)...); err != nil {
			t.Fatal(err)
		}
		f.RemoveOutput(t, run.ID+"/"+c.Name) // fails if it was not delivered
	}
	if err := s.Release(t.Context(), run); err != nil {
		t.Error(err)
	}
}

// TestFlat needs no sub-folders and replaces nothing.
func TestFlat(t *testing.T) {
	f := newFolders(t, true)
	f.flat = true
	s := f.Open(t, 0)
	write(t, f.path("out/a.pdf"), "somebody's")
	write(t, f.path("backup/a.pdf"), "somebody's")
	c := claim(t, f, s, "a.pdf")
	if err := s.Stage(t.Context(), c, 0, c.Name, strings.NewReader("signed")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(append(s.Deliver(t.Context(), run, []hotfolder.Claim{c}),
		s.Backup(t.Context(), run, []hotfolder.BackupFile{{Claim: c}})...)...); err != nil {
		t.Fatal(err)
	}
	if got := f.Output(t); len(got) != 2 || got["a.pdf"] != "somebody's" || got["a~1.pdf"] != "signed" {
		t.Errorf("output = %v", got)
	}
	if got := f.Backup(t); len(got) != 2 || got["a.pdf"] != "somebody's" || got["a~1.pdf"] != "content of a.pdf" {
		t.Errorf("backup = %v", got)
	}
}

// TestDeliveryBegunByFormerOwner shows what the former owner staged, if it died after it recorded
// the delivery and before it showed the files.
func TestDeliveryBegunByFormerOwner(t *testing.T) {
	f := newFolders(t, true)
	a, b := f.Open(t, 0), f.Open(t, 1)
	c := claim(t, f, a, "a.pdf")
	long := strings.Repeat("l", 251) + ".txt"
	if err := errors.Join(a.Stage(t.Context(), c, 0, "a.pdf", strings.NewReader("by a")),
		a.Stage(t.Context(), c, 1, long, strings.NewReader("long name"))); err != nil {
		t.Fatal(err)
	}
	from := f.path("in/.signstash/0", run.ID)
	if err := errors.Join(os.Mkdir(from+"/delivered.0", 0o700),
		os.Rename(from+"/claimed/a.pdf", from+"/delivered.0/a.pdf")); err != nil {
		t.Fatal(err)
	}
	taken, err := b.TakeOver(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	c.Run = taken // b has listed it before the former owner recorded the delivery
	if err := errors.Join(append([]error{b.Stage(t.Context(), c, 0, "a.pdf", strings.NewReader("by b"))},
		b.Deliver(t.Context(), taken, []hotfolder.Claim{c})...)...); err != nil {
		t.Fatal(err)
	}
	if got := f.Output(t); len(got) != 2 || got[run.ID+"/a.pdf"] != "by a" || got[run.ID+"/"+long] != "long name" {
		t.Errorf("output = %v, want the files of the former owner", got)
	}
}
