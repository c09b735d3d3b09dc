package audit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

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

// asked is a store that has one operation with two documents.
type asked struct{ slow }

func (a *asked) Operation(context.Context, signing.ID) (signing.Operation, error) {
	return signing.Operation{ID: 7, ClientService: "client", ExternalReference: "r"}, nil
}

func (a *asked) Documents(_ context.Context, _ signing.ID, first, _ int) ([]signing.Document, error) {
	return []signing.Document{
		{DocumentRequest: signing.DocumentRequest{Signature: signing.SignatureInfo{
			Type: signing.XAdES, Level: signing.LevelT, Profile: "facturae",
		}}},
		{DocumentRequest: signing.DocumentRequest{Signature: signing.SignatureInfo{
			Type: signing.CAdES, Level: signing.LevelB, Packaging: signing.Detached,
		}}},
	}[first:], nil
}

// TestRecordSaysHowDocumentsAreSigned checks that a record has the type, the level, the profile and
// the packaging of the signature.
func TestRecordSaysHowDocumentsAreSigned(t *testing.T) {
	folder := t.TempDir()
	l := open(t, folder, newClock(), 0)
	s := audit.NewStore(&asked{}, l)
	call := signing.CallRecord{ID: "a", Credential: "c", Refs: []signing.Ref{{Operation: 7}, {Operation: 7, Index: 1}}}
	err := errors.Join(s.BeginCall(t.Context(), call), s.AbandonCall(t.Context(), "a", signing.OutcomeRefused), l.Close())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	report, err := audit.Verify(folder, func(_ string, r *audit.Record) {
		if r != nil {
			got = append(got, fmt.Sprintln(r.Document, r.SignatureType, r.Level, r.Profile, r.Packaging))
		}
	})
	want := []string{"0 XAdES B-T facturae \n", "1 CAdES B-B  DETACHED\n"}
	if err != nil || len(report.Faults) != 0 || !slices.Equal(got, want) {
		t.Errorf("records = %q, %+v, %v, want %q", got, report, err, want)
	}
}

// counted is a store that counts free calls, or fails to.
type counted struct {
	slow
	digests int
}

func (c *counted) RecordFreeCalls(_ context.Context, calls []signing.FreeCall) error {
	for _, call := range calls {
		c.digests += len(call.Documents)
	}
	return nil
}

// TestFreeCallsAreRecorded checks that calls that were never begun are recorded before they are
// counted.
func TestFreeCallsAreRecorded(t *testing.T) {
	folder, below := t.TempDir(), &counted{}
	l := open(t, folder, newClock(), 0)
	s := audit.NewStore(below, l)
	document := signing.Document{
		Ref: signing.Ref{Operation: 7, Index: 3},
		DocumentRequest: signing.DocumentRequest{
			ExternalReference: "d", Signature: signing.SignatureInfo{Type: signing.PAdES},
		},
	}
	call := signing.FreeCall{
		ID: "a", Credential: "c", Certificate: "1f", Documents: []signing.Document{document},
		Operation: signing.Operation{ID: 7, ClientService: "client", ExternalReference: "r"},
	}
	if err := errors.Join(s.RecordFreeCalls(t.Context(), []signing.FreeCall{call}), l.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.RecordFreeCalls(t.Context(), []signing.FreeCall{call}); signing.KindOf(err) != signing.KindStorage {
		t.Errorf("RecordFreeCalls with a closed record = %v, want KindStorage", err)
	}
	var got []audit.Record
	report, err := audit.Verify(folder, func(_ string, r *audit.Record) {
		if r != nil {
			got = append(got, *r)
		}
	})
	if err != nil || len(report.Faults) != 0 || len(got) != 1 || below.digests != 1 {
		t.Fatalf("records = %+v, %+v, %v, %d digests counted, want one record of one digest",
			got, report, err, below.digests)
	}
	got[0].Time, got[0].SHA256 = time.Time{}, ""
	want := audit.Record{
		Call: "a", Outcome: audit.Returned, Credential: "c", Certificate: "1f", ClientService: "client", Operation: 7,
		Reference: "r", Document: 3, DocumentReference: "d", SignatureType: signing.PAdES,
	}
	if got[0] != want {
		t.Errorf("record = %+v, want %+v", got[0], want)
	}
}
