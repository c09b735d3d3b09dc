package audit_test

import (
	"context"
	"errors"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/audit"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// slow is a store in which a listed call ends before OpenCalls returns.
type slow struct {
	signing.Store
	ends func() error
}

func (s *slow) OpenCalls(context.Context) ([]signing.CallRecord, error) {
	return []signing.CallRecord{{ID: "a", Credential: "c"}}, s.ends()
}

func (s *slow) BeginCall(context.Context, signing.CallRecord) error { return nil }

func (s *slow) AbandonCall(context.Context, string, signing.Outcome) error { return nil }

// TestCallThatEndsWhileListed: a call that ends while calls are listed does not count as open
// again.
func TestCallThatEndsWhileListed(t *testing.T) {
	below := &slow{}
	s := audit.NewStore(below, open(t, t.TempDir(), newClock(), 0))
	below.ends = func() error { return s.AbandonCall(t.Context(), "a", signing.OutcomeRefused) }
	err := s.BeginCall(t.Context(), signing.CallRecord{ID: "a", Credential: "c"})
	_, lerr := s.OpenCalls(t.Context())
	if err = errors.Join(err, lerr); err != nil {
		t.Fatal(err)
	}
	if n := audit.OpenOf(s); n != 0 {
		t.Errorf("%d calls are taken for open, want none", n)
	}
}
