//go:build linux

package directory

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// shelf is a folder in which people find files: the sub-folder of a run in the output or the backup
// folder, or these themselves if the layout is flat. It makes the sub-folder when the first file
// comes, and again when a consumer has removed it. It is not safe for concurrent use.
type shelf struct {
	*places
	folder string // output or backup
	run    string
	top    *dir
	in     *dir // nil until it is needed
	made   bool // the sub-folder was made by us
}

// maxNumbers is how many names are tried for a file.
const maxNumbers = 10_000

// maxAttempts is how often the sub-folder is made again because a consumer removes it at that
// moment.
const maxAttempts = 1000

// newFolderMode is the mode of a sub-folder until setMode has set the mode that consumers need.
const newFolderMode = 0o700

// add moves a file into the folder, and chooses another name if the name is taken. An error that
// says that the file from does not exist is os.ErrNotExist.
func (s *shelf) add(from *dir, file, name string) error {
	attempts := 0
	for n := 0; n < maxNumbers; {
		if err := s.openIn(); err != nil {
			return fmt.Errorf("folder %s: %w", s.folder, err)
		}
		err := from.move(file, s.in, numbered(name, n))
		switch {
		case errors.Is(err, unix.EEXIST):
			n++
		case errors.Is(err, os.ErrNotExist) && from.exists(file) && attempts < maxAttempts:
			attempts++ // the sub-folder was removed
			s.in.close()
			s.in = nil
		default:
			return err
		}
	}
	return errManyNames
}

// openIn opens the folder and makes it if it is missing.
func (s *shelf) openIn() (err error) {
	if s.in != nil {
		return nil
	}
	if s.top == nil {
		if s.top, err = s.open(s.folder); err != nil {
			return err
		}
	}
	if s.cfg.Flat {
		s.in, err = s.top.sub(".")
		return err
	}
	for range maxAttempts {
		if s.in, err = s.top.sub(s.run); err == nil {
			return s.setMode()
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if s.made, err = s.top.makeOnly(s.run, newFolderMode); err != nil {
			return err
		}
	}
	return fmt.Errorf("make sub-folder %s: it is removed again and again", s.run)
}

// setMode sets the mode and the group of a sub-folder that was made, also if it was made by a
// process that died before it had set the mode. It keeps the bit that gives the group of the folder
// to what is made in it.
func (s *shelf) setMode() error {
	st, err := s.in.self()
	if err == nil && !s.made && (st.Mode&0o777 != newFolderMode || int(st.Uid) != os.Geteuid()) {
		return nil
	}
	if err == nil && s.cfg.Group != 0 {
		err = again(func() error { return unix.Fchown(s.in.fd, -1, s.cfg.Group) })
	}
	if err == nil {
		mode := st.Mode&unix.S_ISGID | uint32(folderModeFor(s.cfg.Mode))
		err = again(func() error { return unix.Fchmod(s.in.fd, mode) })
	}
	return pathError("set mode of", s.run, err)
}

// folderModeFor returns the mode of a folder for files with that mode.
func folderModeFor(mode os.FileMode) os.FileMode { return mode | mode&0o444>>2 | 0o700 }

// sync makes the names in the folder durable.
func (s *shelf) sync() error {
	if s.in == nil {
		return nil
	}
	err := s.in.sync()
	if s.made {
		err = errors.Join(err, s.top.sync())
	}
	return err
}

func (s *shelf) close() {
	for _, d := range []*dir{s.in, s.top} {
		if d != nil {
			d.close()
		}
	}
}
