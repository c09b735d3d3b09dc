package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// CheckReport is what Check found.
type CheckReport struct {
	Operations, Documents int
	Unfinished            int // operations that have not ended: the next start resumes them
	OpenCalls             int // calls without a recorded end: the next start settles them
	Bytes                 int64
	Leftovers             int // files of unfinished requests and of removed operations: the next start removes them
	// Lost are the paths, below the state folder, of documents that the database does not know: those
	// in lost/, and those in operations/ that the next start moves there.
	Lost []string
	// Faults says what is wrong, one line each, with the operation, the document and the problem.
	Faults []string
}

func (r *CheckReport) fault(format string, args ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
}

// Check examines a state folder that no process uses, and changes nothing in it: it checks the
// database itself, every document and section against its SHA-256, the place of every section, the
// list of pieces of every signed document, and whether states are consistent. It reads everything,
// so it takes as long as the disk needs. The error is about the folder as a whole: it is in use, of
// another program, of another version, or unreadable.
func Check(ctx context.Context, path string) (CheckReport, error) {
	var r CheckReport
	f := &folder{paths: paths(path)}
	known, err := f.readIdentity()
	if err != nil {
		return r, fmt.Errorf("state folder %s: %w", path, err)
	}
	if !known {
		return r, fmt.Errorf("state folder %s: it contains no %s, so it is not a state folder", path, identityName)
	}
	lock, err := durable.ShareLock(ctx, filepath.Join(path, lockName))
	if err != nil {
		return r, fmt.Errorf("state folder %s: %w: stop the proxy first", path, err)
	}
	defer func() { _ = lock.Release() }()
	if !f.Making {
		if err := f.mustHaveDatabase(ctx); err != nil {
			return r, fmt.Errorf("state folder %s: %w", path, err)
		}
	}
	db, done, err := connectToRead(f.database())
	if err != nil {
		return r, fmt.Errorf("state folder %s: %w", path, err)
	}
	defer done()
	if err := f.checkTables(ctx, db); errors.Is(err, errLost) {
		return r, fmt.Errorf("state folder %s: %w", path, err)
	}
	c := &checker{db: db, folder: f, report: &r}
	steps := []func(context.Context) error{
		c.version, c.database, c.operations, c.calls, c.orphans, c.leftovers, c.lost,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return r, err
		}
	}
	return r, nil
}

// checker fills a report, one step after the other.
type checker struct {
	db              *sql.DB
	databaseVersion int
	folder          *folder
	report          *CheckReport
}

func (c *checker) version(ctx context.Context) error {
	if err := c.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&c.databaseVersion); err != nil {
		return fmt.Errorf("the database cannot be read: %w", err)
	}
	if c.databaseVersion < 1 || c.databaseVersion > databaseVersion {
		return fmt.Errorf("the database is of version %d, this program knows 1 to %d", c.databaseVersion, databaseVersion)
	}
	return nil
}

// maxDatabaseFaults is how many faults of its own SQLite lists at most. One is enough to act on.
const maxDatabaseFaults = 20

// database lets SQLite check itself.
func (c *checker) database(ctx context.Context) error {
	return c.each(ctx, fmt.Sprintf("PRAGMA integrity_check(%d)", maxDatabaseFaults), func(r row) error {
		var text string
		if err := r.Scan(&text); err != nil {
			return err
		}
		if text != "ok" {
			c.report.fault("database: %s", text)
		}
		return nil
	})
}

// each calls f for every row of a query. If the database cannot be read, each adds a fault and the
// check continues.
func (c *checker) each(ctx context.Context, query string, f func(row) error, args ...any) error {
	rows, err := c.db.QueryContext(ctx, query, args...)
	if err == nil {
		for rows.Next() {
			if err = f(rows); err != nil {
				break
			}
		}
		err = errors.Join(err, rows.Err(), rows.Close())
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		c.report.fault("database: %v", err)
	}
	return nil
}

// checkedOperation is a row of operations.
type checkedOperation struct {
	id        signing.ID
	status    signing.Status
	ended     bool
	documents int
	bytes     int64
}

func (c *checker) operations(ctx context.Context) error {
	var all []checkedOperation // small: five numbers each
	err := c.each(
		ctx,
		"SELECT id, status, is_ended, document_count, bytes FROM operations ORDER BY id",
		func(r row) error {
			var op checkedOperation
			err := r.Scan(&op.id, &op.status, &op.ended, &op.documents, &op.bytes)
			all = append(all, op)
			return err
		},
	)
	if err != nil {
		return err
	}
	for _, op := range all {
		c.report.Operations++
		if !op.ended {
			c.report.Unfinished++
		}
		if op.ended != op.status.Ended() {
			c.report.fault("operation %s: status %s does not fit its end", op.id, op.status)
		}
		if err := c.operation(ctx, op); err != nil {
			return err
		}
	}
	return nil
}

// checkedDocument is what the tables say about a document.
type checkedDocument struct {
	position         int
	at, size         int64
	sha256           []byte
	state            sql.NullString
	sectionAt        sql.NullInt64
	sectionSize      sql.NullInt64
	sectionSHA256    []byte // nil = not known
	list             string // of pieces
	value            bool
	prepared, inline sql.NullInt64 // lengths; NULL = missing
	section          []byte        // that is in the database
}

const documentsOf = `SELECT d.position, d.at, d.size, d.sha256,
	p.state, p.section_at, p.section_size, %s, %s, p.value IS NOT NULL,
	(SELECT length(digest) FROM prepared WHERE id = d.id), length(s.section), s.section
	FROM documents d LEFT JOIN progress p ON p.id = d.id LEFT JOIN sections s ON s.id = d.id
	WHERE d.id > ? AND d.id <= ? AND d.operation = ? ORDER BY d.id`

