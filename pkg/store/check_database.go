package store

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// connectToRead opens the database of a folder that no process uses, and leaves its files
// unchanged. After a clean stop it reads the database in place. After a crash there is a WAL, which
// SQLite would copy into the database file. Then it reads a copy in the folder for temporary files.
func connectToRead(path string) (db *sql.DB, done func(), err error) {
	if _, err := os.Stat(path); err != nil {
		return nil, nil, err
	}
	remove := func() {}
	if wal, missing := os.Stat(path + "-wal"); missing == nil && wal.Size() > 0 {
		if path, remove, err = copyDatabase(path); err != nil {
			return nil, nil, fmt.Errorf("copy the database to TMPDIR, because it was not closed: %w", err)
		}
		db, err = connect(path, false)
	} else {
		db, err = sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?immutable=1&mode=ro&_pragma="+
			url.QueryEscape(fmt.Sprintf("cache_size(-%d)", readerCacheKiB)))
	}
	if err != nil {
		remove()
		return nil, nil, fmt.Errorf("open database: %w", err)
	}
	return db, func() { _ = db.Close(); remove() }, nil
}

// copyDatabase copies a database with its WAL to a new folder, which done removes.
func copyDatabase(path string) (to string, done func(), err error) {
	folder, err := os.MkdirTemp("", "state-check-")
	if err != nil {
		return "", nil, err
	}
	done = func() { _ = os.RemoveAll(folder) }
	to = filepath.Join(folder, databaseName)
	if err := errors.Join(copyFile(path, to), copyFile(path+"-wal", to+"-wal")); err != nil {
		done()
		return "", nil, err
	}
	return to, done, nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(0o600))
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
