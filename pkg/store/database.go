package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// database is the SQLite database: prepared queries read it, and one writer writes it. It is safe
// for concurrent use.
type database struct {
	path string // of the main file
	log  logr.Logger
	// step marks a place between durable steps, where crash tests end the process. It is never nil.
	step func(name string)
	saw  func(generation int64) error // writes a generation to instance.json

	write   *sql.DB
	writer  *writer
	read    *sql.DB
	queries queries

	// alive is held for reading by every write, and for writing by refuse.
	alive  sync.RWMutex
	closed bool
}

// open opens the database of a folder: it checks that nothing is lost, upgrades the schema, starts
// the writer and prepares the queries. After an error call shut.
func (d *database) open(ctx context.Context, f *folder) (err error) {
	if err := f.examine(ctx); err != nil {
		return err
	}
	if d.write, err = connect(d.path, true); err != nil {
		return err
	}
	if err := migrate(ctx, d.write); err != nil {
		return err
	}
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	d.writer = newWriter(writerConfig{conn: conn, log: d.log, step: d.step, saw: d.saw})
	err = d.writer.mark()
	go d.writer.loop()
	if err != nil {
		if f.Making {
			return err
		}
		d.log.Error(err, "could not record the generation of the database")
	}
	if err := f.protect(); err != nil {
		return err
	}
	if d.read, err = connect(d.path, false); err != nil {
		return err
	}
	return d.queries.prepare(ctx, d.read)
}

// refuse waits for running writes and makes later ones fail. It reports whether this call is the
// first one.
func (d *database) refuse() bool {
	d.alive.Lock()
	defer d.alive.Unlock()
	first := !d.closed
	d.closed = true
	return first
}

// shut stops the writer and closes all connections. The last connection that closes copies the WAL
// into the database file.
func (d *database) shut() error {
	var errs []error
	if d.writer != nil {
		close(d.writer.jobs)
		<-d.writer.ended
	}
	d.queries.close()
	for _, db := range []*sql.DB{d.read, d.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// do is writer.do for a database that is open. It returns KindStorage after refuse.
func (d *database) do(ctx context.Context, bytes int, run func(*tx) error) error {
	d.alive.RLock()
	defer d.alive.RUnlock()
	if d.closed {
		return storageError("write metadata", errClosed)
	}
	return d.writer.do(ctx, bytes, run)
}

// doRelaxed is writer.doRelaxed for a database that is open. It returns KindStorage after refuse.
func (d *database) doRelaxed(ctx context.Context, bytes int, run func(*tx) error) error {
	d.alive.RLock()
	defer d.alive.RUnlock()
	if d.closed {
		return storageError("write metadata", errClosed)
	}
	return d.writer.doRelaxed(ctx, bytes, run)
}

// touch makes a write that changes no operation. When it returns nil, every earlier commit is
// durable too.
func (d *database) touch(ctx context.Context) error {
	return d.do(ctx, 0, func(t *tx) error {
		return t.mustChange(1, "UPDATE instance SET checked = ?", time.Now().UnixNano())
	})
}

// metadataBytes is the size of the database files on disk in bytes.
func (d *database) metadataBytes() (sum int64) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(d.path + suffix); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// known returns which of the operations have rows.
func (d *database) known(ctx context.Context, ids []signing.ID) (map[signing.ID]bool, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, fmt.Errorf("encode ids: %w", err)
	}
	return idSet(ctx, d.queries.known, string(list))
}

// removed returns the operations whose rows are gone and whose files may still exist.
func (d *database) removed(ctx context.Context) (map[signing.ID]bool, error) {
	return idSet(ctx, d.queries.removed)
}

// idSet runs a query that returns operation ids.
func idSet(ctx context.Context, q *sql.Stmt, args ...any) (map[signing.ID]bool, error) {
	ids, err := collect(ctx, q, scanID, args...)
	set := make(map[signing.ID]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set, err
}

const (
	// vacuumPages is how many free pages one transaction gives back to the file system. Other writes
	// wait that long.
	vacuumPages = 256
	// sparePages is how many free pages stay in the database for the next operations.
	sparePages = 1024
)

// shrink gives pages that removed operations have freed back to the file system.
func (d *database) shrink(ctx context.Context) error {
	const count = "SELECT freelist_count, page_count FROM pragma_freelist_count, pragma_page_count"
	for ctx.Err() == nil {
		var free, total int64
		if err := d.read.QueryRowContext(ctx, count).Scan(&free, &total); err != nil {
			return storageError("count free pages", err)
		}
		if free <= max(sparePages, total/4) {
			return nil
		}
		if err := d.do(ctx, 0, func(t *tx) error { return t.vacuum() }); err != nil {
			return err
		}
	}
	return nil
}

// vacuum moves pages from the end of the database file into free pages.
func (t *tx) vacuum() error {
	rows, err := t.w.conn.QueryContext(context.Background(), fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages))
	if err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}
	for rows.Next() {
	}
	return errors.Join(rows.Err(), rows.Close())
}