// documents is the query for the documents of an operation. Before version 5 a database had no
// digests of sections, and before version 7 it had no lists of pieces.
func (c *checker) documents() string {
	sum, list := "p.section_sha256", "coalesce(p.pieces, '')"
	if c.databaseVersion < 5 {
		sum = "NULL"
	}
	if c.databaseVersion < 7 {
		list = "''"
	}
	return fmt.Sprintf(documentsOf, sum, list)
}

func (c *checker) operation(ctx context.Context, op checkedOperation) error {
	f, size := c.open(op)
	if f != nil {
		defer func() { _ = f.Close() }()
	}
	found, signed := 0, 0
	err := c.each(ctx, c.documents(), func(r row) error {
		var d checkedDocument
		err := r.Scan(&d.position, &d.at, &d.size, &d.sha256, &d.state, &d.sectionAt, &d.sectionSize, &d.sectionSHA256,
			&d.list, &d.value, &d.prepared, &d.inline, &d.section)
		if err != nil {
			return err
		}
		found++
		if d.state.String == string(signing.DocumentSigned) {
			signed++
		}
		c.document(op, d, f, size)
		return ctx.Err()
	}, int64(op.id), documentID(op.id, op.documents-1), int64(op.id))
	if err != nil {
		return err
	}
	c.report.Documents += found
	if found != op.documents {
		c.report.fault("operation %s: has %d documents, but %d exist", op.id, op.documents, found)
	}
	if op.status == signing.StatusExecuted && signed == 0 || op.status == signing.StatusFailed && signed > 0 {
		c.report.fault("operation %s: is %s with %d signed documents", op.id, op.status, signed)
	}
	return nil
}

// open opens an operation's file. If that fails it adds a fault and returns nil.
func (c *checker) open(op checkedOperation) (*os.File, int64) {
	f, err := c.folder.openOperation(op.id, os.O_RDONLY)
	if err != nil {
		c.report.fault("operation %s: its documents cannot be read: %v", op.id, pathless(err))
		return nil, 0
	}
	info, err := f.Stat()
	if err != nil {
		c.report.fault("operation %s: its documents cannot be read: %v", op.id, pathless(err))
		_ = f.Close()
		return nil, 0
	}
	c.report.Bytes += info.Size()
	if info.Size() < op.bytes {
		c.report.fault("operation %s: its file has %d bytes, %d are known", op.id, info.Size(), op.bytes)
	}
	return f, info.Size()
}

// pathless returns an error without the path of the file, because the line already names the file.
func pathless(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// needPrepared are the states in which what was prepared must still be stored.
var needPrepared = []signing.DocumentState{signing.DocumentPrepared, signing.DocumentSent, signing.DocumentValued}

// document checks content, section and state.
func (c *checker) document(op checkedOperation, d checkedDocument, f *os.File, size int64) {
	fault := func(format string, args ...any) {
		c.report.fault("operation %s document %d: %s", op.id, d.position, fmt.Sprintf(format, args...))
	}
	if f != nil {
		switch n, sum, err := digestOf(f, d.at, d.size); {
		case err != nil:
			fault("cannot be read: %v", pathless(err))
		case n != d.size:
			fault("%d of %d bytes exist", n, d.size)
		case !bytes.Equal(sum, d.sha256):
			fault("its bytes are not those that were received")
		}
	}
	state := signing.DocumentState(d.state.String)
	switch {
	case !d.state.Valid:
		fault("its state is missing")
	case op.ended && !state.Ended():
		fault("is %s, but the operation has ended", state)
	case state == signing.DocumentValued && !d.value:
		fault("is valued, but its signature value is missing")
	case slices.Contains(needPrepared, state) && !d.prepared.Valid:
		fault("is %s, but what was prepared is missing", state)
	case state == signing.DocumentSigned && d.sectionAt.Valid && f != nil && d.sectionAt.Int64 > size-d.sectionSize.Int64:
		fault("its signature is beyond the end of the file")
	case state == signing.DocumentSigned && !d.sectionAt.Valid && d.inline.Int64 != d.sectionSize.Int64:
		fault("its signature is missing")
	case state == signing.DocumentSigned:
		d.checkSection(f, fault)
	}
}

// checkSection compares the section and the list of pieces with their digest, and checks the list.
// The section is in the database or in the operation's file f, which may be missing.
func (d checkedDocument) checkSection(f *os.File, fault func(format string, args ...any)) {
	section := io.NewSectionReader(bytes.NewReader(d.section), 0, d.sectionSize.Int64)
	if d.sectionAt.Valid {
		section = io.NewSectionReader(f, d.sectionAt.Int64, d.sectionSize.Int64)
	}
	if d.sectionSHA256 != nil && (f != nil || !d.sectionAt.Valid) {
		sum, err := digestOfSection(section, d.list)
		if err != nil {
			fault("its signature cannot be read: %v", pathless(err))
			return
		}
		if !bytes.Equal(sum, d.sectionSHA256) {
			fault("the bytes of its signature are not those that were stored")
			return
		}
	}
	pieces, err := decodePieces(d.list, d.size, d.sectionSize.Int64)
	if err == nil && f != nil {
		_, err = signing.Join(io.NewSectionReader(f, d.at, d.size), section, pieces)
	}
	if err != nil {
		fault("its list of pieces is wrong: %v", pathless(err))
	}
}

// digestOf hashes a range of a file, as far as the file reaches.
func digestOf(f io.ReaderAt, at, size int64) (n int64, sum []byte, err error) {
	h := sha256.New()
	n, err = io.Copy(h, io.NewSectionReader(f, at, size))
	return n, h.Sum(nil), err
}
