package store

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// OnStep makes every write call f between its durable steps.
func (c *Config) OnStep(f func(step string)) { c.onStep = f }

// DecodePieces reads the text of a list of pieces.
func DecodePieces(text string, original, section int64) (signing.Pieces, error) {
	return decodePieces(text, original, section)
}

// EncodePieces returns the text of a list of pieces. It is empty for the list of a format that
// appends.
func EncodePieces(p signing.Pieces) string { return encodePieces(p) }

// SetClock makes retention count ages with another clock.
func (c *Config) SetClock(wall func() time.Time, mono func() time.Duration) {
	c.clock = clock{wall, mono}
}

// LimitPages makes the database full at this number of pages. 0 removes the limit.
func (s *Store) LimitPages(ctx context.Context, pages int) error {
	if pages == 0 {
		pages = 1 << 30
	}
	return s.db.do(ctx, 0, func(t *tx) error {
		var got int
		return t.w.conn.QueryRowContext(context.Background(), "PRAGMA max_page_count="+signing.ID(pages).String()).Scan(&got)
	})
}

// Pages returns how many pages the database has, and how many of them are free.
func (s *Store) Pages(ctx context.Context) (total, free int, err error) {
	const count = "SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count"
	err = s.db.read.QueryRowContext(ctx, count).Scan(&total, &free)
	return total, free, err
}

// Hold keeps the writer from committing until the returned function is called, so that writes queue
// up.
func (s *Store) Hold(ctx context.Context) (release func()) {
	held, free := make(chan struct{}), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.db.do(ctx, groupBytes, func(*tx) error { close(held); <-free; return nil })
	}()
	<-held
	return func() { close(free); <-ended }
}

// Doubt puts the store into the state after a commit that was reported as failed although the
// operation was stored.
func (s *Store) Doubt(id signing.ID, size int64) {
	s.space.stored.Add(-size)
	s.intake.uncertain.add(id, size)
}

// Mark makes the writer record the generation of the database.
func (s *Store) Mark(ctx context.Context) error {
	s.db.writer.markAsked.Store(true)
	if err := s.db.touch(ctx); err != nil {
		return err
	}
	return s.db.touch(ctx) // the writer has marked before it takes this one
}

// HoldSnapshot starts a read that sees the database as it is now, until the returned function is
// called.
func (s *Store) HoldSnapshot(ctx context.Context) (release func(), err error) {
	tx, err := s.db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	var count int
	err = tx.QueryRowContext(ctx, "SELECT count(*) FROM operations").Scan(&count)
	return func() { _ = tx.Rollback() }, err
}

// HoldRoom keeps room for the values of a call, as BeginCall does.
func (s *Store) HoldRoom(call string, documents int) error {
	return s.journal.reserve.hold(call, documents)
}

// FreeRoom releases the room of a call.
func (s *Store) FreeRoom(call string) { s.journal.reserve.free(call) }

// Queued returns how many writes wait.
func (s *Store) Queued() int { return len(s.db.writer.jobs) }

// Used is the number of bytes that count against Retention.MaxBytes.
func (s *Store) Used() int64 { return s.space.used() }

// UsedBy is the number of bytes that count for a client service.
func (s *Store) UsedBy(t testing.TB, clientService string) (bytes int64) {
	t.Helper()
	const query = "SELECT bytes FROM usage WHERE client_service = ?"
	if err := s.db.read.QueryRowContext(t.Context(), query, clientService).Scan(&bytes); err != nil {
		t.Error(err)
	}
	return bytes
}

// DiskBytes makes the store believe that its disk has this size.
func (s *Store) DiskBytes(size int64) {
	s.space.diskBytes = func(string) (int64, error) { return size, nil }
}

// HoldSweep keeps the lock of a sweep until the returned function is called.
func (s *Store) HoldSweep() (release func()) {
	s.sweeper.sweeping.Lock()
	return s.sweeper.sweeping.Unlock
}

// ReadSince makes an operation look as if it were read since then.
func (s *Store) ReadSince(id signing.ID, since time.Time) {
	s.readers.mu.Lock()
	defer s.readers.mu.Unlock()
	s.readers.by[id] = reading{s.readers.by[id].count, since.Add(readTime)}
}

// ReadOnly makes the database refuse writes, as on a disk that is mounted read-only.
func (s *Store) ReadOnly(ctx context.Context, on bool) error {
	_, err := s.db.writer.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA query_only = %v", on))
	return err
}

// IntakeError is what the store makes of an error of the disk while documents come in.
func IntakeError(err error) error { return intakeError("write document", err) }

// HeldFetches returns how many fetches are not recorded yet.
func (s *Store) HeldFetches() int {
	s.fetches.mu.Lock()
	defer s.fetches.mu.Unlock()
	return len(s.fetches.later)
}

// WriteOnly makes an upload that has no document yet fail to read its own file.
func WriteOnly(up signing.Upload) error {
	u := up.(*upload)
	if err := u.open(); err != nil {
		return err
	}
	f, err := os.OpenFile(u.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	old := u.file
	u.file = f
	return old.Close()
}
