package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Store is a signing.Store that records how every call ended before it stores that end. It leaves
// everything else to the store below.
type Store struct {
	signing.Store
	log *Log
	now func() time.Time

	mu      sync.Mutex
	open    map[string]call // calls without a recorded end, begun by this process or listed for it
	listing int             // number of running calls of OpenCalls
	ended   map[string]bool // calls that ended meanwhile, and that those calls of OpenCalls may still return
}

// call is a call that has no recorded end.
type call struct {
	signing.CallRecord
	recorded Outcome // the outcome that was recorded already; empty = none
}

// NewStore returns a Store over the store below. It writes its records to log.
func NewStore(below signing.Store, log *Log) *Store {
	return &Store{Store: below, log: log, now: log.cfg.Now, open: map[string]call{}, ended: map[string]bool{}}
}

// BeginCall implements signing.Journal.
func (s *Store) BeginCall(ctx context.Context, c signing.CallRecord) error {
	if err := s.Store.BeginCall(ctx, c); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(c)
	return nil
}

// OpenCalls implements signing.Journal. An earlier process may have begun some of the calls.
func (s *Store) OpenCalls(ctx context.Context) ([]signing.CallRecord, error) {
	s.mu.Lock()
	s.listing++
	s.mu.Unlock()
	calls, err := s.Store.OpenCalls(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range calls {
		if !s.ended[c.ID] {
			s.keep(c)
		}
	}
	if s.listing--; s.listing == 0 {
		clear(s.ended)
	}
	return calls, err
}

// keep remembers a call that has no recorded end. The caller holds mu.
func (s *Store) keep(c signing.CallRecord) {
	if _, ok := s.open[c.ID]; !ok {
		s.open[c.ID] = call{CallRecord: c}
	}
}

// EndCall implements signing.Journal. If the record cannot be written, it returns KindStorage and
// stores nothing.
func (s *Store) EndCall(ctx context.Context, id string, values [][]byte) error {
	return s.end(ctx, id, Returned, func() error { return s.Store.EndCall(ctx, id, values) })
}

// AbandonCall implements signing.Journal. If the record cannot be written, it returns KindStorage
// and stores nothing.
func (s *Store) AbandonCall(ctx context.Context, id string, outcome signing.Outcome) error {
	return s.end(ctx, id, Outcome(outcome), func() error { return s.Store.AbandonCall(ctx, id, outcome) })
}

// RecordFreeCalls implements signing.Journal. If the record cannot be written, it returns
// KindStorage and counts nothing.
func (s *Store) RecordFreeCalls(ctx context.Context, calls []signing.FreeCall) error {
	var records []Record
	now := s.now().UTC()
	for i := range calls {
		c := &calls[i]
		for k := range c.Documents {
			d := &c.Documents[k]
			r := Record{
				Time:          now,
				Call:          c.ID,
				Outcome:       Returned,
				Credential:    c.Credential,
				Certificate:   c.Certificate,
				ClientService: c.Operation.ClientService,
				Operation:     int64(c.Operation.ID),
				Reference:     c.Operation.ExternalReference,
				Document:      d.Index,
			}
			r.describe(d)
			records = append(records, r)
		}
	}
	if err := s.append(records); err != nil {
		return (&signing.Error{Kind: signing.KindStorage, Err: err}).Retryable(0)
	}
	return s.Store.RecordFreeCalls(ctx, calls)
}

// end records the outcome of a call, and then calls store, which stores the end of the call.
func (s *Store) end(ctx context.Context, id string, outcome Outcome, store func() error) error {
	s.mu.Lock()
	c, known := s.open[id]
	s.mu.Unlock()
	if known && c.recorded != outcome { // a write that is repeated is recorded once
		records, err := s.records(ctx, c.CallRecord, outcome)
		if err == nil {
			err = s.append(records)
		}
		if err != nil {
			return (&signing.Error{Kind: signing.KindStorage, Err: err}).Retryable(0)
		}
		s.mu.Lock()
		c.recorded = outcome
		s.open[id] = c
		s.mu.Unlock()
	}
	err := store()
	if err == nil || errors.Is(err, signing.ErrConflict) { // after a conflict the call no longer exists
		s.mu.Lock()
		delete(s.open, id)
		if s.listing > 0 {
			s.ended[id] = true
		}
		s.mu.Unlock()
	}
	return err
}

// reserver is a store that reserves room on a disk for what is written after a call.
type reserver interface {
	// UseReserve makes room on a full disk and reports whether it could.
	UseReserve() bool
}

// append writes records. On a full disk it uses the room that the store below has reserved.
func (s *Store) append(records []Record) error {
	err := s.log.Append(records)
	if r, ok := s.Store.(reserver); ok && errors.Is(err, syscall.ENOSPC) && r.UseReserve() {
		err = s.log.Append(records)
	}
	return err
}

// describe records what the document is and how it was to be signed.
func (r *Record) describe(d *signing.Document) {
	r.DocumentReference, r.SHA256 = d.ExternalReference, hex.EncodeToString(d.Content.SHA256[:])
	s := &d.Signature
	r.SignatureType, r.Level, r.Profile, r.Packaging = s.Type, s.Level, s.Profile, s.Packaging
}

// records returns a record for each digest of a call. The record of an operation that was removed
// meanwhile contains only the id of the operation.
func (s *Store) records(ctx context.Context, c signing.CallRecord, outcome Outcome) ([]Record, error) {
	records := make([]Record, 0, len(c.Refs))
	now := s.now().UTC()
	var op signing.Operation
	for i := 0; i < len(c.Refs); {
		ref := c.Refs[i]
		run := 1 // consecutive documents of one operation are read together
		for i+run < len(c.Refs) && c.Refs[i+run] == (signing.Ref{Operation: ref.Operation, Index: ref.Index + run}) {
			run++
		}
		if op.ID != ref.Operation {
			var err error
			if op, err = s.Operation(ctx, ref.Operation); err != nil && signing.KindOf(err) != signing.KindNotFound {
				return nil, err
			}
			op.ID = ref.Operation
		}
		docs, err := s.Documents(ctx, ref.Operation, ref.Index, run)
		if err != nil && signing.KindOf(err) != signing.KindNotFound {
			return nil, err
		}
		for k := range run {
			r := Record{
				Time:          now,
				Call:          c.ID,
				Outcome:       outcome,
				Credential:    c.Credential,
				Certificate:   c.Certificate,
				ClientService: op.ClientService,
				Operation:     int64(ref.Operation),
				Reference:     op.ExternalReference,
				Document:      ref.Index + k,
			}
			if k < len(docs) {
				r.describe(&docs[k])
			}
			records = append(records, r)
		}
		i += run
	}
	return records, nil
}
