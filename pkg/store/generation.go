package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
)

// The generation shows whether a database has lost something. It is a number in the database that
// grows whenever the WAL has been copied into the database file. The new number is written to the
// WAL only, and then to instance.json. So a database file whose WAL is missing, and an older copy
// of the database, have a smaller number than instance.json. A store does not start with them,
// because it would forget operations, and sign repeated requests again.

// errLost ends the errors about a database that does not fit the folder. It tells the operator what
// to do.
var errLost = errors.New(
	"restore the whole folder from one backup, or start once with --force.database.recreate to throw the state away",
)

// errNoDatabase is the error for a database that holds nothing although the folder was in use.
func errNoDatabase(what string) error {
	return fmt.Errorf("%s %s although this folder was in use before: %w", databaseName, what, errLost)
}

// errOlderDatabase is the error for a database whose generation is older than the one in
// instance.json.
func errOlderDatabase(found, want int64) error {
	return fmt.Errorf(
		"%s is older than what %s has seen (generation %d, not %d): an old copy was restored, or %s-wal is missing: %w",
		databaseName,
		identityName,
		found,
		want,
		databaseName,
		errLost,
	)
}

// mustHaveDatabase refuses a folder that was in use and whose database is missing, has no tables,
// or is older than instance.json. It reads the database file without its WAL and changes nothing,
// because SQLite deletes the WAL of an empty file, and copies a WAL into any file that is beside
// it.
func (f *folder) mustHaveDatabase(ctx context.Context) error {
	info, err := os.Stat(f.database())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errNoDatabase("is missing")
	case err != nil:
		return fmt.Errorf("stat database: %w", err)
	case info.Size() == 0:
		return errNoDatabase("is empty")
	}
	wal, err := os.Stat(f.database() + "-wal")
	walIsEmpty := err != nil || wal.Size() == 0
	version, generation, err := f.peek(ctx)
	switch {
	case errors.Is(err, errLost) && walIsEmpty:
		return err
	case err != nil: // A crash during a checkpoint leaves a file that only its WAL completes.
		return nil
	case version == 0 && walIsEmpty:
		return errNoDatabase("has no tables")
	case version == 0: // The tables may be in the WAL.
		return nil
	case generation < f.Generation-1 || walIsEmpty && generation < f.Generation:
		return errOlderDatabase(generation, f.Generation)
	}
	return nil
}

// peek reads the version of the schema and the generation from the database file without its WAL.
func (f *folder) peek(ctx context.Context) (version int, generation int64, err error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: f.database()}).EscapedPath()+"?immutable=1&mode=ro")
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = db.Close() }()
	return readGeneration(ctx, db)
}

// generationSince is the first version of the schema that has a generation.
const generationSince = 6

// readGeneration returns the version of the schema and the generation, or errLost if the database
// has no instance row.
func readGeneration(ctx context.Context, db *sql.DB) (version int, generation int64, err error) {
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, 0, fmt.Errorf("read database version: %w", err)
	}
	column := "generation"
	if version < generationSince {
		column = "0"
	}
	if version == 0 {
		return 0, 0, nil
	}
	err = db.QueryRowContext(ctx, "SELECT "+column+" FROM instance").Scan(&generation)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		err = errNoDatabase("has no instance row")
	case err != nil && strings.Contains(err.Error(), "no such table"):
		err = errNoDatabase("has no instance table")
	case err != nil:
		err = fmt.Errorf("read instance row of %s: %w", databaseName, err)
	}
	return version, generation, err
}

// examine is checkTables on a connection that only reads. A connection that writes would copy the
// WAL into the database file or delete it when it closes, and a refused start must leave both as
// they are, because somebody may still rescue what they hold.
func (f *folder) examine(ctx context.Context) error {
	if f.Making {
		return nil
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: f.database()}).EscapedPath()+"?mode=ro")
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer func() { _ = db.Close() }()
	return f.checkTables(ctx, db)
}

