package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// tidying brings the files of operations in line with the database after a crash or a restore, once
// at each start. Nothing else uses the store meanwhile.
type tidying struct {
	db    *database
	files paths
	log   logr.Logger

	deleted, renamed, lost int // files
}

func (t *tidying) run(ctx context.Context) error {
	d, err := os.Open(t.files.operations())
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	for {
		names, err := d.Readdirnames(operationBatch)
		if len(names) == 0 {
			if !errors.Is(err, io.EOF) {
				return err
			}
			break
		}
		if err := t.batch(ctx, names); err != nil {
			return err
		}
	}
	t.report()
	if t.deleted+t.renamed+t.lost > 0 {
		if err := durable.SyncDir(t.files.operations()); err != nil {
			return err
		}
	}
	return t.forgetRemoved(ctx)
}

func (t *tidying) report() {
	if t.deleted > 0 {
		t.log.Info("removed files of unfinished requests and of removed operations", "files", t.deleted)
	}
	if t.lost > 0 {
		t.log.Info("WARNING: the database does not know some documents, so their files were moved. "+
			"Was an old database restored?", "files", t.lost, "folder", t.files.lost())
	}
}

// batch handles files by name. It leaves files whose names are not ids alone, because they are not
// the store's.
func (t *tidying) batch(ctx context.Context, names []string) error {
	committed, uncommitted := parseIDs(names), parseIDs(newNames(names))
	known, err := t.db.known(ctx, append(append([]signing.ID{}, committed...), uncommitted...))
	if err != nil {
		return err
	}
	removed, err := t.db.removed(ctx)
	if err != nil {
		return err
	}
	for _, id := range committed {
		switch {
		case known[id]:
		case removed[id]:
			t.deleted++
			err = os.Remove(t.files.operation(id))
		default:
			t.lost++
			err = t.files.moveToLost(id.String())
		}
		if err != nil {
			return fmt.Errorf("tidy operation %s: %w", id, err)
		}
	}
	for _, id := range uncommitted {
		if known[id] {
			t.renamed++
			err = os.Rename(t.files.newOperation(id), t.files.operation(id))
		} else {
			t.deleted++
			err = os.Remove(t.files.newOperation(id))
		}
		if err != nil {
			return fmt.Errorf("tidy operation %s: %w", id, err)
		}
	}
	return nil
}

// forgetRemoved empties the table removed, because the files of these operations are gone and that
// is durable.
func (t *tidying) forgetRemoved(ctx context.Context) error {
	ids, err := t.db.removed(ctx)
	if err != nil || len(ids) == 0 {
		return err
	}
	err = t.db.do(ctx, 0, func(t *tx) error {
		_, err := t.exec("DELETE FROM removed")
		return err
	})
	if isFull(err) || isReadOnly(err) {
		return nil // the next start does it
	}
	return err
}
