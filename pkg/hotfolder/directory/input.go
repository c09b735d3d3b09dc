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

// input implements hotfolder.Input.
type input struct {
	places *places
	watch  *watch // nil = the folder is polled
}

// maxUnexamined is how many files of a folder may have an error. More of them are a fault of the
// file system, which may take long for each of them.
const maxUnexamined = 100

// List implements hotfolder.Input.
func (in input) List(ctx context.Context) iter.Seq2[hotfolder.Entry, error] {
	return func(yield func(hotfolder.Entry, error) bool) {
		d, err := in.places.openInput()
		if err != nil {
			yield(hotfolder.Entry{}, err)
			return
		}
		defer d.close()
		in.watch.follow(d)
		var fault error
		failed := 0
		err = d.each(func(name string, _ fs.FileMode) bool {
			if name == ownFolder {
				return true
			}
			if fault = ctx.Err(); fault != nil {
				return false
			}
			e, err := in.entry(d, name)
			if errors.Is(err, os.ErrNotExist) {
				return true
			}
			if err != nil {
				if failed++; !isUnexamined(err) || failed > maxUnexamined {
					fault = err
					return false
				}
				e = hotfolder.Entry{Name: name, Irregular: hotfolder.Unexamined}
			}
			return yield(e, nil)
		})
		if err = errors.Join(err, fault); err != nil {
			yield(hotfolder.Entry{}, err)
		}
	}
}

// Stat implements hotfolder.Input.
func (in input) Stat(_ context.Context, name string) (hotfolder.Entry, error) {
	d, err := in.places.openInput()
	if err != nil {
		return hotfolder.Entry{}, err
	}
	defer d.close()
	e, err := in.entry(d, name)
	return e, missingIs(err, hotfolder.ErrGone)
}

// Wake implements hotfolder.Input.
func (in input) Wake() <-chan struct{} {
	if in.watch == nil {
		return nil
	}
	return in.watch.wake
}

func (in input) entry(d *dir, name string) (hotfolder.Entry, error) {
	st, err := d.stat(name)
	if err != nil {
		return hotfolder.Entry{}, err
	}
	e := hotfolder.Entry{
		Name:      name,
		Size:      st.Size,
		Modified:  modified(&st),
		Version:   version(&st),
		Irregular: irregular(st.Mode),
	}
	if in.watch != nil && e.Irregular == "" {
		e.Arrival = in.watch.arrival(name)
	}
	return e, nil
}

func modified(st *unix.Stat_t) time.Time { return time.Unix(st.Mtim.Unix()) }

// version returns the Version of a file. A rename does not change it.
func version(st *unix.Stat_t) string {
	v := make([]byte, 0, 48)
	v = strconv.AppendUint(v, st.Ino, 36)
	v = strconv.AppendInt(append(v, '.'), st.Size, 36)
	v = strconv.AppendInt(append(v, '.'), st.Mtim.Nano(), 36)
	return string(v)
}

// irregular returns what a file is if it is no regular file.
func irregular(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return ""
	case unix.S_IFDIR:
		return "folder"
	case unix.S_IFLNK:
		return "symbolic link"
	case unix.S_IFIFO:
		return "named pipe"
	case unix.S_IFSOCK:
		return "socket"
	}
	return "device"
}
