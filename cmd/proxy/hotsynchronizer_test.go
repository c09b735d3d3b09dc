package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// hotShort is the duration of TestHotFolderSynchronizer in `make test`. SOAK_TIME sets a longer
// one.
const hotShort = 3 * time.Second

// TestHotFolderSynchronizer does what a synchronizer between a bucket and the folders does: it
// drops files, takes each output at once, and then removes empty sub-folders. A reader opens
// everything that it sees meanwhile. Each file is delivered once and whole, and the proxies log
// nothing above INFO.
func TestHotFolderSynchronizer(t *testing.T) {
	t.Parallel()
	d := hotShort
	if os.Getenv("SOAK_TIME") != "" {
		d = soakTime(t)
	}
	remote := newRemoteSide(t, service.Options{Credentials: []service.Credential{{Multisign: 20}}})
	p := newHotPair(t, remote)
	s := &synchronizer{T: t, pair: p, folder: filepath.Join(p.work, "out"), seen: make(map[string]int)}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer func() { stop(); all.Wait() }()
	all.Go(func() { s.consume(ctx) })
	all.Go(func() { s.read(ctx) })
	n := s.produce(time.Now().Add(d))
	until(t, "all files are delivered", func() bool { return s.count() >= n })
	until(t, "all files are in the backup folder", func() bool {
		list, err := filepath.Glob(filepath.Join(p.work, "backup", "*", "*.xml"))
		return err == nil && len(list) == n
	})
	stop()
	all.Wait()
	for name, times := range s.seen {
		if times != 1 {
			t.Errorf("%s was delivered %d times", name, times)
		}
	}
	t.Logf("%v: %d files, %d read by another reader", d, n, s.opened)
	for _, proxy := range p.proxy {
		quiet(t, proxy.log(t))
	}
}

// quiet fails the test for each line of a log above INFO.
func quiet(t *testing.T, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var entry struct{ Level string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Level != "INFO" && entry.Level != "DEBUG" {
			t.Errorf("log: %s", line)
		}
	}
}

// synchronizer moves files between two folders and something else.
type synchronizer struct {
	*testing.T
	pair   *hotPair
	folder string // output

	mu     sync.Mutex
	seen   map[string]int
	opened int // files that the second reader could open
}

// produce drops files until the end, and returns how many.
func (s *synchronizer) produce(end time.Time) (n int) {
	for ; time.Now().Before(end); n++ {
		s.pair.put(fmt.Sprintf("%07d.xml", n), fmt.Sprintf("<Order><Line>%d</Line></Order>", n))
		time.Sleep(rand.N(20 * time.Millisecond)) // the rate of a producer
	}
	return n
}

// consume takes each output at once. Then it removes all empty folders, also the hidden ones, as
// find -empty -delete does.
func (s *synchronizer) consume(ctx context.Context) {
	for ctx.Err() == nil {
		var folders []string
		_ = filepath.WalkDir(s.folder, func(path string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil // it was removed
			case e.IsDir() && path != s.folder:
				folders = append(folders, path)
			case e.IsDir() || strings.Contains(path, "/.signstash/"):
			default:
				s.take(path)
			}
			return nil
		})
		for i := len(folders) - 1; i >= 0; i-- {
			_ = os.Remove(folders[i]) // fails unless it is empty
		}
		time.Sleep(time.Millisecond)
	}
}

func (s *synchronizer) take(path string) {
	s.whole(path)
	if err := os.Remove(path); err != nil {
		s.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[filepath.Base(path)]++
}

// whole fails the test if an output is not a complete signed document. It reports whether the file
// is there.
func (s *synchronizer) whole(path string) bool {
	content, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	text := string(content)
	if !strings.HasPrefix(text, "<Order>") || !strings.HasSuffix(text, "</Order>") ||
		!strings.Contains(text, "SignatureValue>") {
		s.Errorf("%s is not whole: %q", path, text)
	}
	return true
}

// read lists the output folder all the time and opens what it sees.
func (s *synchronizer) read(ctx context.Context) {
	for ctx.Err() == nil {
		list, _ := filepath.Glob(filepath.Join(s.folder, "[0-9a-f]*", "*"))
		for _, path := range list {
			if s.whole(path) {
				s.mu.Lock()
				s.opened++
				s.mu.Unlock()
			}
		}
		time.Sleep(time.Millisecond)
	}
}

func (s *synchronizer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}
