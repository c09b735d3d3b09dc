package storetest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

func TestMemoryConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) signing.Store { return storetest.NewMemory() }, storetest.Options{})
}

// Each write fails in both ways: with nothing stored, and with everything stored.
func TestMemoryFaults(t *testing.T) {
	steps := []struct {
		method string
		take   func(m *storetest.Memory, id *signing.ID) error
		stored func(m *storetest.Memory, id signing.ID) bool
	}{
		{"Create", func(m *storetest.Memory, id *signing.ID) error {
			up, err := m.NewUpload(t.Context())
			if err != nil {
				return err
			}
			c, err := up.Add(strings.NewReader("a"))
			if err != nil {
				return err
			}
			n := signing.NewOperation{ClientService: "c", Contents: []signing.Content{c}}
			n.Request.Documents = make([]signing.DocumentRequest, 1)
			op, err := m.Create(t.Context(), up, n)
			*id = op.ID
			return err
		}, func(m *storetest.Memory, _ signing.ID) bool {
			ids, _ := m.Unfinished(t.Context())
			return len(ids) == 1
		}},
		{"SavePrepared", func(m *storetest.Memory, id *signing.ID) error {
			return m.SavePrepared(t.Context(), []signing.PreparedDocument{{Ref: signing.Ref{Operation: *id}}})
		}, inState(t, signing.DocumentPrepared)},
		{"BeginCall", func(m *storetest.Memory, id *signing.ID) error {
			return m.BeginCall(t.Context(), signing.CallRecord{ID: "call", Refs: []signing.Ref{{Operation: *id}}})
		}, inState(t, signing.DocumentSent)},
		{"EndCall", func(m *storetest.Memory, _ *signing.ID) error {
			return m.EndCall(t.Context(), "call", [][]byte{{1}})
		}, inState(t, signing.DocumentValued)},
		{"FinishDocuments", func(m *storetest.Memory, id *signing.ID) error {
			return m.FinishDocuments(t.Context(),
				[]signing.DocumentResult{{Ref: signing.Ref{Operation: *id}, Section: []byte("s")}})
		}, inState(t, signing.DocumentSigned)},
		{"SetStatus", func(m *storetest.Memory, id *signing.ID) error {
			return m.SetStatus(t.Context(), *id, signing.StatusPending, signing.StatusChange{Status: signing.StatusExecuted})
		}, func(m *storetest.Memory, id signing.ID) bool {
			op, _ := m.Operation(t.Context(), id)
			return op.Status == signing.StatusExecuted
		}},
	}
	for failing, fails := range steps {
		for how, wantStored := range map[storetest.Fault]bool{storetest.NotStored: false, storetest.Misreported: true} {
			m := storetest.NewMemory()
			var id signing.ID
			for _, s := range steps[:failing] {
				if err := s.take(m, &id); err != nil {
					t.Fatalf("%s = %v", s.method, err)
				}
			}
			m.FailNext(fails.method, 1, how)
			err := fails.take(m, &id)
			if !errors.Is(err, storetest.ErrInjected) || signing.KindOf(err) != signing.KindStorage {
				t.Errorf("%s = %v, want the injected failure", fails.method, err)
			}
			if got := fails.stored(m, id); got != wantStored {
				t.Errorf("%s failing as %d: stored = %v, want %v", fails.method, how, got, wantStored)
			}
		}
	}
}

func inState(t *testing.T, want signing.DocumentState) func(*storetest.Memory, signing.ID) bool {
	return func(m *storetest.Memory, id signing.ID) bool {
		docs, err := m.Documents(t.Context(), id, 0, 1)
		return err == nil && len(docs) == 1 && docs[0].State == want
	}
}