// checkTables is mustHaveDatabase for an open database. It includes what is in the WAL.
func (f *folder) checkTables(ctx context.Context, db *sql.DB) error {
	if f.Making {
		return nil
	}
	version, generation, err := readGeneration(ctx, db)
	switch {
	case err != nil:
		return err
	case version == 0:
		return errNoDatabase("has no tables")
	case generation < f.Generation:
		return errOlderDatabase(generation, f.Generation)
	}
	return nil
}

// sawGeneration writes the generation to instance.json. From then on instance.json also says that
// the database is complete.
func (f *folder) sawGeneration(generation int64) error {
	next := f.identity
	next.Generation, next.Making = generation, false
	if err := f.writeFile(next); err != nil {
		return err
	}
	f.Generation, f.Making = generation, false
	return nil
}

// protect takes the permissions of other users away from the database files, whatever the mode of
// the folder is, because SQLite makes its files readable for everybody. In a new folder it creates
// the database file.
func (f *folder) protect() error {
	if f.Making {
		file, err := os.OpenFile(f.database(), os.O_RDWR|os.O_CREATE, databaseMode)
		if err != nil {
			return fmt.Errorf("make database: %w", err)
		}
		if err := file.Close(); err != nil {
			return fmt.Errorf("make database: %w", err)
		}
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(f.database() + suffix)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().Perm() == databaseMode {
			continue
		}
		if err == nil {
			err = os.Chmod(f.database()+suffix, databaseMode)
		}
		if err != nil {
			return fmt.Errorf("set permissions of database: %w", err)
		}
	}
	return nil
}

// databaseMode is the mode of the database file. SQLite gives its WAL and its shared memory the
// same mode.
const databaseMode = fs.FileMode(0o600)

// errIncompleteCopy means that a reader kept mark from copying the whole WAL.
var errIncompleteCopy = errors.New("a reader prevents copying the WAL into the database")

// mark copies the WAL into the database file and raises the generation. It runs on the writer's
// goroutine, or before that goroutine starts. Nothing that was committed depends on it: after an
// error only a loss of the WAL would not be noticed.
//
// mark raises the generation only if the whole WAL was copied. Otherwise it returns
// errIncompleteCopy and changes nothing, because mustHaveDatabase relies on a database file that is
// at most one generation behind instance.json.
func (w *writer) mark() error {
	var busy, pages, copied int
	row := w.conn.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)")
	if err := row.Scan(&busy, &pages, &copied); err != nil {
		return fmt.Errorf("copy WAL into database: %w", err)
	}
	w.step("mark: copied")
	if busy != 0 || pages != copied {
		return errIncompleteCopy
	}
	if err := w.relax(false); err != nil { // the WAL holds the generation before instance.json does
		return err
	}
	t := &tx{w: w}
	if _, err := t.exec("UPDATE instance SET generation = generation + 1"); err != nil {
		return fmt.Errorf("raise generation: %w", err)
	}
	var generation int64
	if err := t.get("SELECT generation FROM instance", nil, &generation); err != nil {
		return fmt.Errorf("read generation: %w", err)
	}
	w.marked = w.pagesWritten()
	w.step("mark: raised")
	if err := w.saw(generation); err != nil {
		return fmt.Errorf("record generation: %w", err)
	}
	w.step("mark: noted")
	return nil
}

// markIfDue calls mark when the WAL has become long, or when it was asked for and something was
// written.
func (w *writer) markIfDue() {
	written := w.pagesWritten() - w.marked
	asked := w.markAsked.Swap(false)
	if written < walPages && !(asked && written > 0) {
		return
	}
	err := w.mark()
	if errors.Is(err, errIncompleteCopy) {
		return // the next commit tries again
	}
	w.markFault.report(w.log, err, "could not record the generation of the database")
}

// writeFile writes instance.json. It is durable on return.
func (f *folder) writeFile(id identity) error {
	data, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("encode identity: %w", err)
	}
	return durable.WriteFile(filepath.Join(f.path(), identityName), append(data, '\n'), 0o600)
}
