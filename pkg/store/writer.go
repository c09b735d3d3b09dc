package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/go-logr/logr"
	"modernc.org/sqlite"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// groupJobs bounds how many writes share a transaction: past some dozens an fsync is no longer
	// what they wait for.
	groupJobs = 128
	// groupBytes bounds what a transaction adds to the WAL, which is not written from the start again
	// before it ends.
	groupBytes = 4 << 20
)

// writer is the one place where the database is written. Its goroutine takes all writes that have
// queued up while the last group was committed, and commits them together: concurrent callers share
// an fsync, a lone one waits for nobody.
type writer struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // by text; used by the goroutine alone
	jobs  chan *job
	ended chan struct{}
	step  func(string)

	log       logr.Logger
	saw       func(generation int64) error // notes a generation outside of the database
	marked    int                          // pagesWritten at the last mark
	markAsked atomic.Bool
	markFault repeatedFault
}

// job is one caller's write: all of it is committed, or nothing.
type job struct {
	bytes int // about how much it adds
	run   func(*tx) error
	done  chan error
}

// tx is the running transaction, good during a job's run only.
type tx struct{ w *writer }

var errClosed = errors.New("store is closed")

// writerConfig is what a writer is made of.
type writerConfig struct {
	conn *sql.Conn
	log  logr.Logger
	step func(string)
	saw  func(generation int64) error
}

func newWriter(cfg writerConfig) *writer {
	return &writer{
		conn: cfg.conn, log: cfg.log, step: cfg.step, saw: cfg.saw,
		stmts: make(map[string]*sql.Stmt), jobs: make(chan *job, groupJobs), ended: make(chan struct{}),
	}
}

// pagesWritten is how many pages the connection has written to the WAL.
func (w *writer) pagesWritten() (pages int) {
	err := w.conn.Raw(func(conn any) (err error) {
		pages, _, err = conn.(sqlite.DBStatus).Status(sqlite.DBStatusCacheWrite, false)
		return err
	})
	if err != nil {
		return w.marked // unknown: the WAL is marked when it is asked for
	}
	return pages
}

// do has run executed and committed; it is durable when do returns nil. The error is run's own,
// with nothing of it stored, if that is ErrConflict or a *signing.Error; otherwise it is
// KindStorage, and what was stored has to be read. ctx bounds the wait in the queue only.
func (w *writer) do(ctx context.Context, bytes int, run func(*tx) error) error {
	j := &job{bytes: bytes, run: run, done: make(chan error, 1)}
	select {
	case w.jobs <- j:
		return <-j.done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// loop runs until jobs is closed.
func (w *writer) loop() {
	defer close(w.ended)
	for j := range w.jobs {
		w.commit(w.gather(j))
		w.markIfDue()
	}
	for _, s := range w.stmts {
		_ = s.Close()
	}
	_ = w.conn.Close()
}

// gather adds to first what else is queued, within the bounds of a group.
func (w *writer) gather(first *job) []*job {
	group, bytes := []*job{first}, first.bytes
	for len(group) < groupJobs && bytes < groupBytes {
		select {
		case j, ok := <-w.jobs:
			if !ok {
				return group
			}
			group = append(group, j)
			bytes += j.bytes
		default:
			return group
		}
	}
	return group
}

// commit runs a group in one transaction. A job that refuses is undone alone; when the database
// fails, the whole group has failed.
func (w *writer) commit(group []*job) {
	results, err := w.transaction(group)
	for i, j := range group {
		if results[i] == nil && err != nil {
			j.done <- storageError("write metadata", err)
			continue
		}
		j.done <- results[i]
	}
}

func (w *writer) transaction(group []*job) (results []error, err error) {
	results = make([]error, len(group))
	t := &tx{w: w}
	if _, err := t.exec("BEGIN IMMEDIATE"); err != nil {
		return results, err
	}
	committed := false
	defer func() {
		if !committed {
			_, _ = t.exec("ROLLBACK") // SQLite may have rolled back already
		}
	}()
	stored := 0
	for i, j := range group {
		results[i], err = t.runJob(j)
		if err != nil {
			return results, err
		}
		if results[i] == nil {
			stored++
		}
	}
	if stored == 0 {
		return results, nil
	}
	w.step("commit")
	_, err = t.exec("COMMIT")
	committed = err == nil
	w.step("committed")
	return results, err
}

// runJob runs one job inside a savepoint. refused is the job's own answer; err means that the
// transaction cannot go on.
func (t *tx) runJob(j *job) (refused, err error) {
	if _, err := t.exec("SAVEPOINT job"); err != nil {
		return nil, err
	}
	refused = j.run(t)
	if refused != nil && !isRefusal(refused) {
		return nil, refused
	}
	if refused != nil {
		if _, err := t.exec("ROLLBACK TO job"); err != nil {
			return nil, err
		}
	}
	_, err = t.exec("RELEASE job")
	return refused, err
}

// isRefusal tells what a job decided from what the database failed at.
func isRefusal(err error) bool {
	var e *signing.Error
	return errors.Is(err, signing.ErrConflict) || errors.As(err, &e)
}

// stmt prepares a statement once. The writer uses a context without end throughout: a transaction
// is never cut off in the middle.
func (t *tx) stmt(query string) (*sql.Stmt, error) {
	if s, ok := t.w.stmts[query]; ok {
		return s, nil
	}
	s, err := t.w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare statement: %w", err)
	}
	t.w.stmts[query] = s
	return s, nil
}

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(query string, args ...any) (rows int64, err error) {
	s, err := t.stmt(query)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// mustChange is exec for a compare-and-swap: ErrConflict unless exactly n rows were as expected.
func (t *tx) mustChange(n int, query string, args ...any) error {
	rows, err := t.exec(query, args...)
	if err != nil {
		return err
	}
	if rows != int64(n) {
		return signing.ErrConflict
	}
	return nil
}

// get reads one row into dest; sql.ErrNoRows if there is none.
func (t *tx) get(query string, args []any, dest ...any) error {
	s, err := t.stmt(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(context.Background(), args...).Scan(dest...)
}
