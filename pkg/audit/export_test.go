package audit

import (
	"os"
	"syscall"
	"time"
)

// NextName is the name of the file behind last.
func NextName(last string, now time.Time) string { return nextName(last, now) }

// BreakFile makes the next write fail, and the cut behind it too.
func BreakFile(l *Log) {
	_ = l.file.Close()
	l.file, _ = os.Open(os.DevNull)
}

// FailSyncDir has the next new files not become durable, so many times.
func FailSyncDir(l *Log, times int) {
	sync := l.syncDir
	l.syncDir = func(path string) error {
		if times--; times >= 0 {
			return syscall.EIO
		}
		return sync(path)
	}
}

// OpenOf is how many calls a store takes for open.
func OpenOf(s *Store) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open) + len(s.ended)
}
