//go:build linux

package directory

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// checks implements Storage.Check.
type checks struct{ *places }

const (
	// leastRoom is how much free room a folder needs: some documents of the largest usual size.
	leastRoom = 100 << 20
	// leastNodes is how many files a folder must have room for.
	leastNodes = 1000
	// maxClockDifference is how far the clock of a file server may be from ours.
	maxClockDifference = time.Minute
)

// Check implements hotfolder.Storage.
func (c checks) Check(context.Context) []hotfolder.Finding {
	var list []hotfolder.Finding
	for _, folder := range []struct{ name, path string }{
		{"input", c.cfg.Input}, {"output", c.cfg.Output}, {"backup", c.cfg.Backup},
	} {
		add := func(what string, ok bool, format string, args ...any) {
			list = append(list, hotfolder.Finding{
				Folder: folder.name, What: what, OK: ok, Detail: fmt.Sprintf(format, args...)})
		}
		kind, err := c.fileSystem(folder.path)
		if err != nil {
			add("folder", false, "%v", err)
			continue
		}
		how := "changes are seen through inotify"
		if kind.remote || c.cfg.Poll {
			how = "the folder is polled"
		}
		add("file system", true, "%s; %s", kind.name, how)
		add("free room", kind.free >= leastRoom && (kind.nodes < 0 || kind.nodes >= leastNodes),
			"%d MiB are free, and room for %d files", kind.free>>20, kind.nodes)
		atomic, clock, err := c.try(folder.path)
		if err != nil {
			add("write access", false, "%v", err)
			continue
		}
		add("write access", true, "a file can be written, renamed and removed")
		add("atomic rename", true, "%s", atomic)
		add("clock", clock.Abs() <= maxClockDifference, "the clock of the file system differs by %v",
			clock.Round(time.Second))
	}
	return list
}

// try writes, renames and removes a file. It returns how files are renamed, and by how much the
// clock of the file system differs from ours.
func (c checks) try(folder string) (atomic string, clock time.Duration, err error) {
	own, err := c.openOwn(folder, folderMode)
	if err != nil {
		return "", 0, err
	}
	defer own.close()
	temp, err := c.write(own, strings.NewReader("check"), 0o600, c.cfg.Group)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = own.remove(temp) }()
	st, err := own.stat(temp)
	if err != nil {
		return "", 0, err
	}
	clock = modified(&st).Sub(time.Now())
	to := temp + ".renamed"
	atomic = "a rename never replaces a file"
	err = again(func() error { return unix.Renameat2(own.fd, temp, own.fd, to, unix.RENAME_NOREPLACE) })
	if err != nil {
		atomic = "the file system has no rename that never replaces a file; a hard link is used instead"
		if err = own.move(temp, own, to); err != nil {
			return "", 0, err
		}
	}
	return atomic, clock, own.remove(to)
}
