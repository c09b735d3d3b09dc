package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
)

// Config is the configuration of a Log.
type Config struct {
	// Folder holds the files. Open creates it if it is missing. It belongs to one process, which the
	// lock of the state folder ensures.
	Folder string
	// Keep is how long a file is kept after its day; 0 = forever.
	Keep time.Duration
	Log  logr.Logger
	Now  func() time.Time // nil = time.Now
}

// Log appends records to the files. It is safe for concurrent use. Records that arrive together
// share an fsync.
type Log struct {
	cfg Config

	mu      sync.Mutex // guards pending
	pending *group

	writing sync.Mutex // guards the fields below: one group is written at a time
	file    *os.File
	name    string // of file
	opened  time.Time
	size    int64 // bytes of file that are durable
	hash    string
	damaged error // why the file cannot be written any further, or could not be created
	closed  bool
	syncDir func(path string) error
}

// group is a set of records that are written together.
type group struct {
	records []Record
	done    bool
	err     error
}

const (
	// dayForm is the date in a file's name, in UTC.
	dayForm = "2006-01-02"
	day     = 24 * time.Hour
	// maxNumber is the highest number of a file of one day. Names with a fourth digit would not sort.
	maxNumber = 999
)

// Open continues where the last process ended. It cuts off a last line that was written in part,
// because nobody was told that it was stored. If the chain is broken elsewhere, Open leaves the
// file as it is and begins a new file that says so.
func Open(cfg Config) (*Log, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := durable.MkdirAll(cfg.Folder, 0o700); err != nil {
		return nil, fmt.Errorf("create audit folder: %w", err)
	}
	l := &Log{cfg: cfg, hash: start, syncDir: durable.SyncDir}
	return l, l.find()
}

// find continues the newest file that holds anything, or begins a new one.
func (l *Log) find() error {
	files, err := list(l.cfg.Folder)
	if err != nil {
		return err
	}
	for len(files) > 0 {
		whole, err := l.resume(files[len(files)-1])
		if whole || err != nil {
			return err
		}
		files = files[:len(files)-1]
	}
	return l.roll("")
}

// list returns the names of the files, the oldest first.
func list(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("list audit files: %w", err)
	}
	var names []string
	for _, e := range entries {
		if _, _, ok := parseName(e.Name()); ok {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names) // the names sort by day and number
	return names, nil
}

func fileName(date string, number int) string {
	return fmt.Sprintf("audit-%s-%03d.jsonl", date, number)
}

// nextName returns the name of the file that follows last at a given time. The name sorts after
// last, even if the clock was set back.
func nextName(last string, now time.Time) string {
	today := now.Format(dayForm)
	lastDay, number, ok := parseName(last)
	if !ok || lastDay < today {
		return fileName(today, 0)
	}
	if number < maxNumber {
		return fileName(lastDay, number+1)
	}
	d, _ := time.Parse(dayForm, lastDay) // cannot fail: parseName has checked it
	return fileName(d.Add(day).Format(dayForm), 0)
}

func parseName(name string) (date string, number int, ok bool) {
	text, prefixed := strings.CutPrefix(name, "audit-")
	if len(text) < len(dayForm) || !prefixed {
		return "", 0, false
	}
	date = text[:len(dayForm)]
	if _, err := time.Parse(dayForm, date); err != nil {
		return "", 0, false
	}
	if _, err := fmt.Sscanf(text[len(dayForm):], "-%d.jsonl", &number); err != nil {
		return "", 0, false
	}
	return date, number, fileName(date, number) == name
}

// resume opens the newest file to append to it. It removes a file whose first line was never
// complete, because a process died while it made the file. Then whole is false.
func (l *Log) resume(name string) (whole bool, err error) {
	path := filepath.Join(l.cfg.Folder, name)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false, fmt.Errorf("open audit file: %w", err)
	}
	r := readFile(f, nil)
	if r.lines == 0 && (r.fault == nil || r.torn) {
		return false, errors.Join(f.Close(), durable.RemoveAll(path))
	}
	l.file, l.name, l.size, l.opened = f, name, r.good, r.head.Opened.UTC()
	if r.lines > 0 {
		l.hash = r.last
	}
	if r.fault == nil || r.torn {
		return true, l.cut()
	}
	l.cfg.Log.Error(r.fault, "the audit record was changed, or damaged by a power failure; starting a new file",
		"file", name, "line", r.lines+1)
	return true, l.roll(fmt.Sprintf("%s line %d: %v", name, r.lines+1, r.fault))
}

