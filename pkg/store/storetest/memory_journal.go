package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Unfinished implements signing.Journal.
func (m memoryJournal) Unfinished(context.Context) ([]signing.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []signing.ID
	for id, r := range m.records {
		if !r.op.Status.Ended() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// SavePrepared implements signing.Journal.
func (m memoryJournal) SavePrepared(_ context.Context, docs []signing.PreparedDocument) error {
	refs := make([]signing.Ref, len(docs))
	for i, d := range docs {
		refs[i] = d.Ref
	}
	return m.write("SavePrepared", func() error {
		found, err := m.inState(refs, signing.DocumentReceived, signing.DocumentPrepared)
		if err != nil {
			return err
		}
		for i, d := range found {
			d.State = signing.DocumentPrepared
			d.prepared = docs[i].Prepared
			d.prepared.Digest, d.prepared.State = slices.Clone(docs[i].Digest), slices.Clone(docs[i].State)
		}
		return nil
	})
}

// Prepared implements signing.Journal.
func (m memoryJournal) Prepared(_ context.Context, ref signing.Ref) (signing.Prepared, []byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.document(ref)
	if d == nil || d.State == signing.DocumentReceived || d.State.Ended() {
		return signing.Prepared{}, nil, signing.Errorf(signing.KindNotFound, "document is not prepared")
	}
	return d.prepared, d.value, nil
}

// BeginCall implements signing.Journal.
func (m memoryJournal) BeginCall(_ context.Context, c signing.CallRecord) error {
	return m.write("BeginCall", func() error {
		docs, err := m.inState(c.Refs, signing.DocumentPrepared)
		if err != nil || len(c.Refs) == 0 || m.find(c.ID) >= 0 {
			return signing.ErrConflict
		}
		for _, d := range docs {
			d.State = signing.DocumentSent
		}
		c.Refs = slices.Clone(c.Refs)
		m.calls = append(m.calls, &call{c})
		m.counters.Sent += int64(len(c.Refs))
		return nil
	})
}

// find returns the index of a call, or -1.
func (m memoryJournal) find(id string) int {
	return slices.IndexFunc(m.calls, func(c *call) bool { return c.ID == id })
}

// NoteCall implements signing.Journal.
func (m memoryJournal) NoteCall(_ context.Context, id, handle string) error {
	return m.write("NoteCall", func() error {
		i := m.find(id)
		if i < 0 {
			return signing.ErrConflict
		}
		m.calls[i].Handle = handle
		return nil
	})
}

// EndCall implements signing.Journal.
func (m memoryJournal) EndCall(_ context.Context, id string, values [][]byte) error {
	return m.write("EndCall", func() error {
		i := m.find(id)
		if i < 0 || len(values) != len(m.calls[i].Refs) {
			return signing.ErrConflict
		}
		docs := make([]*document, len(values))
		for k, ref := range m.calls[i].Refs {
			d := m.document(ref)
			switch {
			case d == nil || d.State.Ended():
			case d.State != signing.DocumentSent:
				return signing.ErrConflict
			default:
				docs[k] = d
			}
		}
		for k, d := range docs {
			if d != nil {
				d.State, d.value = signing.DocumentValued, slices.Clone(values[k])
			}
		}
		m.calls = slices.Delete(m.calls, i, i+1)
		m.counters.Returned += int64(len(values))
		return nil
	})
}

// AbandonCall implements signing.Journal.
func (m memoryJournal) AbandonCall(_ context.Context, id string, outcome signing.Outcome) error {
	return m.write("AbandonCall", func() error {
		i := m.find(id)
		if i < 0 {
			return signing.ErrConflict
		}
		n := int64(len(m.calls[i].Refs))
		switch outcome {
		case signing.OutcomeRefused:
			m.counters.Refused += n
		case signing.OutcomeUnknown:
			m.counters.Unknown += n
		default:
			return fmt.Errorf("abandon call: outcome %q", outcome)
		}
		for _, ref := range m.calls[i].Refs {
			if d := m.document(ref); d != nil && d.State == signing.DocumentSent {
				d.State = signing.DocumentPrepared
			}
		}
		m.calls = slices.Delete(m.calls, i, i+1)
		return nil
	})
}

// OpenCalls implements signing.Journal.
func (m memoryJournal) OpenCalls(context.Context) ([]signing.CallRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var open []signing.CallRecord
	for _, c := range m.calls {
		r := c.CallRecord
		r.Refs = slices.Clone(r.Refs)
		open = append(open, r)
	}
	return open, nil
}

// FinishDocuments implements signing.Journal.
func (m memoryJournal) FinishDocuments(_ context.Context, results []signing.DocumentResult) error {
	var signed, failed []signing.Ref
	for _, r := range results {
		switch {
		case (r.Failure == nil) == (len(r.Section) == 0):
			return errors.New("finish document: exactly one of section and failure must be set")
		case r.Failure == nil:
			signed = append(signed, r.Ref)
		default:
			failed = append(failed, r.Ref)
		}
	}
	return m.write("FinishDocuments", func() error {
		_, errSigned := m.inState(signed, signing.DocumentValued)
		_, errFailed := m.inState(failed, signing.DocumentReceived, signing.DocumentPrepared, signing.DocumentSent,
			signing.DocumentValued)
		_, errTwice := m.inState(append(signed, failed...), signing.DocumentReceived, signing.DocumentPrepared,
			signing.DocumentSent, signing.DocumentValued)
		if err := firstError(errSigned, errFailed, errTwice); err != nil {
			return err
		}
		for _, r := range results {
			if r.Failure == nil && r.Pieces != nil {
				if err := r.Pieces.Check(m.document(r.Ref).Content.Size, int64(len(r.Section))); err != nil {
					return signing.Errorf(signing.KindInternal, "the list of pieces does not fit").Because(err)
				}
			}
		}
		for _, r := range results {
			m.finish(m.document(r.Ref), r)
		}
		return nil
	})
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *memoryState) finish(d *document, r signing.DocumentResult) {
	d.prepared, d.value = signing.Prepared{}, nil
	if r.Failure != nil {
		failure := *r.Failure
		d.State, d.Failure = signing.DocumentFailed, &failure
		return
	}
	d.State, d.section, d.Pieces = signing.DocumentSigned, slices.Clone(r.Section), slices.Clone(r.Pieces)
	d.CertificateSerial = r.Certificate
	if d.Pieces == nil {
		d.Pieces = signing.Appended(d.Content.Size, int64(len(r.Section)))
	}
}

// SetStatus implements signing.Journal.
func (m memoryJournal) SetStatus(
	_ context.Context, id signing.ID, from signing.Status, change signing.StatusChange,
) error {
	return m.write("SetStatus", func() error {
		r := m.records[id]
		if r == nil || r.op.Status != from || from.Ended() {
			return signing.ErrConflict
		}
		r.op.Status, r.op.Tries = change.Status, change.Tries
		r.op.NextTry, r.op.Ended = stamp(change.NextTry), stamp(change.Ended)
		return nil
	})
}

// Counters implements signing.Journal.
func (m memoryJournal) Counters(context.Context) (signing.Counters, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counters, nil
}

// RecordFreeCalls implements signing.Journal.
func (m memoryJournal) RecordFreeCalls(_ context.Context, calls []signing.FreeCall) error {
	return m.write("RecordFreeCalls", func() error {
		for _, c := range calls {
			m.counters.Sent += int64(len(c.Documents))
			m.counters.Returned += int64(len(c.Documents))
		}
		return nil
	})
}
