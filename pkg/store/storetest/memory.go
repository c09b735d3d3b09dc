package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Memory is a signing.Store that keeps everything in memory, so nothing survives its process. It
// starts no goroutine and never sleeps, so it can be used in a testing/synctest bubble. It is safe
// for concurrent use.
type Memory struct {
	*memoryState
	memoryRecords
	memoryJournal
	memorySpool
}

// NewMemory returns an empty store of the instance with ordinal 0.
func NewMemory() *Memory {
	state := &memoryState{
		sequence: 1000, records: make(map[signing.ID]*record), early: make(map[signing.ID]*record),
	}
	return &Memory{state, memoryRecords{state}, memoryJournal{state}, memorySpool{state}}
}

var _ signing.Store = (*Memory)(nil)

// memoryState is what a Memory holds, and how its writes fail. The parts that implement the
// interfaces share it.
type memoryState struct {
	mu       sync.Mutex
	sequence int64
	records  map[signing.ID]*record
	calls    []*call
	counters signing.Counters
	early    map[signing.ID]*record // operations whose documents are being signed before they are stored
	fault    func(method string) Fault
}

type (
	memoryRecords struct{ *memoryState } // signing.Records
	memoryJournal struct{ *memoryState } // signing.Journal
	memorySpool   struct{ *memoryState } // signing.Spool
)

// record is an operation with everything that belongs to it.
type record struct {
	op    signing.Operation
	files map[string][]byte
	docs  []*document

	fetched bool
}

type document struct {
	signing.Document
	prepared signing.Prepared
	value    []byte
	section  []byte
}

type call struct {
	signing.CallRecord
}

// Fault is how a write fails.
type Fault int

const (
	NoFault     Fault = iota
	NotStored         // nothing is stored, and the caller is told so
	Misreported       // everything is stored, but the caller is told that it failed
)

// ErrInjected is the hidden cause of every injected failure.
var ErrInjected = errors.New("injected failure")

// Inject lets f decide before each write whether and how it fails. f gets the name of the method
// (Create, SavePrepared, BeginCall, NoteCall, EndCall, AbandonCall, RecordFreeCalls,
// FinishDocuments, SetStatus, Remove, NewUpload, Add). It is called under the store's lock, so it
// must not call the store. Nil ends all faults.
func (m *memoryState) Inject(f func(method string) Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = f
}

// FailNext makes the n-th call of a method from now on fail once. 1 = the next call.
func (m *memoryState) FailNext(method string, n int, how Fault) {
	m.Inject(func(called string) Fault {
		if called == method {
			n--
			if n == 0 {
				return how
			}
		}
		return NoFault
	})
}

// write runs change under the lock and fails as injected. change must change nothing if it returns
// an error.
func (m *memoryState) write(method string, change func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	how := NoFault
	if m.fault != nil {
		how = m.fault(method)
	}
	if how == NotStored {
		return injected()
	}
	if err := change(); err != nil {
		return err
	}
	if how == Misreported {
		return injected()
	}
	return nil
}

func injected() error {
	return signing.Errorf(signing.KindStorage, "storage failed").Because(ErrInjected).Retryable(0)
}

func (m *memoryState) document(ref signing.Ref) *document {
	r := m.records[ref.Operation]
	if r == nil || ref.Index < 0 || ref.Index >= len(r.docs) {
		return nil
	}
	return r.docs[ref.Index]
}

// inState returns the documents. It returns ErrConflict if one does not exist, is named twice or is
// in none of the states.
func (m *memoryState) inState(refs []signing.Ref, states ...signing.DocumentState) ([]*document, error) {
	seen := make(map[signing.Ref]bool, len(refs))
	docs := make([]*document, len(refs))
	for i, ref := range refs {
		d := m.document(ref)
		if d == nil || seen[ref] || !slices.Contains(states, d.State) {
			return nil, signing.ErrConflict
		}
		seen[ref] = true
		docs[i] = d
	}
	return docs, nil
}

// Create implements signing.Records.
func (m memoryRecords) Create(
	ctx context.Context, up signing.Upload, n signing.NewOperation,
) (op signing.Operation, err error) {
	u, ok := up.(*upload)
	if !ok || len(n.Contents) != len(n.Request.Documents) || len(n.Contents) == 0 {
		return op, errors.New("upload and request do not match")
	}
	made, signed := m.signEarly(ctx, u, n)
	err = m.write("Create", func() error {
		if u.ended {
			return errors.New("upload has ended")
		}
		for _, r := range m.records {
			if r.op.ClientService != n.ClientService {
				continue
			}
			if r.op.ExternalReference == n.Request.ExternalReference {
				return signing.Errorf(signing.KindReferenceUsed, "externalReference was used before")
			}
			if n.IdempotencyKey != "" && r.op.IdempotencyKey == n.IdempotencyKey {
				return signing.Errorf(signing.KindKeyReused, "Idempotency-Key was used before")
			}
		}
		m.records[made.op.ID], u.ended = made, true
		for _, r := range signed {
			m.finish(m.document(r.Ref), r)
			made.op.Status, made.op.Ended = signing.StatusExecuted, stamp(n.Created)
		}
		op = made.op
		return nil
	})
	if err != nil {
		return signing.Operation{}, err
	}
	return op, nil
}

// signEarly makes the record of an operation and calls SignEarly. It stores neither.
func (m memoryRecords) signEarly(
	ctx context.Context, u *upload, n signing.NewOperation,
) (made *record, signed []signing.DocumentResult) {
	m.mu.Lock()
	made = m.newRecord(u, n)
	m.early[made.op.ID] = made
	m.mu.Unlock()
	if n.SignEarly != nil {
		docs := make([]signing.Document, len(made.docs))
		for i, d := range made.docs {
			docs[i] = d.Document
		}
		signed = n.SignEarly(ctx, made.op, docs)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.early, made.op.ID)
	return made, signed
}

func (m memoryRecords) newRecord(u *upload, n signing.NewOperation) *record {
	id := signing.NewID(m.sequence, 0)
	m.sequence += 1 + int64(len(n.Contents))
	created := stamp(n.Created)
	r := &record{files: u.files, op: signing.Operation{
		ID:                id,
		ClientService:     n.ClientService,
		ExternalReference: n.Request.ExternalReference,
		Description:       n.Request.Description,
		Preservation:      n.Request.Preservation,
		ReturnContent:     n.Request.ReturnContent,
		IdempotencyKey:    n.IdempotencyKey,
		Callback:          n.Callback,
		Fingerprint:       n.Fingerprint,
		Status:            signing.StatusPending,
		Created:           created,
		DocumentCount:     len(n.Contents),
	}}
	for i, d := range n.Request.Documents {
		r.docs = append(r.docs, &document{Document: signing.Document{
			Ref: signing.Ref{
				Operation: id,
				Index:     i,
			},
			DocumentRequest: d,
			InternalID:      int64(id) + 1 + int64(i),
			Content:         n.Contents[i],
			State:           signing.DocumentReceived,
			Received:        created,
		}})
	}
	return r
}

// stamp is a time as a store returns it: in UTC, without a monotonic clock.
func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.Unix(0, t.UnixNano()).UTC()
}
