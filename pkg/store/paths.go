package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Names within the state folder. Everything else in it belongs to others and is never touched.
const (
	lockName       = "lock"
	identityName   = "instance.json"
	recreateName   = "recreate"
	databaseName   = "metadata.db"
	operationsName = "operations"
	uploadsName    = "uploads"
	lostName       = "lost"
	reserveName    = "reserve"
)

// The name of an operation's file says what the database knows about it:
//
//	<id>.new   The documents are complete and durable. The operation may not be committed.
//	<id>       The operation is committed.
//
// Create renames the file after the commit. So a start can distinguish the documents of a request
// that was never accepted, which it removes, from documents that were accepted and that the
// database has lost, which it moves to lost/.

// newSuffix ends the name of an operation's file whose commit may not have happened.
const newSuffix = ".new"

// operationBatch is how many names of operations/ or lost/ are read and looked up at a time. It
// bounds the memory, because a folder may hold a million operations.
const operationBatch = 1000

// paths is the path of the state folder. Its methods name, open, move and remove the files in it.
type paths string

func (p paths) path() string       { return string(p) }
func (p paths) database() string   { return filepath.Join(string(p), databaseName) }
func (p paths) operations() string { return filepath.Join(string(p), operationsName) }
func (p paths) uploads() string    { return filepath.Join(string(p), uploadsName) }
func (p paths) lost() string       { return filepath.Join(string(p), lostName) }

// operation is the file that holds an operation's documents and larger sections.
func (p paths) operation(id signing.ID) string { return filepath.Join(p.operations(), id.String()) }

// newOperation is the name of an operation's file until the operation is committed.
func (p paths) newOperation(id signing.ID) string { return p.operation(id) + newSuffix }

// openOperation opens an operation's file. Between the commit and the rename the file still has its
// first name. The third attempt covers a rename that happens between the first two.
func (p paths) openOperation(id signing.ID, flag int) (file *os.File, err error) {
	for _, path := range []string{p.operation(id), p.newOperation(id), p.operation(id)} {
		if file, err = os.OpenFile(path, flag, 0); !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
	}
	return nil, err
}

// removeOperation removes an operation's file under either name. It returns nil if there is no such
// file.
func (p paths) removeOperation(id signing.ID) error {
	err := os.Remove(p.operation(id))
	if errors.Is(err, fs.ErrNotExist) {
		err = os.Remove(p.newOperation(id))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// moveToLost moves a file from operations/ to lost/, under a name that is free there.
func (p paths) moveToLost(name string) error {
	if err := durable.MkdirAll(p.lost(), 0o700); err != nil {
		return err
	}
	target := filepath.Join(p.lost(), name)
	for n := 1; ; n++ {
		if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return err
		}
		target = filepath.Join(p.lost(), fmt.Sprintf("%s.%d", name, n))
	}
	return durable.Rename(filepath.Join(p.operations(), name), target)
}

// lostFiles is how many files are in lost/. It is 0 if the folder cannot be read.
func (p paths) lostFiles() (n int64) {
	d, err := os.Open(p.lost())
	if err != nil {
		return 0
	}
	defer func() { _ = d.Close() }()
	for {
		names, err := d.Readdirnames(operationBatch)
		if n += int64(len(names)); err != nil {
			return n
		}
	}
}

// exists reports whether the state folder has an entry of this name. If that cannot be found out,
// exists returns true, so that nothing is overwritten.
func (p paths) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(string(p), name))
	return !errors.Is(err, fs.ErrNotExist)
}

// gone returns KindBusy if the state folder is missing, and nil if it exists.
func (p paths) gone() error {
	if _, err := os.Stat(p.operations()); errors.Is(err, fs.ErrNotExist) {
		return signing.Errorf(signing.KindBusy, errGone).Because(err).Retryable(busyRetry)
	}
	return nil
}

// fileError turns an error of opening an operation's file into the domain's error. A missing file
// is KindNotFound, because a retry does not bring it back. A missing state folder is KindBusy,
// because an operator may mount it again.
func (p paths) fileError(what string, err error) error {
	if gone := p.gone(); gone != nil {
		return gone
	}
	if errors.Is(err, fs.ErrNotExist) {
		return signing.Errorf(signing.KindNotFound, "no such file").Because(fmt.Errorf("%s: %w", what, err))
	}
	return storageError(what, err)
}

// parseIDs returns the names that are operation ids, and ignores the others.
func parseIDs(names []string) []signing.ID {
	var ids []signing.ID
	for _, name := range names {
		n, err := strconv.ParseInt(name, 10, 64)
		if err == nil && n > 0 && strconv.FormatInt(n, 10) == strings.TrimSpace(name) {
			ids = append(ids, signing.ID(n))
		}
	}
	return ids
}

// newNames returns the names that end in newSuffix, without the suffix.
func newNames(names []string) (found []string) {
	for _, name := range names {
		if id, ok := strings.CutSuffix(name, newSuffix); ok {
			found = append(found, id)
		}
	}
	return found
}
