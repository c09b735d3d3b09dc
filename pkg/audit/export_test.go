package audit

import (
	"os"
	"syscall"
	"time"
)

// NextName returns the name of the file that follows last.
func NextName(last string, now time.Time) string { return nextName(last, now) }

// BreakFile makes the next write fail, and also the cut after it.
func BreakFile(l *Log) {
	_ = l.file.Close()
	l.file, _ = os.Open(os.DevNull)
}

// FailSyncDir makes the sync of the folder fail the given number of times.
func FailSyncDir(l *Log, times int) {
	sync := l.syncDir
	l.syncDir = func(path string) error {
		if times--; times >= 0 {
			return syscall.EIO
		}
		return sync(path)
	}
}

// OpenOf returns how many calls the store holds as open.
func OpenOf(s *Store) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open) + len(s.ended)
}
