package audit

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// expire removes files whose day ended more than Config.Keep ago, the oldest first. So the chain
// begins later, and has no gap.
func (l *Log) expire(now time.Time) {
	if l.cfg.Keep <= 0 {
		return
	}
	files, err := list(l.cfg.Folder)
	if err != nil {
		l.cfg.Log.Error(err, "old audit files stay")
		return
	}
	for i, name := range files {
		ended, known := l.ended(files[i:], now)
		if !known || name == l.name || now.Sub(ended) <= l.cfg.Keep {
			return
		}
		if err := os.Remove(filepath.Join(l.cfg.Folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.cfg.Log.Error(err, "an old audit file stays", "file", name)
		}
	}
}

// ended returns when the day of the first of files ended. Its name does not tell that if it was
// begun while the clock was ahead, or after that. Then its first line tells it, or the first line
// of the next file that was begun after the clock was corrected.
func (l *Log) ended(files []string, now time.Time) (end time.Time, known bool) {
	date, _, _ := parseName(files[0])
	if begun, err := time.Parse(dayForm, date); err == nil && !begun.After(now) {
		return begun.Add(day), true
	}
	for _, name := range files {
		if begun, ok := opened(filepath.Join(l.cfg.Folder, name)); ok && !begun.After(now) {
			return begun.Truncate(day).Add(day), true
		}
	}
	return time.Time{}, false
}

// opened returns when a file was begun, according to its first line.
func opened(path string) (time.Time, bool) {
	f, err := os.Open(path)
	if err != nil {
		return time.Time{}, false
	}
	defer func() { _ = f.Close() }()
	text, err := bufio.NewReaderSize(f, maxLine).ReadSlice('\n')
	var r fileRead
	if err != nil || r.take(bytes.TrimSuffix(text, []byte{'\n'}), nil) != nil {
		return time.Time{}, false
	}
	return r.head.Opened, true
}
