package storetest

import (
	"cmp"
	"context"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// newestFirst returns the records of a client service that match.
func (m memoryRecords) newestFirst(clientService string, match func(*record) bool) []*record {
	var found []*record
	for _, r := range m.records {
		if r.op.ClientService == clientService && match(r) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *record) int { return cmp.Compare(b.op.ID, a.op.ID) })
	return found
}

// Operation implements signing.Records.
func (m memoryRecords) Operation(_ context.Context, id signing.ID) (signing.Operation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.records[id]; r != nil {
		return r.op, nil
	}
	return signing.Operation{}, signing.Errorf(signing.KindNotFound, "no operation with id %s", id)
}

// FindByReference implements signing.Records.
func (m memoryRecords) FindByReference(
	_ context.Context, clientService, reference string,
) ([]signing.Operation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ops []signing.Operation
	for _, r := range m.newestFirst(clientService, func(r *record) bool { return r.op.ExternalReference == reference }) {
		ops = append(ops, r.op)
	}
	return ops, nil
}

// FindByDocumentReference implements signing.Records.
func (m memoryRecords) FindByDocumentReference(_ context.Context, clientService, reference string) (signing.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := m.newestFirst(clientService, func(r *record) bool {
		return slices.ContainsFunc(r.docs, func(d *document) bool { return d.ExternalReference == reference })
	})
	if len(found) == 0 {
		return 0, signing.Errorf(signing.KindNotFound, "no document with that external reference")
	}
	return found[0].op.ID, nil
}

// FindByKey implements signing.Records.
func (m memoryRecords) FindByKey(_ context.Context, clientService, key string) (signing.Operation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := m.newestFirst(clientService, func(r *record) bool { return key != "" && r.op.IdempotencyKey == key })
	if len(found) == 0 {
		return signing.Operation{}, signing.Errorf(signing.KindNotFound, "no operation with that Idempotency-Key")
	}
	return found[0].op, nil
}

// Fetched implements signing.Records.
func (m memoryRecords) Fetched(_ context.Context, id signing.ID) error {
	return m.write("Fetched", func() error {
		if r := m.records[id]; r != nil && r.op.Status.Ended() {
			r.fetched = true
		}
		return nil
	})
}

// WasFetched reports whether an operation was recorded as fetched.
func (m memoryRecords) WasFetched(id signing.ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.records[id]
	return r != nil && r.fetched
}

// Remove implements signing.Records.
func (m memoryRecords) Remove(_ context.Context, id signing.ID) error {
	return m.write("Remove", func() error {
		r := m.records[id]
		switch {
		case r == nil:
			return signing.Errorf(signing.KindNotFound, "no operation with id %s", id)
		case !r.op.Status.Ended():
			return signing.ErrConflict
		}
		delete(m.records, id)
		return nil
	})
}

// Documents implements signing.Records.
func (m memoryRecords) Documents(_ context.Context, id signing.ID, from, limit int) ([]signing.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var docs []signing.Document
	if r := m.records[id]; r != nil {
		for i := max(from, 0); i < len(r.docs) && len(docs) < limit; i++ {
			docs = append(docs, r.docs[i].Document)
		}
	}
	return docs, nil
}
