//go:build linux

package directory

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// owners implements hotfolder.Owners.
type owners struct{ places *places }

// aliveFile is touched by Renew.
const aliveFile = "alive"

// Owners implements hotfolder.Owners.
func (o owners) Owners(ctx context.Context) ([]hotfolder.Owner, error) {
	now, err := o.renew()
	if err != nil {
		return nil, err
	}
	own, err := o.places.openOwn(o.places.cfg.Input, 0)
	if err != nil {
		return nil, err
	}
	defer own.close()
	return o.holders(own, now)
}

// holders lists the instances that hold claims. own is the folder of this package, and now the time
// of its file system.
func (o owners) holders(own *dir, now time.Time) (list []hotfolder.Owner, err error) {
	err = own.each(func(name string, _ fs.FileMode) bool {
		ordinal, err := strconv.Atoi(name)
		if err != nil || ordinal < 0 || strconv.Itoa(ordinal) != name {
			return true
		}
		if since, ok := o.since(own, name); ok {
			list = append(list, hotfolder.Owner{Ordinal: ordinal, Renewed: since, Silent: max(now.Sub(since), 0)})
		}
		return true
	})
	return list, err
}

// since returns when an owner called Renew; ok is false if it has no run.
func (o owners) since(own *dir, name string) (since time.Time, ok bool) {
	d, err := own.sub(name)
	if err != nil {
		return since, false
	}
	defer d.close()
	_ = d.each(func(run string, _ fs.FileMode) bool {
		st, err := d.stat(run)
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			if at := modified(&st); !ok || at.Before(since) {
				since = at
			}
			ok = true
		}
		return true
	})
	if st, err := d.stat(aliveFile); err == nil {
		since = modified(&st)
	}
	return since, ok
}

// Renew implements hotfolder.Owners.
func (o owners) Renew(context.Context) error {
	_, err := o.renew()
	return err
}

// renew touches the file of this instance and returns the time that the file system gave to it.
func (o owners) renew() (time.Time, error) {
	d, err := o.places.openOwn(o.places.cfg.Input, folderMode, itoa(o.places.cfg.Ordinal))
	if err != nil {
		return time.Time{}, err
	}
	defer d.close()
	f, err := d.open(aliveFile, unix.O_WRONLY|unix.O_CREAT, 0o600)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = f.Close() }()
	now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
	err = again(func() error { return unix.UtimesNanoAt(d.fd, aliveFile, now, unix.AT_SYMLINK_NOFOLLOW) })
	if err != nil {
		return time.Time{}, pathError("touch", aliveFile, err)
	}
	st, err := d.stat(aliveFile)
	return modified(&st), err
}

// Runs implements hotfolder.Owners.
func (o owners) Runs(_ context.Context, owner int) iter.Seq2[hotfolder.Run, error] {
	return func(yield func(hotfolder.Run, error) bool) {
		d, err := o.places.openOwn(o.places.cfg.Input, 0, itoa(owner))
		if errors.Is(err, os.ErrNotExist) {
			return
		}
		if err != nil {
			yield(hotfolder.Run{}, err)
			return
		}
		defer d.close()
		more := true
		err = d.each(func(name string, _ fs.FileMode) bool {
			if st, err := d.stat(name); err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
				more = yield(hotfolder.Run{Owner: owner, ID: name}, nil)
			}
			return more
		})
		if err != nil && more {
			yield(hotfolder.Run{}, err)
		}
	}
}

// TakeOver implements hotfolder.Owners.
func (o owners) TakeOver(_ context.Context, run hotfolder.Run) (hotfolder.Run, error) {
	mine := hotfolder.Run{Owner: o.places.cfg.Ordinal, ID: run.ID}
	if run == mine {
		return mine, nil
	}
	from, err := o.places.openOwn(o.places.cfg.Input, 0, itoa(run.Owner))
	if err != nil {
		return mine, missingIs(err, hotfolder.ErrGone)
	}
	defer from.close()
	to, err := o.places.openOwn(o.places.cfg.Input, folderMode, itoa(mine.Owner))
	if err != nil {
		return mine, err
	}
	defer to.close()
	if err := from.claimTo(run.ID, to); err != nil {
		return mine, missingIs(err, hotfolder.ErrGone)
	}
	return mine, errors.Join(to.sync(), from.sync())
}