// cut removes the bytes after the last complete line.
func (l *Log) cut() error {
	size, err := l.file.Seek(0, io.SeekEnd)
	if err == nil && size != l.size {
		l.cfg.Log.Info("removing the incomplete last line of the audit record", "file", l.name)
		err = errors.Join(l.file.Truncate(l.size), l.file.Sync())
	}
	if err == nil {
		_, err = l.file.Seek(l.size, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("repair audit file: %w", err)
	}
	return nil
}

// roll begins a new file. If it cannot, the chain stays as it was, and the next write checks what
// is left of the file.
func (l *Log) roll(broken string) error {
	before := l.hash
	if err := l.begin(broken); err != nil {
		l.hash, l.damaged = before, err
		return err
	}
	return nil
}

func (l *Log) begin(broken string) error {
	now := l.cfg.Now().UTC()
	if l.file != nil {
		l.cfg.Log.Info("closed audit file", "file", l.name, "hash", l.hash)
		_ = l.file.Close() // its content is already durable
		l.file = nil
	}
	name := nextName(l.name, now)
	path := filepath.Join(l.cfg.Folder, name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create audit file: %w", err)
	}
	l.file, l.name, l.size, l.opened = f, name, 0, now
	if err := errors.Join(l.head(broken), l.syncDir(l.cfg.Folder)); err != nil {
		_ = f.Close()
		_ = os.Remove(path) // otherwise the next start would find it, and continue it if its head is complete
		l.file = nil
		return err
	}
	expiry{l.cfg}.run(l.name, now)
	return nil
}

func (l *Log) head(broken string) error {
	text, hash, err := line(nil, l.hash, Head{Audit: version, Opened: l.opened, Continues: l.hash, Broken: broken})
	if err != nil {
		return err
	}
	return l.append(text, hash)
}

// append makes text durable, or leaves the file as it was.
func (l *Log) append(text []byte, hash string) error {
	_, err := l.file.Write(text)
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		// Some bytes may have been written, and after a failed fsync nobody knows which. Cut the file
		// back to the size that is known to be durable. If the file cannot be cut, it is damaged.
		_, seekErr := l.file.Seek(l.size, io.SeekStart)
		if cutErr := errors.Join(l.file.Truncate(l.size), seekErr); cutErr != nil {
			l.damaged = cutErr
		}
		return fmt.Errorf("write audit record: %w", err)
	}
	l.size += int64(len(text))
	l.hash = hash
	return nil
}

// Append makes records durable, in their order. After an error none of them is stored.
func (l *Log) Append(records []Record) error {
	l.mu.Lock()
	g := l.pending
	if g == nil {
		g = &group{}
		l.pending = g
	}
	g.records = append(g.records, records...)
	l.mu.Unlock()

	l.writing.Lock() // while this call waits, others join the group
	defer l.writing.Unlock()
	if g.done {
		return g.err
	}
	l.mu.Lock()
	l.pending = nil
	l.mu.Unlock()
	g.done, g.err = true, l.write(g.records)
	return g.err
}

// ErrClosed is the error of Append after Close.
var ErrClosed = errors.New("audit log is closed")

func (l *Log) write(records []Record) error {
	if l.closed {
		return ErrClosed
	}
	if l.damaged != nil {
		// The disk may work again. Read what is in the file, as at a start.
		if err := l.reopen(); err != nil {
			return err
		}
	}
	if l.file == nil || l.over(l.cfg.Now().UTC()) {
		if err := l.roll(""); err != nil {
			return err
		}
	}
	var text []byte
	hash := l.hash
	for _, r := range records {
		var err error
		if text, hash, err = line(text, hash, r); err != nil {
			return err
		}
	}
	return l.append(text, hash)
}

// over reports whether the day of the file has ended. A clock that is set back begins no new file,
// unless the file was begun while the clock was more than a day ahead. Otherwise no file would
// begin until that day.
func (l *Log) over(now time.Time) bool {
	return now.Format(dayForm) > l.opened.Format(dayForm) || l.opened.Sub(now) > day
}

// reopen reads again what is in the folder. The file that was written last may have been removed,
// if it could not be begun.
func (l *Log) reopen() error {
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
	if err := l.find(); err != nil {
		return err
	}
	l.damaged = nil
	return nil
}

// Hash returns the last hash of the chain. With a copy of it one can later check that nothing
// before it was removed.
func (l *Log) Hash() string {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.hash
}

// Close ends the log. Nothing can be appended after that.
func (l *Log) Close() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	already := l.closed
	l.closed = true
	if already || l.file == nil {
		return nil
	}
	return l.file.Close()
}
