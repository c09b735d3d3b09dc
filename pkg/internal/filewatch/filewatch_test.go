package filewatch

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
)

// watch runs Run until the test ends. It returns a channel that gets the file's content after each
// call.
func watch(t *testing.T, poll time.Duration, path string) <-chan string {
	t.Helper()
	contents := make(chan string, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Config{Paths: []string{path}, Poll: poll, Log: logr.Discard()}, func() {
			data, err := os.ReadFile(path)
			if err != nil {
				data = []byte("(missing)")
			}
			contents <- string(data)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
	return contents
}

// await reads contents until want comes. If it never comes, the deadline of the test binary ends
// the wait.
func await(t *testing.T, contents <-chan string, want string) {
	t.Helper()
	for got := range contents {
		if got == want {
			return
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// never is a poll interval longer than a test, so that only events can report a change.
const never = 24 * time.Hour

func TestRunTellsEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "1")
	contents := watch(t, never, path)
	await(t, contents, "1")

	write(t, path, "2")
	await(t, contents, "2")

	temp := path + ".new"
	write(t, temp, "3")
	if err := os.Rename(temp, path); err != nil {
		t.Fatal(err)
	}
	await(t, contents, "3")

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	await(t, contents, "(missing)")
	write(t, path, "4")
	await(t, contents, "4")
}

// TestRunFollowsKubeletSwap changes a file the way the kubelet does: FILE -> ..data/FILE, ..data ->
// a folder with a time in its name, and a new ..data renamed over the old one.
func TestRunFollowsKubeletSwap(t *testing.T) {
	volume := t.TempDir()
	publish := func(version, content string) {
		t.Helper()
		folder := filepath.Join(volume, ".."+version)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, "file"), content)
		link := filepath.Join(volume, "..data_tmp")
		if err := os.Symlink(".."+version, link); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link, filepath.Join(volume, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	publish("2026_01", "1")
	path := filepath.Join(volume, "file")
	if err := os.Symlink(filepath.Join("..data", "file"), path); err != nil {
		t.Fatal(err)
	}
	contents := watch(t, never, path)
	await(t, contents, "1")
	publish("2026_02", "2")
	await(t, contents, "2")
	if err := os.RemoveAll(filepath.Join(volume, "..2026_01")); err != nil {
		t.Fatal(err)
	}
	publish("2026_03", "3")
	await(t, contents, "3")
}

// TestRunPolls changes a file behind a link into another folder, which gives no event in the
// watched one.
func TestRunPolls(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "file")
	write(t, elsewhere, "1")
	path := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(elsewhere, path); err != nil {
		t.Fatal(err)
	}
	contents := watch(t, time.Millisecond, path)
	await(t, contents, "1")
	write(t, elsewhere, "2")
	await(t, contents, "2")
}

func TestRunFollowsReplacedFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	path := filepath.Join(folder, "file")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, "1")
	contents := watch(t, time.Millisecond, path)
	await(t, contents, "1")
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	await(t, contents, "(missing)")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, "2")
	await(t, contents, "2")
}

// TestRunSettles checks that events that come close together cause one call.
func TestRunSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := make(chan struct{})
		var calls atomic.Int32
		done := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer close(done)
			loop(ctx, never, events, func() {}, func() { calls.Add(1) })
		}()
		synctest.Wait()
		want(t, "at the start", &calls, 1)
		for range 10 {
			events <- struct{}{}
			time.Sleep(settle / 2)
		}
		synctest.Wait()
		want(t, "while events come", &calls, 1)
		time.Sleep(settle)
		synctest.Wait()
		want(t, "after the folder was quiet", &calls, 2)
		time.Sleep(never)
		synctest.Wait()
		want(t, "after a poll", &calls, 3)
		cancel()
		<-done
	})
}

func want(t *testing.T, when string, calls *atomic.Int32, n int32) {
	t.Helper()
	if got := calls.Load(); got != n {
		t.Errorf("calls %s = %d, want %d", when, got, n)
	}
}
