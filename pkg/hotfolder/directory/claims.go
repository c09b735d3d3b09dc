//go:build linux

package directory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// claims implements hotfolder.Claims.
type claims struct{ places *places }

// claimedFolder is the folder of claims inside the folder of a run.
const claimedFolder = "claimed"

// folderMode is the mode of our own folders. Only the instances use them.
const folderMode = 0o700

func itoa(n int) string { return strconv.Itoa(n) }

// Claim implements hotfolder.Claims.
func (c claims) Claim(_ context.Context, run hotfolder.Run, files []hotfolder.Entry) []error {
	if len(files) == 0 {
		return nil
	}
	from, err := c.places.openInput()
	if err != nil {
		return repeat(err, len(files))
	}
	defer from.close()
	to, err := c.places.openOwn(c.places.cfg.Input, folderMode, itoa(c.places.cfg.Ordinal), run.ID, claimedFolder)
	if err != nil {
		return repeat(err, len(files))
	}
	defer to.close()
	errs := make([]error, len(files))
	for i, e := range files {
		errs[i] = c.claim(from, to, e)
		if errs[i] == nil {
			c.places.watch.claimed(e.Name)
		}
	}
	// The folder that gains names is synced first, so that after a power cut a file may be in both but
	// never in none.
	if err := errors.Join(to.sync(), from.sync()); err != nil {
		return repeat(err, len(files))
	}
	return errs
}

// claim moves one file into the folder of claims, if it is the version of e and if nobody writes to
// it.
func (c claims) claim(from, to *dir, e hotfolder.Entry) error {
	st, err := from.stat(e.Name)
	if err != nil {
		return missingIs(err, hotfolder.ErrGone)
	}
	if version(&st) != e.Version || irregular(st.Mode) != "" {
		return hotfolder.ErrChanged
	}
	f, err := from.open(e.Name, unix.O_RDONLY, 0)
	if err != nil && (!e.Unread || !isUnreadable(err)) {
		return unreadable(inUse(missingIs(err, hotfolder.ErrGone)))
	}
	if f != nil {
		defer func() { _ = f.Close() }()
	}
	if c.writing(f) {
		return hotfolder.ErrInUse
	}
	if err := from.claimTo(e.Name, to); err != nil {
		if errors.Is(err, os.ErrNotExist) && sameFile(to, e) {
			return nil // NFS repeats a call whose answer was lost
		}
		return inUse(missingIs(err, hotfolder.ErrGone))
	}
	if sameFile(to, e) && !c.writing(f) {
		return nil
	}
	// The file was changed or opened at the last moment.
	c.places.watch.returning(e.Name)
	if err := to.move(e.Name, from, e.Name); err != nil {
		return fmt.Errorf("put back a file that has changed: %w", err)
	}
	return hotfolder.ErrChanged
}

// claimTo moves a file so that one of several callers succeeds.
func (d *dir) claimTo(name string, to *dir) error {
	err := again(func() error { return unix.Renameat2(d.fd, name, to.fd, name, unix.RENAME_NOREPLACE) })
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return d.moveExclusive(name, to, name)
	}
	return pathError("claim", name, err)
}

func sameFile(d *dir, e hotfolder.Entry) bool {
	st, err := d.stat(e.Name)
	return err == nil && version(&st) == e.Version
}

// repeat returns n times err.
func repeat(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// Open implements hotfolder.Claims.
func (c claims) Open(_ context.Context, claim hotfolder.Claim) (hotfolder.File, error) {
	run, err := c.places.openRun(claim.Run)
	if err != nil {
		return nil, err
	}
	defer run.close()
	at, err := find(run, claim.Name)
	if err != nil {
		return nil, err
	}
	defer at.close()
	f, err := at.open(claim.Name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, unreadable(inUse(missingIs(err, hotfolder.ErrLost)))
	}
	open := &file{File: f, claim: claim}
	if err := open.Unchanged(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return open, nil
}

// file is a claimed file that is open.
type file struct {
	*os.File
	claim hotfolder.Claim
}

func (f *file) Size() int64 { return f.claim.Size }

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	return n, unreadable(err)
}

// Unchanged implements hotfolder.File.
func (f *file) Unchanged() error {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstat(int(f.Fd()), &st) }); err != nil {
		return pathError("stat", f.claim.Name, err)
	}
	if st.Size != f.claim.Size || !modified(&st).Equal(f.claim.Modified) {
		return hotfolder.ErrChanged
	}
	return nil
}

