//go:build linux

package directory

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// results implements hotfolder.Results.
type results struct{ *places }

// find opens the folder of a run that holds a claim. ErrLost if none does.
func find(run *dir, name string) (*dir, error) {
	d, err := findIn(run, claimedFolder, name) // most are there, and it needs no list of the folders
	if !errors.Is(err, hotfolder.ErrLost) {
		return d, err
	}
	marked, err := deliveredFolders(run)
	if err != nil {
		return nil, err
	}
	for _, folder := range marked {
		if d, err := findIn(run, folder, name); !errors.Is(err, hotfolder.ErrLost) {
			return d, err
		}
	}
	return nil, hotfolder.ErrLost
}

// findIn opens one folder of a run if it holds a claim. ErrLost if it does not.
func findIn(run *dir, folder, name string) (*dir, error) {
	d, err := orLost(run.sub(folder))
	if err != nil {
		return nil, err
	}
	if !d.exists(name) {
		d.close()
		return nil, hotfolder.ErrLost
	}
	return d, nil
}

// copyBuffers are the buffers of copies.
var copyBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// write makes a file in d under a temporary name and makes its content durable. It returns the
// temporary name.
func (p *places) write(d *dir, content io.Reader, mode os.FileMode, group int) (temp string, err error) {
	var random [12]byte
	_, _ = rand.Read(random[:])
	name := hex.EncodeToString(random[:]) + ".tmp"
	f, err := d.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return "", missingIs(err, errRemoved)
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = d.remove(name)
			temp = ""
		}
	}()
	buffer := copyBuffers.Get().(*[64 << 10]byte)
	defer copyBuffers.Put(buffer)
	// Hide the other methods, otherwise io.CopyBuffer does not use our buffer.
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{content}, buffer[:]); err != nil {
		return "", err
	}
	if group != 0 {
		if err := again(func() error { return unix.Fchown(int(f.Fd()), -1, group) }); err != nil {
			return "", pathError("set group of", name, err)
		}
	}
	if err := f.Chmod(mode); err != nil {
		return "", err
	}
	return name, f.Sync()
}

// errRemoved says that somebody removed one of our own folders while it was empty. Consumers do
// that when they remove all empty folders.
var errRemoved = errors.New("folder was removed")

// writeOwn is write for a folder below the own folder of name, which it makes again if somebody
// removes it. The caller closes the folder.
func (p *places) writeOwn(name, run string, content io.Reader, mode os.FileMode, group int) (
	d *dir, temp string, err error,
) {
	for range maxAttempts {
		if d, err = p.openOwn(name, folderMode, run); err != nil {
			return nil, "", err
		}
		if temp, err = p.write(d, content, mode, group); err == nil {
			return d, temp, nil
		}
		d.close()
		if !errors.Is(err, errRemoved) { // content was not read
			break
		}
	}
	return nil, "", err
}

// Stage implements hotfolder.Results.
func (r results) Stage(_ context.Context, c hotfolder.Claim, index int, name string, content io.Reader) error {
	run, err := r.openRun(c.Run)
	if err != nil {
		return err
	}
	run.close()
	d, temp, err := r.writeOwn(r.cfg.Output, c.ID, content, r.cfg.Mode, r.cfg.Group)
	if err != nil {
		return err
	}
	defer d.close()
	to := stagedName{marker: r.cfg.Ordinal, index: index, claim: claimDigest(c.Name), name: name}
	old, err := r.staged.earlier(c.ID, d, to)
	if err == nil && old != "" {
		err = removeStaged(d, old)
	}
	if err == nil {
		err = placeStaged(d, temp, to)
	}
	if err != nil {
		_ = d.remove(temp)
	}
	return err
}

// placeStaged gives a temporary file its name as a staged file.
func placeStaged(d *dir, temp string, to stagedName) error {
	if at := to.String(); at != to.prefix() {
		return d.replace(temp, d, at)
	}
	for range maxAttempts {
		err := placeInside(d, temp, to)
		if !errors.Is(err, os.ErrNotExist) || !d.exists(temp) {
			return err
		}
	}
	return errRemoved
}

// placeInside moves a temporary file into the folder of a staged file with a long name.
func placeInside(d *dir, temp string, to stagedName) error {
	if err := d.make(to.prefix(), folderMode); err != nil {
		return err
	}
	in, err := d.sub(to.prefix())
	if err != nil {
		return err
	}
	defer in.close()
	return errors.Join(d.replace(temp, in, to.name), in.sync())
}

// removeStaged removes a staged file, which may be a folder with the file inside.
func removeStaged(d *dir, name string) error {
	if err := d.remove(name); !errors.Is(err, unix.EISDIR) {
		return ignoreMissing(err)
	}
	return removeTree(d, name)
}

// show moves a staged file to the output folder. It returns nil if somebody else has done it.
func show(staging *dir, s stagedName, out *shelf) error {
	if s.name != "" {
		return ignoreMissing(out.add(staging, s.String(), s.name))
	}
	in, err := staging.sub(s.String())
	if err != nil {
		return ignoreMissing(err)
	}
	defer in.close()
	var names []string
	if err := in.each(func(name string, _ fs.FileMode) bool { names = append(names, name); return true }); err != nil {
		return err
	}
	for _, name := range names {
		if err := ignoreMissing(out.add(in, name, name)); err != nil {
			return err
		}
	}
	return ignoreMissing(staging.removeFolder(s.String()))
}

// errManyNames is returned if more names are taken than normal use explains.
var errManyNames = errors.New("a file with that name and all the numbers that were tried exists")

// numbered returns a name with a number before its extension. It cuts a long name.
func numbered(name string, n int) string {
	if n == 0 {
		return name
	}
	stem, extension := name, ""
	if dot := strings.LastIndexByte(name, '.'); dot > 0 && len(name)-dot <= 16 {
		stem, extension = name[:dot], name[dot:]
	}
	number := fmt.Sprintf("~%d", n)
	return stem[:min(len(stem), maxNameBytes-len(number)-len(extension))] + number + extension
}
