//go:build linux

package directory

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// dir is an open folder. Its methods take names of one component and never follow a symbolic link.
// It holds a bare file descriptor, because an os.File makes several system calls more each time it
// is opened and used, and a file of a run opens many folders.
type dir struct {
	fd   int // -1 = closed
	name string
}

// dirOf returns the folder that is open as f, and closes f.
func dirOf(f *os.File) (*dir, error) {
	defer func() { _ = f.Close() }()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, pathError("open folder", "", err)
	}
	return &dir{fd, f.Name()}, nil
}

func (d *dir) close() {
	if d.fd >= 0 {
		_ = unix.Close(d.fd)
		d.fd = -1
	}
}

// again calls a system call until it is not interrupted. FUSE and NFS interrupt calls.
func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// pathError says in which call and for which file an error came.
func pathError(call, name string, err error) error {
	if err == nil {
		return nil
	}
	return hotfolder.OfFile(name, fmt.Errorf("%s: %w", call, err))
}

func (d *dir) self() (st unix.Stat_t, err error) {
	err = again(func() error { return unix.Fstat(d.fd, &st) })
	return st, err
}

func (d *dir) isFolder() error {
	st, err := d.self()
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		err = errors.New("not a folder")
	}
	return err
}

func (d *dir) stat(name string) (st unix.Stat_t, err error) {
	for { // without again, whose closure would allocate st for each file of a list
		err = unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if !errors.Is(err, unix.EINTR) {
			return st, pathError("stat", name, err)
		}
	}
}

func (d *dir) exists(name string) bool {
	_, err := d.stat(name)
	return err == nil
}

// open opens or makes a file. It does not wait for the other end of a FIFO.
func (d *dir) open(name string, flags int, perm os.FileMode) (*os.File, error) {
	fd, err := d.openat(name, flags, perm)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "file"), nil // the name would be in the texts of errors
}

func (d *dir) openat(name string, flags int, perm os.FileMode) (fd int, err error) {
	err = again(func() (err error) {
		fd, err = unix.Openat(d.fd, name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, uint32(perm))
		return err
	})
	return fd, pathError("open", name, err)
}

// sub opens a folder inside d.
func (d *dir) sub(name string) (*dir, error) {
	fd, err := d.openat(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &dir{fd, name}, nil
}

// below opens a folder some levels below d in one system call. An error may also mean that the
// kernel or its seccomp filter does not have that call.
func (d *dir) below(elements []string) (*dir, error) {
	how := &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	}
	name, fd := strings.Join(elements, "/"), -1
	err := again(func() (err error) {
		fd, err = unix.Openat2(d.fd, name, how)
		return err
	})
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &dir{fd, elements[len(elements)-1]}, nil
}

// make makes a folder inside d with the mode perm, and makes that durable. If it exists, make does
// nothing.
func (d *dir) make(name string, perm os.FileMode) error {
	made, err := d.makeOnly(name, perm)
	if !made || err != nil {
		return err
	}
	return d.sync()
}

// makeOnly is make without durability. It reports whether it made the folder.
func (d *dir) makeOnly(name string, perm os.FileMode) (bool, error) {
	err := again(func() error { return unix.Mkdirat(d.fd, name, uint32(perm)) })
	if errors.Is(err, unix.EEXIST) {
		return false, nil
	}
	return err == nil, pathError("make folder", name, err)
}

// move renames a file to a folder in the same file system. unix.EEXIST if the name is taken there.
func (d *dir) move(name string, to *dir, toName string) error {
	err := again(func() error { return unix.Renameat2(d.fd, name, to.fd, toName, unix.RENAME_NOREPLACE) })
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return pathError("rename", name, err)
	}
	return d.moveByLink(name, to, toName)
}

// moveByLink is move on NFS and some FUSE file systems, which cannot do it in one step. A hard link
// does not replace a file either. A crash can leave the file with both names. Then the next call
// finds the file itself at the new name, and removes the old one.
func (d *dir) moveByLink(name string, to *dir, toName string) error {
	err := again(func() error { return unix.Linkat(d.fd, name, to.fd, toName, 0) })
	switch {
	case err == nil, errors.Is(err, unix.EEXIST) && d.isSame(name, to, toName):
		return d.remove(name)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS),
		errors.Is(err, unix.EMLINK):
		return d.moveExclusive(name, to, toName)
	}
	return pathError("link", name, err)
}

// isSame reports whether two names are those of one file.
func (d *dir) isSame(name string, to *dir, toName string) bool {
	a, err1 := d.stat(name)
	b, err2 := to.stat(toName)
	return errors.Join(err1, err2) == nil && a.Dev == b.Dev && a.Ino == b.Ino
}

// moveExclusive is move by a plain rename. Among several callers that move one name, one succeeds.
// Only the caller may write to the folder to.
func (d *dir) moveExclusive(name string, to *dir, toName string) error {
	if to.exists(toName) {
		return pathError("rename to", toName, unix.EEXIST)
	}
	return d.replace(name, to, toName)
}

// replace renames a file and replaces what has the name.
func (d *dir) replace(name string, to *dir, toName string) error {
	return pathError("rename", name, again(func() error { return unix.Renameat(d.fd, name, to.fd, toName) }))
}

func (d *dir) remove(name string) error {
	return pathError("remove", name, again(func() error { return unix.Unlinkat(d.fd, name, 0) }))
}

func (d *dir) removeFolder(name string) error {
	return pathError("remove folder", name, again(func() error { return unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR) }))
}

// sync makes the names in d durable.
func (d *dir) sync() error {
	err := again(func() error { return unix.Fsync(d.fd) })
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) { // SMB and some FUSE file systems cannot
		return nil
	}
	return pathError("sync folder", "", err)
}

// namesAtOnce is how many names of a folder are in memory at a time.
const namesAtOnce = 512

// each calls f for each name in d, until f returns false. It reads d from the beginning.
func (d *dir) each(f func(name string, kind fs.FileMode) bool) error {
	again, err := d.open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0) // with an offset of its own
	if err != nil {
		return err
	}
	defer func() { _ = again.Close() }()
	for {
		list, err := again.ReadDir(namesAtOnce)
		for _, e := range list {
			if !f(e.Name(), e.Type()) {
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read folder: %w", err)
		}
	}
}