// PutBack implements hotfolder.Claims.
func (c claims) PutBack(_ context.Context, claim hotfolder.Claim) error {
	run, err := c.places.openRun(claim.Run)
	if err != nil {
		return err
	}
	defer run.close()
	from, err := orLost(run.sub(claimedFolder))
	if err != nil {
		return err
	}
	defer from.close()
	to, err := c.places.openInput()
	if err != nil {
		return err
	}
	defer to.close()
	c.places.watch.returning(claim.Name)
	if err := from.move(claim.Name, to, claim.Name); err != nil {
		return existing(missingIs(err, hotfolder.ErrLost))
	}
	return errors.Join(to.sync(), from.sync())
}

// existing adds ErrExists to an error that says that a name is taken.
func existing(err error) error {
	if errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("%w: %w", hotfolder.ErrExists, err)
	}
	return err
}

// Claimed implements hotfolder.Claims.
func (c claims) Claimed(_ context.Context, run hotfolder.Run) iter.Seq2[hotfolder.Claim, error] {
	return func(yield func(hotfolder.Claim, error) bool) {
		d, err := c.places.openOwn(c.places.cfg.Input, 0, itoa(run.Owner), run.ID)
		if errors.Is(err, os.ErrNotExist) {
			return
		}
		if err != nil {
			yield(hotfolder.Claim{}, err)
			return
		}
		defer d.close()
		marked, err := deliveredFolders(d)
		if err != nil {
			yield(hotfolder.Claim{}, err)
			return
		}
		for _, folder := range append([]string{claimedFolder}, marked...) {
			if !eachClaim(d, run, folder, yield) {
				return
			}
		}
	}
}

// eachClaim yields the claims in a folder of a run. It returns false if the caller wants no more.
func eachClaim(d *dir, run hotfolder.Run, folder string, yield func(hotfolder.Claim, error) bool) bool {
	in, err := d.sub(folder)
	if errors.Is(err, os.ErrNotExist) {
		return true
	}
	if err != nil {
		yield(hotfolder.Claim{}, err)
		return false
	}
	defer in.close()
	more := true
	err = in.each(func(name string, _ fs.FileMode) bool {
		st, err := in.stat(name)
		if errors.Is(err, os.ErrNotExist) {
			return true
		}
		c := hotfolder.Claim{Run: run, Name: name, Size: st.Size, Modified: modified(&st), Delivered: folder != claimedFolder}
		more = yield(c, err) && err == nil
		return more
	})
	if err != nil && more {
		return yield(hotfolder.Claim{}, err)
	}
	return more
}

// Release implements hotfolder.Claims.
func (c claims) Release(_ context.Context, run hotfolder.Run) error {
	owner, err := c.places.openOwn(c.places.cfg.Input, 0, itoa(run.Owner))
	if err != nil {
		return ignoreMissing(err)
	}
	defer owner.close()
	d, err := owner.sub(run.ID)
	if err != nil {
		return ignoreMissing(err)
	}
	defer d.close()
	marked, err := deliveredFolders(d)
	if err != nil {
		return err
	}
	for _, folder := range append([]string{claimedFolder}, marked...) {
		if err := ignoreMissing(d.removeFolder(folder)); err != nil {
			return notEmpty(err)
		}
	}
	if err := errors.Join(c.removeStaging(d, run), removeRecords(d)); err != nil {
		return err
	}
	if err := ignoreMissing(owner.removeFolder(run.ID)); err != nil {
		return notEmpty(err)
	}
	c.places.staged.forget(run.ID)
	return owner.sync()
}

// removeOwn removes a folder with its files from our own folder.
func (p *places) removeOwn(place, name string) error {
	own, err := p.openOwn(place, 0)
	if err != nil {
		return ignoreMissing(err)
	}
	defer own.close()
	return removeTree(own, name)
}

// removeTree removes a folder with its files and with folders that hold only files.
func removeTree(d *dir, name string) error {
	in, err := d.sub(name)
	if err != nil {
		return ignoreMissing(err)
	}
	defer in.close()
	var fault error
	err = in.each(func(file string, kind fs.FileMode) bool {
		if kind.IsDir() {
			fault = removeTree(in, file)
		} else {
			fault = ignoreMissing(in.remove(file))
		}
		return fault == nil
	})
	if err = errors.Join(ignoreMissing(err), fault); err != nil {
		return err
	}
	return ignoreMissing(d.removeFolder(name))
}

func notEmpty(err error) error {
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("%w: %w", hotfolder.ErrExists, err)
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
