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

// expiry removes files that are older than Config.Keep.
type expiry struct{ cfg Config }

// run removes files whose day ended more than Config.Keep ago, the oldest first. So the chain
// begins later and has no gap. It keeps the file current, which is being written.
func (e expiry) run(current string, now time.Time) {
	if e.cfg.Keep <= 0 {
		return
	}
	files, err := list(e.cfg.Folder)
	if err != nil {
		e.cfg.Log.Error(err, "could not remove expired audit files")
		return
	}
	for i, name := range files {
		ended, known := e.ended(files[i:], now)
		if !known || name == current || now.Sub(ended) <= e.cfg.Keep {
			return
		}
		if err := os.Remove(filepath.Join(e.cfg.Folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			e.cfg.Log.Error(err, "could not remove an expired audit file", "file", name)
		}
	}
}

// ended returns when the day of the first of files ended. Usually the date in its name says that.
// If the file was begun while the clock was ahead, or later, the name can have a wrong date. Then
// its first line says it, or the first line of the next file that was begun after the clock was
// corrected.
func (e expiry) ended(files []string, now time.Time) (end time.Time, known bool) {
	date, _, _ := parseName(files[0])
	if begun, err := time.Parse(dayForm, date); err == nil && !begun.After(now) {
		return begun.Add(day), true
	}
	for _, name := range files {
		if begun, ok := opened(filepath.Join(e.cfg.Folder, name)); ok && !begun.After(now) {
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
