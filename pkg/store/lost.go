package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// The name of an operation's file says what the database knows about it:
//
//	<id>.new   The documents are complete and durable, and the commit of the operation may not have happened.
//	<id>       The operation was committed.
//
// Create renames the file after the commit. So a start can tell the documents of a request that was
// never accepted, which it removes, from documents that were accepted and that the database has
// lost, which it keeps: they are moved to lost/.

// newSuffix ends the name of an operation's file whose commit may not have happened.
const newSuffix = ".new"

// newOperation is the name of an operation's file until the operation is committed.
func (f *folder) newOperation(id signing.ID) string { return f.operation(id) + newSuffix }

// openOperation opens an operation's file. Between the commit and the rename it has its first name.
// The second look at the usual name is for a rename between the first two.
func (f *folder) openOperation(id signing.ID, flag int) (file *os.File, err error) {
	for _, path := range []string{f.operation(id), f.newOperation(id), f.operation(id)} {
		if file, err = os.OpenFile(path, flag, 0); !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
	}
	return nil, err
}

// removeOperation removes an operation's file, whatever its name is now.
func (f *folder) removeOperation(id signing.ID) error {
	err := os.Remove(f.operation(id))
	if errors.Is(err, fs.ErrNotExist) {
		err = os.Remove(f.newOperation(id))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// operationBatch is how many names are read and looked up at a time: a folder may hold a million
// operations.
const operationBatch = 1000

// tidy brings the files of operations in line with the database after a crash or a restore.
func (s *Store) tidy(ctx context.Context) error {
	d, err := os.Open(s.folder.operations())
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	var t tidying
	for {
		names, err := d.Readdirnames(operationBatch)
		if len(names) == 0 {
			if !errors.Is(err, io.EOF) {
				return err
			}
			break
		}
		if err := s.tidySome(ctx, names, &t); err != nil {
			return err
		}
	}
	t.report(s)
	if t.removed+t.renamed+t.lost > 0 {
		if err := durable.SyncDir(s.folder.operations()); err != nil {
			return err
		}
	}
	return s.forgetRemoved(ctx)
}

// tidying counts files.
type tidying struct{ removed, renamed, lost int }

func (t tidying) report(s *Store) {
	if t.removed > 0 {
		s.log.Info("files of unfinished requests and of removed operations were removed", "files", t.removed)
	}
	if t.lost > 0 {
		s.log.Info(
			"WARNING: the database does not know some documents: their files were moved. Was an old database restored?",
			"files",
			t.lost,
			"folder",
			s.folder.lost(),
		)
	}
}

// tidySome handles files by name. Files whose names are not ids are not ours.
func (s *Store) tidySome(ctx context.Context, names []string, t *tidying) error {
	ids, fresh := parseIDs(names), parseIDs(newNames(names))
	known, err := s.known(ctx, append(append([]signing.ID{}, ids...), fresh...))
	if err != nil {
		return err
	}
	removed, err := s.removed(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		switch {
		case known[id]:
		case removed[id]:
			t.removed++
			err = os.Remove(s.folder.operation(id))
		default:
			t.lost++
			err = s.folder.moveToLost(id.String())
		}
		if err != nil {
			return fmt.Errorf("tidy operation %s: %w", id, err)
		}
	}
	for _, id := range fresh {
		if known[id] {
			t.renamed++
			err = os.Rename(s.folder.newOperation(id), s.folder.operation(id))
		} else {
			t.removed++
			err = os.Remove(s.folder.newOperation(id))
		}
		if err != nil {
			return fmt.Errorf("tidy operation %s: %w", id, err)
		}
	}
	return nil
}

// newNames returns the names that end in newSuffix, without it.
func newNames(names []string) (fresh []string) {
	for _, name := range names {
		if id, ok := strings.CutSuffix(name, newSuffix); ok {
			fresh = append(fresh, id)
		}
	}
	return fresh
}

// moveToLost moves a file of operations to lost/, under a name that is free there.
func (f *folder) moveToLost(name string) error {
	if err := durable.MkdirAll(f.lost(), 0o700); err != nil {
		return err
	}
	target := filepath.Join(f.lost(), name)
	for n := 1; ; n++ {
		if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return err
		}
		target = filepath.Join(f.lost(), fmt.Sprintf("%s.%d", name, n))
	}
	return durable.Rename(filepath.Join(f.operations(), name), target)
}

// lostFiles is how many files are in lost/.
func (f *folder) lostFiles() (n int64) {
	d, err := os.Open(f.lost())
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

// removed returns the operations whose rows are gone and whose files may still be there.
func (s *Store) removed(ctx context.Context) (map[signing.ID]bool, error) {
	ids, err := collect(
		ctx,
		s.queries.removed,
		func(r row) (id signing.ID, err error) { err = r.Scan(&id); return id, err },
	)
	set := make(map[signing.ID]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set, err
}

// forgetRemoved empties the table of removed operations: their files are gone.
func (s *Store) forgetRemoved(ctx context.Context) error {
	ids, err := s.removed(ctx)
	if err != nil || len(ids) == 0 {
		return err
	}
	err = s.do(ctx, 0, func(t *tx) error {
		_, err := t.exec("DELETE FROM removed")
		return err
	})
	if isFull(err) || isReadOnly(err) {
		return nil // the next start does it
	}
	return err
}
