package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// BeginCall implements signing.Journal. It returns KindStorage if the disk has no room for the
// values of the call.
func (j *journal) BeginCall(ctx context.Context, call signing.CallRecord) error {
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
	if err := j.reserve.hold(call.ID, len(refs)); err != nil {
		return err
	}
	if call.Free {
		j.free.Store(call.ID, true)
	}
	j.db.step("begin")
	err = j.commitCall(call.ID)(ctx, len(list), func(t *tx) error {
		ids, err := t.documentIDs(refs)
		if err != nil {
			return err
		}
		err = t.mustChange(len(ids), `UPDATE progress SET state = 'sent'
			WHERE state = 'prepared' AND id IN (SELECT value FROM json_each(?))`, idList(ids))
		if err != nil {
			return err
		}
		err = t.mustChange(1, "INSERT OR IGNORE INTO calls (id, credential, certificate, refs) VALUES (?, ?, ?, ?)",
			call.ID, call.Credential, call.Certificate, string(list))
		if err != nil {
			return err
		}
		return t.mustChange(1, "UPDATE instance SET sent = sent + ?", len(refs))
	})
	if err != nil {
		j.endInMemory(call.ID)
	}
	return err
}

// commitCall returns how a change of a call is committed: without an fsync if its signatures are
// free and this process began it.
func (j *journal) commitCall(call string) func(context.Context, int, func(*tx) error) error {
	if _, free := j.free.Load(call); free {
		return j.db.doRelaxed
	}
	return j.db.do
}

// endInMemory forgets a call that is not in flight any more.
func (j *journal) endInMemory(call string) {
	j.reserve.free(call)
	j.free.Delete(call)
}

// NoteCall implements signing.Journal.
func (j *journal) NoteCall(ctx context.Context, call, handle string) error {
	return j.db.do(ctx, len(handle), func(t *tx) error {
		return t.mustChange(1, "UPDATE calls SET handle = ? WHERE id = ?", handle, call)
	})
}

// takeCall deletes a call and returns its documents, or ErrConflict if there is no such call.
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
func (j *journal) EndCall(ctx context.Context, call string, values [][]byte) error {
	bytes := 0
	for _, v := range values {
		bytes += len(v)
	}
	j.db.step("end")
	return j.afterCall(call, func() error {
		return j.commitCall(call)(ctx, bytes, func(t *tx) error { return t.endCall(call, values) })
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

// keepValue stores the signature value of a document that waits for one. A document that has ended
// or was removed stays as it is.
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
func (j *journal) AbandonCall(ctx context.Context, call string, outcome signing.Outcome) error {
	count := map[signing.Outcome]string{
		signing.OutcomeRefused: "UPDATE instance SET refused = refused + ?",
		signing.OutcomeUnknown: "UPDATE instance SET unknown = unknown + ?",
	}[outcome]
	if count == "" {
		return fmt.Errorf("abandon call: unknown outcome %q", outcome)
	}
	j.db.step("abandon")
	return j.afterCall(call, func() error {
		return j.commitCall(call)(ctx, 0, func(t *tx) error { return t.abandonCall(call, count) })
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
	_, err = t.exec(`UPDATE progress SET state = 'prepared'
		WHERE state = 'sent' AND id IN (SELECT value FROM json_each(?))`, idList(ids))
	if err != nil {
		return fmt.Errorf("update progress: %w", err)
	}
	return t.mustChange(1, count, len(refs))
}

// RecordFreeCalls implements signing.Journal.
func (j *journal) RecordFreeCalls(ctx context.Context, calls []signing.FreeCall) error {
	digests := 0
	for _, c := range calls {
		digests += len(c.Documents)
	}
	return j.db.doRelaxed(ctx, 0, func(t *tx) error {
		return t.mustChange(1, "UPDATE instance SET sent = sent + ?1, returned = returned + ?1", digests)
	})
}

// OpenCalls implements signing.Journal.
func (j *journal) OpenCalls(ctx context.Context) ([]signing.CallRecord, error) {
	return collect(ctx, j.db.queries.calls, func(r row) (c signing.CallRecord, err error) {
		var list []byte
		if err := r.Scan(&c.ID, &c.Credential, &c.Certificate, &c.Handle, &list); err != nil {
			return c, err
		}
		c.Refs, err = decodeRefs(list)
		return c, err
	})
}

// UseReserve makes room on a full disk for what must be written after a call, and reports whether
// it made any. No call begins until the reserve is filled again.
func (j *journal) UseReserve() bool {
	used := j.reserve.use()
	if used {
		j.log.Info("the disk is full: the space reserved for signature values is in use, " +
			"and no call begins until there is more")
	}
	return used
}

// afterCall runs the write that ends a call. On a full disk it uses the room that was reserved for
// the write.
func (j *journal) afterCall(call string, write func() error) error {
	err := write()
	if isFull(err) && j.UseReserve() {
		err = write()
	}
	if err == nil || errors.Is(err, signing.ErrConflict) { // a conflict means that the call has ended already
		j.endInMemory(call)
	}
	return err
}
