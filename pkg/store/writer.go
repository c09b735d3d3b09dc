package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/go-logr/logr"
	"modernc.org/sqlite"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// groupJobs bounds how many writes share a transaction. With more than some dozens the fsync is no
	// longer what the writes wait for.
	groupJobs = 128
	// groupBytes bounds what a transaction adds to the WAL, because the WAL is not written from the
	// start again before the transaction ends.
	groupBytes = 4 << 20
)

// writer is the only place where the database is written. Its goroutine takes all writes that were
// queued while the last group was committed, and commits them together. So concurrent callers share
// an fsync, and a single caller waits for nobody.
type writer struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // by text; used only by the goroutine
	jobs  chan *job
	ended chan struct{}
	step  func(string)

	log       logr.Logger
	saw       func(generation int64) error // writes a generation to instance.json
	relaxed   bool                         // the connection commits without an fsync
	marked    int                          // pagesWritten at the last mark
	markAsked atomic.Bool
	markFault repeatedFault
}

// job is the write of one caller. It is committed as a whole, or not at all.
type job struct {
	bytes   int  // estimate of the bytes that it adds
	relaxed bool // see doRelaxed
	run     func(*tx) error
	done    chan error
}

// tx is the running transaction. It is valid only while a job runs.
type tx struct{ w *writer }

var errClosed = errors.New("store is closed")

// writerConfig is what a writer needs.
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
		return w.marked // unknown, so mark runs only when it is asked for
	}
	return pages
}

// do executes and commits run. The write is durable when do returns nil. If run returns ErrConflict
// or a *signing.Error, do returns that error and nothing of run is stored. Any other error is
// KindStorage, and the caller has to read what was stored. ctx bounds only the wait in the queue.
func (w *writer) do(ctx context.Context, bytes int, run func(*tx) error) error {
	return w.queue(ctx, &job{bytes: bytes, run: run})
}

// doRelaxed is do without an fsync. The write survives a crash of the process. A power cut may undo
// it, but only together with every later write, because the WAL is one sequence: the next write
// that do makes durable makes this one durable too.
func (w *writer) doRelaxed(ctx context.Context, bytes int, run func(*tx) error) error {
	return w.queue(ctx, &job{bytes: bytes, relaxed: true, run: run})
}

// queue hands a job to the goroutine and waits for its end.
func (w *writer) queue(ctx context.Context, j *job) error {
	j.done = make(chan error, 1)
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

// gather adds other queued jobs to first, within the bounds of a group.
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

// commit runs a group in one transaction. A job that refuses is undone alone. If the database
// fails, the whole group fails.
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
	relaxed := !slices.ContainsFunc(group, func(j *job) bool { return !j.relaxed })
	if err := w.relax(relaxed); err != nil {
		return results, err
	}
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

// relax chooses whether the next commit is without an fsync of the WAL. SQLite syncs the WAL before
// it copies the WAL into the database, and when it starts the WAL again, in both modes.
func (w *writer) relax(relaxed bool) error {
	if relaxed == w.relaxed {
		return nil
	}
	mode := "FULL"
	if relaxed {
		mode = "NORMAL"
	}
	if _, err := w.conn.ExecContext(context.Background(), "PRAGMA synchronous = "+mode); err != nil {
		return fmt.Errorf("set synchronous: %w", err)
	}
	w.relaxed = relaxed
	return nil
}

// runJob runs one job inside a savepoint. refused is the job's own error. err means that the
// transaction cannot continue.
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

// isRefusal distinguishes what a job decided from a failure of the database.
func isRefusal(err error) bool {
	var e *signing.Error
	return errors.Is(err, signing.ErrConflict) || errors.As(err, &e)
}

// stmt prepares a statement once. The writer never uses a context that ends, so that no transaction
// is interrupted in the middle.
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

// mustChange is exec for a compare-and-swap. It returns ErrConflict unless exactly n rows changed.
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

// get reads one row into dest. It returns sql.ErrNoRows if there is none.
func (t *tx) get(query string, args []any, dest ...any) error {
	s, err := t.stmt(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(context.Background(), args...).Scan(dest...)
}
