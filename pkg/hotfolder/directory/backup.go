//go:build linux

package directory

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// Backup implements hotfolder.Results.
func (r results) Backup(_ context.Context, run hotfolder.Run, files []hotfolder.BackupFile) []error {
	at, err := r.openRun(run)
	if err != nil {
		return repeat(err, len(files))
	}
	defer at.close()
	to := &shelf{places: r.places, folder: r.cfg.Backup, run: run.ID}
	defer to.close()
	from := &sources{run: at}
	defer from.close()
	errs := make([]error, len(files))
	ends := make([]func() error, len(files)) // what remains when the backup folder is durable
	for i, file := range files {
		ends[i], errs[i] = r.backup(from, to, file)
	}
	if err := errors.Join(to.sync(), from.sync()); err != nil {
		return repeat(err, len(files))
	}
	for i, end := range ends {
		if end != nil && errs[i] == nil {
			errs[i] = end()
		}
	}
	if err := from.sync(); err != nil {
		return repeat(err, len(files))
	}
	return errs
}

// backup moves one file. If it has to copy the file instead, end removes the original when the copy
// is durable.
func (r results) backup(from *sources, to *shelf, file hotfolder.BackupFile) (end func() error, err error) {
	d, err := from.of(file.Name)
	if err != nil {
		return nil, err
	}
	for name, content := range file.Beside {
		if err := r.besides(to, name, content); err != nil {
			return nil, err
		}
	}
	if file.Discard {
		return nil, d.remove(file.Name)
	}
	err = to.add(d, file.Name, file.Name)
	if !errors.Is(err, unix.EXDEV) {
		return nil, missingIs(err, hotfolder.ErrLost)
	}
	if err := r.copyTo(d, to, file.Claim); err != nil {
		return nil, err
	}
	return func() error { return d.remove(file.Name) }, nil
}

// besides writes a small file to the backup folder, unless an earlier call has done it.
func (r results) besides(to *shelf, name string, content []byte) error {
	if err := to.openIn(); err != nil {
		return err
	}
	if f, err := to.in.open(name, unix.O_RDONLY, 0); err == nil {
		got, err := io.ReadAll(io.LimitReader(f, int64(len(content))+1))
		_ = f.Close()
		if err == nil && bytes.Equal(got, content) {
			return nil
		}
	}
	own, temp, err := r.writeOwn(r.cfg.Backup, to.run, bytes.NewReader(content), r.cfg.Mode, r.cfg.Group)
	if err != nil {
		return err
	}
	defer own.close()
	return to.add(own, temp, name)
}

// copyTo copies a claimed file to a backup folder on another file system. The complete copy has the
// digest of the claim's name, so that a copy that an earlier call completed is not made again. A
// crash after the copy was moved to its place leads to a second copy under another name.
func (r results) copyTo(from *dir, to *shelf, c hotfolder.Claim) error {
	if copied, err := r.copiedBefore(from, to, c); copied || err != nil {
		return err
	}
	f, err := from.open(c.Name, unix.O_RDONLY, 0)
	if err != nil {
		return unreadable(missingIs(err, hotfolder.ErrLost))
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	own, temp, err := r.writeOwn(r.cfg.Backup, to.run, original{f}, info.Mode().Perm(), 0)
	if err != nil {
		return err
	}
	defer own.close()
	at := unix.NsecToTimespec(c.Modified.UnixNano())
	times := []unix.Timespec{at, at}
	_ = again(func() error { return unix.UtimesNanoAt(own.fd, temp, times, unix.AT_SYMLINK_NOFOLLOW) })
	return to.add(own, temp, c.Name)
}

// copiedBefore reports whether the backup folder holds the copy of a claim already, because the
// process died before it removed the original.
func (r results) copiedBefore(from *dir, to *shelf, c hotfolder.Claim) (bool, error) {
	if err := to.openIn(); err != nil {
		return false, err
	}
	st, err := to.in.stat(c.Name)
	if err != nil {
		return false, ignoreMissing(err)
	}
	if irregular(st.Mode) != "" || st.Size != c.Size || !modified(&st).Truncate(2*time.Second).Equal(
		c.Modified.Truncate(2*time.Second)) { // FAT keeps two seconds
		return false, nil
	}
	a, err := from.open(c.Name, unix.O_RDONLY, 0)
	if err != nil {
		return false, unreadable(missingIs(err, hotfolder.ErrLost))
	}
	defer func() { _ = a.Close() }()
	b, err := to.in.open(c.Name, unix.O_RDONLY, 0)
	if err != nil {
		return false, err
	}
	defer func() { _ = b.Close() }()
	return equal(original{a}, b)
}

// equal compares two files.
func equal(a, b io.Reader) (bool, error) {
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err1 := io.ReadFull(a, x)
		m, err2 := io.ReadFull(b, y)
		if n != m || !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if ended(err1) && ended(err2) {
			return true, nil
		}
		if err := errors.Join(err1, err2); err != nil {
			return false, err
		}
	}
}

func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// sources finds the claims of a run in its folders, which it keeps open. It is not safe for
// concurrent use.
type sources struct {
	run  *dir
	open []*dir
}

// of returns the folder that holds a claim. ErrLost if none does.
func (s *sources) of(name string) (*dir, error) {
	if s.open == nil {
		marked, err := deliveredFolders(s.run)
		if err != nil {
			return nil, err
		}
		for _, folder := range append(marked, claimedFolder) {
			d, err := s.run.sub(folder)
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			s.open = append(s.open, d)
		}
	}
	for _, d := range s.open {
		if d.exists(name) {
			return d, nil
		}
	}
	return nil, hotfolder.ErrLost
}

func (s *sources) sync() error {
	var errs []error
	for _, d := range s.open {
		errs = append(errs, d.sync())
	}
	return errors.Join(errs...)
}

func (s *sources) close() {
	for _, d := range s.open {
		d.close()
	}
}
