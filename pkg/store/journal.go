package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// journal records how far documents are, and the calls to the provider. It is safe for concurrent
// use.
type journal struct {
	db      *database
	spool   *spool
	reserve *reserve
	log     logr.Logger

	free sync.Map // ids of the calls in flight whose signatures are free
}

// Unfinished implements signing.Journal.
func (j *journal) Unfinished(ctx context.Context) ([]signing.ID, error) {
	return collect(ctx, j.db.queries.unfinished, scanID)
}

// SavePrepared implements signing.Journal. Much data is written in several transactions. A conflict
// that is found before the first one stores nothing. The commits are not synced, because BeginCall
// makes them durable before the provider is asked.
func (j *journal) SavePrepared(ctx context.Context, docs []signing.PreparedDocument) error {
	pieces := split(docs, func(d signing.PreparedDocument) int { return len(d.Digest) + len(d.State) + preparedRowBytes })
	if len(pieces) > 1 {
		if err := j.db.doRelaxed(ctx, 0, func(t *tx) error { return t.mayPrepare(docs) }); err != nil {
			return err
		}
	}
	for _, p := range pieces {
		j.db.step("prepared")
		if err := j.db.doRelaxed(ctx, p.bytes, func(t *tx) error { return t.savePrepared(p.items) }); err != nil {
			return err
		}
	}
	return nil
}

// preparedRowBytes estimates the bytes that a row takes besides its content.
const preparedRowBytes = 64

// mayPrepare is the comparison of savePrepared without the change.
func (t *tx) mayPrepare(docs []signing.PreparedDocument) error {
	ids, err := t.documentIDs(refsOf(docs))
	if err != nil {
		return err
	}
	var n int
	err = t.get(`SELECT count(*) FROM progress
		WHERE state IN ('received', 'prepared') AND id IN (SELECT value FROM json_each(?))`, []any{idList(ids)}, &n)
	if err == nil && n != len(ids) {
		return signing.ErrConflict
	}
	return err
}

func refsOf(docs []signing.PreparedDocument) []signing.Ref {
	refs := make([]signing.Ref, len(docs))
	for i, d := range docs {
		refs[i] = d.Ref
	}
	return refs
}

func (t *tx) savePrepared(docs []signing.PreparedDocument) error {
	ids, err := t.documentIDs(refsOf(docs))
	if err != nil {
		return err
	}
	err = t.mustChange(len(ids), `UPDATE progress SET state = 'prepared'
		WHERE state IN ('received', 'prepared') AND id IN (SELECT value FROM json_each(?))`, idList(ids))
	if err != nil {
		return err
	}
	const insert = "INSERT OR REPLACE INTO prepared (id, digest, state, certificate) VALUES (?, ?, ?, ?)"
	for i, d := range docs {
		if _, err := t.exec(insert, ids[i], notNil(d.Digest), notNil(d.State), d.Certificate); err != nil {
			return fmt.Errorf("insert prepared: %w", err)
		}
	}
	return nil
}

// notNil keeps an empty value from becoming NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Prepared implements signing.Journal.
func (j *journal) Prepared(ctx context.Context, ref signing.Ref) (p signing.Prepared, value []byte, err error) {
	if err := ctx.Err(); err != nil {
		return p, nil, err
	}
	if ref.Index < 0 || ref.Index >= maxDocuments {
		return p, nil, readError("prepared document", sql.ErrNoRows)
	}
	found := j.db.queries.prepared.QueryRow(documentID(ref.Operation, ref.Index), int64(ref.Operation))
	err = found.Scan(&p.Digest, &p.State, &p.Certificate, &value)
	return p, value, readError("prepared document", err)
}

// SetStatus implements signing.Journal.
func (j *journal) SetStatus(
	ctx context.Context, id signing.ID, from signing.Status, change signing.StatusChange,
) error {
	if from.Ended() {
		return signing.ErrConflict
	}
	j.db.step("status")
	return j.db.do(ctx, 0, func(t *tx) error { return t.setStatus(id, from, change) })
}

func (t *tx) setStatus(id signing.ID, from signing.Status, change signing.StatusChange) error {
	err := t.mustChange(
		1,
		"UPDATE operations SET status = ?, tries = ?, next_try = ?, ended = ?, is_ended = ? WHERE id = ? AND status = ?",
		string(change.Status),
		change.Tries,
		toNanos(change.NextTry),
		toNanos(change.Ended),
		change.Status.Ended(),
		int64(id),
		string(from),
	)
	if err != nil || !change.Status.Ended() {
		return err
	}
	_, err = t.exec(`INSERT OR IGNORE INTO callbacks (operation, next_try)
		SELECT id, ? FROM operations WHERE id = ? AND callback <> ''`, time.Now().UnixNano(), int64(id))
	return err
}

// Counters implements signing.Journal.
func (j *journal) Counters(ctx context.Context) (c signing.Counters, err error) {
	if err := ctx.Err(); err != nil {
		return c, err
	}
	err = j.db.queries.counters.QueryRow().Scan(&c.Sent, &c.Returned, &c.Unknown, &c.Refused)
	return c, storageError("read counters", err)
}

// documentIDs returns the InternalIDs of refs. It returns ErrConflict if one of them names no
// document.
func (t *tx) documentIDs(refs []signing.Ref) ([]int64, error) {
	counts := make(map[signing.ID]int, 1)
	ids := make([]int64, len(refs))
	for i, ref := range refs {
		count, ok := counts[ref.Operation]
		if !ok {
			err := t.get("SELECT document_count FROM operations WHERE id = ?", []any{int64(ref.Operation)}, &count)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return nil, fmt.Errorf("read operation: %w", err)
			}
			counts[ref.Operation] = count
		}
		if ref.Index < 0 || ref.Index >= count {
			return nil, signing.ErrConflict
		}
		ids[i] = documentID(ref.Operation, ref.Index)
	}
	return ids, nil
}

// idList is a JSON array of ids for json_each.
func idList(ids []int64) string {
	list := make([]byte, 0, 20*len(ids)+2)
	list = append(list, '[')
	for i, id := range ids {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendInt(list, id, 10)
	}
	return string(append(list, ']'))
}
