package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// leftovers looks for files of operations that the database does not know.
func (c *checker) leftovers(ctx context.Context) error {
	removed := make(map[signing.ID]bool)
	if c.databaseVersion >= generationSince {
		err := c.each(ctx, "SELECT id FROM removed", func(r row) error {
			var id signing.ID
			err := r.Scan(&id)
			removed[id] = true
			return err
		})
		if err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(c.folder.operations())
	if err != nil {
		c.report.fault("folder %s: %v", operationsName, pathless(err))
		return nil
	}
	const exists = "SELECT EXISTS (SELECT 1 FROM operations WHERE id = ?)"
	for _, e := range entries {
		uncommitted := newNames([]string{e.Name()})
		ids := append(parseIDs([]string{e.Name()}), parseIDs(uncommitted)...)
		if len(ids) == 0 {
			continue // not a file of the store
		}
		var known bool
		if err := c.db.QueryRowContext(ctx, exists, int64(ids[0])).Scan(&known); err != nil {
			c.report.fault("database: %v", err)
			return nil
		}
		switch {
		case known:
		case removed[ids[0]] || len(uncommitted) > 0:
			c.report.Leftovers++
		default:
			c.report.Lost = append(c.report.Lost, path.Join(operationsName, e.Name()))
		}
	}
	return ctx.Err()
}

// lost lists what earlier starts have moved to lost/.
func (c *checker) lost(ctx context.Context) error {
	entries, err := os.ReadDir(c.folder.lost())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.report.fault("folder %s: %v", lostName, pathless(err))
	}
	for _, e := range entries {
		c.report.Lost = append(c.report.Lost, path.Join(lostName, e.Name()))
	}
	return ctx.Err()
}
