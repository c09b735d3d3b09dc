package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Unfinished implements signing.Journal.
func (s *Store) Unfinished(ctx context.Context) ([]signing.ID, error) {
	return collect(ctx, s.queries.unfinished, func(r row) (id signing.ID, err error) { err = r.Scan(&id); return id, err })
}

// documentIDs returns the InternalIDs of refs, having seen that each names a document that exists.
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

// idList is a JSON array for json_each.
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

// SavePrepared implements signing.Journal. Much data is written in several transactions; a conflict
// found before the first stores nothing.
func (s *Store) SavePrepared(ctx context.Context, docs []signing.PreparedDocument) error {
	pieces := split(docs, func(d signing.PreparedDocument) int { return len(d.Digest) + len(d.State) + preparedRowBytes })
	if len(pieces) > 1 {
		if err := s.do(ctx, 0, func(t *tx) error { return t.mayPrepare(docs) }); err != nil {
			return err
		}
	}
	for _, p := range pieces {
		s.step("prepared")
		if err := s.do(ctx, p.bytes, func(t *tx) error { return t.savePrepared(p.items) }); err != nil {
			return err
		}
	}
	return nil
}

// preparedRowBytes is about what a row takes beside its content.
const preparedRowBytes = 64

// mayPrepare is the comparison of savePrepared without the swap.
func (t *tx) mayPrepare(docs []signing.PreparedDocument) error {
	ids, err := t.documentIDs(refsOf(docs))
	if err != nil {
		return err
	}
	var n int
	err = t.get(
		"SELECT count(*) FROM progress WHERE state IN ('received', 'prepared') AND id IN (SELECT value FROM json_each(?))",
		[]any{idList(ids)},
		&n,
	)
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
	for i, d := range docs {
		if _, err := t.exec(
			"INSERT OR REPLACE INTO prepared (id, digest, state) VALUES (?, ?, ?)",
			ids[i],
			notNil(d.Digest),
			notNil(d.State),
		); err != nil {
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
func (s *Store) Prepared(ctx context.Context, ref signing.Ref) (p signing.Prepared, value []byte, err error) {
	if err := ctx.Err(); err != nil {
		return p, nil, err
	}
	if ref.Index < 0 || ref.Index >= maxDocuments {
		return p, nil, notFound("prepared document", sql.ErrNoRows)
	}
	err = s.queries.prepared.QueryRow(
		documentID(ref.Operation, ref.Index),
		int64(ref.Operation),
	).Scan(
		&p.Digest,
		&p.State,
		&value,
	)
	return p, value, notFound("prepared document", err)
}

// BeginCall implements signing.Journal.
func (s *Store) BeginCall(ctx context.Context, call signing.CallRecord) error {
	refs := call.Refs
	if len(refs) == 0 {
		return signing.ErrConflict
	}
	pairs := make([][2]int64, len(refs))
	for i, ref := range refs {
		pairs[i] = [2]int64{int64(ref.Operation), int64(ref.Index)}
	}
	list, err := json.Marshal(pairs)
	if err != nil {
		return fmt.Errorf("encode refs: %w", err)
	}
	if err := s.reserve.hold(call.ID, len(refs)); err != nil {
		return err
	}
	s.step("begin")
	err = s.do(ctx, len(list), func(t *tx) error {
		ids, err := t.documentIDs(refs)
		if err != nil {
			return err
		}
		err = t.mustChange(
			len(ids),
			"UPDATE progress SET state = 'sent' WHERE state = 'prepared' AND id IN (SELECT value FROM json_each(?))",
			idList(ids),
		)
		if err != nil {
			return err
		}
		err = t.mustChange(
			1,
			"INSERT OR IGNORE INTO calls (id, credential, certificate, refs) VALUES (?, ?, ?, ?)",
			call.ID,
			call.Credential,
			call.Certificate,
			string(list),
		)
		if err != nil {
			return err
		}
		return t.mustChange(1, "UPDATE instance SET sent = sent + ?", len(refs))
	})
	if err != nil {
		s.reserve.free(call.ID)
	}
	return err
}

// NoteCall implements signing.Journal.
func (s *Store) NoteCall(ctx context.Context, call, handle string) error {
	return s.do(ctx, len(handle), func(t *tx) error {
		return t.mustChange(1, "UPDATE calls SET handle = ? WHERE id = ?", handle, call)
	})
}

// takeCall forgets a call and returns its documents.
func (t *tx) takeCall(call string) ([]signing.Ref, error) {
	var list []byte
	err := t.get("SELECT refs FROM calls WHERE id = ?", []any{call}, &list)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, signing.ErrConflict
	}
	if err != nil {
		return nil, fmt.Errorf("read call: %w", err)
	}
	refs, err := decodeRefs(list)
	if err != nil {
		return nil, err
	}
	return refs, t.mustChange(1, "DELETE FROM calls WHERE id = ?", call)
}

func decodeRefs(list []byte) ([]signing.Ref, error) {
	var pairs [][2]int64
	if err := json.Unmarshal(list, &pairs); err != nil {
		return nil, fmt.Errorf("decode refs: %w", err)
	}
	refs := make([]signing.Ref, len(pairs))
	for i, p := range pairs {
		refs[i] = signing.Ref{Operation: signing.ID(p[0]), Index: int(p[1])}
	}
	return refs, nil
}

// EndCall implements signing.Journal.
func (s *Store) EndCall(ctx context.Context, call string, values [][]byte) error {
	bytes := 0
	for _, v := range values {
		bytes += len(v)
	}
	s.step("end")
	return s.afterCall(call, func() error {
		return s.do(ctx, bytes, func(t *tx) error { return t.endCall(call, values) })
	})
}

func (t *tx) endCall(call string, values [][]byte) error {
	refs, err := t.takeCall(call)
	if err != nil {
		return err
	}
	if len(refs) != len(values) {
		return signing.ErrConflict
	}
	for i, ref := range refs {
		if err := t.keepValue(documentID(ref.Operation, ref.Index), values[i]); err != nil {
			return err
		}
	}
	return t.mustChange(1, "UPDATE instance SET returned = returned + ?", len(values))
}

// keepValue stores a document's signature value, if it waits for one.
func (t *tx) keepValue(id int64, value []byte) error {
	n, err := t.exec("UPDATE progress SET state = 'valued', value = ? WHERE id = ? AND state = 'sent'", notNil(value), id)
	if err != nil || n == 1 {
		return err
	}
	var other int
	err = t.get("SELECT count(*) FROM progress WHERE id = ? AND state NOT IN ('signed', 'failed')", []any{id}, &other)
	if err == nil && other > 0 {
		return signing.ErrConflict
	}
	return err
}

// AbandonCall implements signing.Journal.
func (s *Store) AbandonCall(ctx context.Context, call string, outcome signing.Outcome) error {
	count := map[signing.Outcome]string{
		signing.OutcomeRefused: "UPDATE instance SET refused = refused + ?",
		signing.OutcomeUnknown: "UPDATE instance SET unknown = unknown + ?",
	}[outcome]
	if count == "" {
		return fmt.Errorf("abandon call: unknown outcome %q", outcome)
	}
	s.step("abandon")
	return s.afterCall(call, func() error {
		return s.do(ctx, 0, func(t *tx) error { return t.abandonCall(call, count) })
	})
}

func (t *tx) abandonCall(call, count string) error {
	refs, err := t.takeCall(call)
	if err != nil {
		return err
	}
	ids := make([]int64, len(refs))
	for i, ref := range refs {
		ids[i] = documentID(ref.Operation, ref.Index)
	}
	if _, err := t.exec(
		"UPDATE progress SET state = 'prepared' WHERE state = 'sent' AND id IN (SELECT value FROM json_each(?))",
		idList(ids),
	); err != nil {
		return fmt.Errorf("update progress: %w", err)
	}
	return t.mustChange(1, count, len(refs))
}

// OpenCalls implements signing.Journal.
func (s *Store) OpenCalls(ctx context.Context) ([]signing.CallRecord, error) {
	return collect(ctx, s.queries.calls, func(r row) (c signing.CallRecord, err error) {
		var list []byte
		if err := r.Scan(&c.ID, &c.Credential, &c.Certificate, &c.Handle, &list); err != nil {
			return c, err
		}
		c.Refs, err = decodeRefs(list)
		return c, err
	})
}

// SetStatus implements signing.Journal.
func (s *Store) SetStatus(ctx context.Context, id signing.ID, from signing.Status, change signing.StatusChange) error {
	if from.Ended() {
		return signing.ErrConflict
	}
	s.step("status")
	return s.do(ctx, 0, func(t *tx) error {
		err := t.mustChange(
			1,
			"UPDATE operations SET status = ?, tries = ?, next_try = ?, ended = ?, is_ended = ? WHERE id = ? AND status = ?",
			string(
				change.Status,
			),
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
		_, err = t.exec(
			"INSERT OR IGNORE INTO callbacks (operation, next_try) SELECT id, ? FROM operations WHERE id = ? AND callback <> ''",
			time.Now().UnixNano(),
			int64(id),
		)
		return err
	})
}

// Counters implements signing.Journal.
func (s *Store) Counters(ctx context.Context) (c signing.Counters, err error) {
	if err := ctx.Err(); err != nil {
		return c, err
	}
	err = s.queries.counters.QueryRow().Scan(&c.Sent, &c.Returned, &c.Unknown, &c.Refused)
	return c, storageError("read counters", err)
}
