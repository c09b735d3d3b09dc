package signing_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

// callSpy is a store that remembers how calls were recorded.
type callSpy struct {
	signing.Store

	mu    sync.Mutex
	begun []string // ids of calls
	early int      // operations that were created with SignEarly
	free  []string // ids of the calls of RecordFreeCalls
}

func (s *callSpy) Create(ctx context.Context, up signing.Upload, n signing.NewOperation) (signing.Operation, error) {
	if n.SignEarly != nil {
		s.mu.Lock()
		s.early++
		s.mu.Unlock()
	}
	return s.Store.Create(ctx, up, n)
}

func (s *callSpy) BeginCall(ctx context.Context, c signing.CallRecord) error {
	err := s.Store.BeginCall(ctx, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && !c.Free {
		s.begun = append(s.begun, c.ID)
	}
	return err
}

func (s *callSpy) RecordFreeCalls(ctx context.Context, calls []signing.FreeCall) error {
	s.mu.Lock()
	for _, c := range calls {
		s.free = append(s.free, c.ID)
	}
	s.mu.Unlock()
	return s.Store.RecordFreeCalls(ctx, calls)
}

// runEarly is run with a client that waits, and with a key whose signatures are free.
func runEarly(t *testing.T, f func(*testing.T, *harness, *callSpy)) {
	t.Helper()
	spy := &callSpy{}
	run(t, func(h *harness) {
		h.waiting, h.provider.credential.Free = true, true
		spy.Store = h.store
		h.store = spy
	}, func(t *testing.T, h *harness) {
		// The first operation shows that the key is free.
		h.check(h.mustSubmit("c", "first", "a"), signing.StatusExecuted, "s")
		f(t, h, spy)
	})
}

// TestFreeKeySignsEarly checks that documents for which a client waits are signed before their
// operation is stored, in as many calls as needed, and that every signature is recorded.
func TestFreeKeySignsEarly(t *testing.T) {
	runEarly(t, func(t *testing.T, h *harness, spy *callSpy) {
		contents := slices.Repeat([]string{"b"}, 25)
		op, err := h.submit("c", "second", contents...)
		if err != nil || op.Status != signing.StatusExecuted || op.Ended.IsZero() {
			t.Fatalf("Submit = %+v, %v, want an operation that has ended", op, err)
		}
		h.check(op.ID, signing.StatusExecuted, strings.Repeat("s", 25))
		if spy.early != 1 || len(spy.free) != 3 {
			t.Errorf("%d early operations with calls %v, want 1 with 3 calls", spy.early, spy.free)
		}
		h.checkCounters(true)
		if st := h.Stats(); st.QueuedDocuments != 0 || st.ActiveOperations != 0 {
			t.Errorf("Stats = %+v, want an empty queue", st)
		}
	})
}

// TestRemoteKeyNeverSignsEarly checks that every call to a key whose signatures are not free is
// recorded before the provider is asked, even if the client waits and the key was free before.
func TestRemoteKeyNeverSignsEarly(t *testing.T) {
	runEarly(t, func(t *testing.T, h *harness, spy *callSpy) {
		h.provider.mu.Lock()
		h.provider.credential.Free = false
		h.provider.mu.Unlock()
		h.provider.answer = func(_ int, c signing.Call, values [][]byte) ([][]byte, error) {
			spy.mu.Lock()
			defer spy.mu.Unlock()
			if !slices.Contains(spy.begun, c.ID) {
				t.Errorf("call %s was made before it was recorded", c.ID)
			}
			return values, nil
		}
		for _, reference := range []string{"second", "third", "fourth"} {
			op, err := h.submit("c", reference, "b", "c")
			if err != nil || op.Status.Ended() {
				t.Errorf("Submit(%s) = %+v, %v, want an operation that has not ended", reference, op, err)
			}
			h.check(op.ID, signing.StatusExecuted, "ss")
		}
		if spy.early > 1 || len(spy.free) > 0 || len(spy.begun) != 3 {
			t.Errorf("early %d, free calls %v, recorded calls %v; want only recorded calls", spy.early, spy.free, spy.begun)
		}
		h.checkCounters(true)
	})
}

// slowToken makes calls take longer than documents are signed early.
func slowToken(h *harness) { h.provider.latency = 45 * time.Second }

// TestNotEarly checks the requests that are accepted before their documents are signed.
func TestNotEarly(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*harness)
		contents []string
		fault    string // method that fails once
		want     string
	}{
		"nobody waits":          {change: func(h *harness) { h.waiting = false }, contents: []string{"b"}, want: "s"},
		"timestamp":             {change: func(h *harness) { h.level = signing.LevelT }, contents: []string{"b"}, want: "s"},
		"many documents":        {contents: slices.Repeat([]string{"b"}, 65), want: strings.Repeat("s", 65)},
		"document with a fault": {contents: []string{"b", "damaged"}, want: "sf"},
		"panic":                 {contents: []string{"panic", "b"}, want: "fs"},
		"slow token":            {change: slowToken, contents: []string{"b"}, want: "s"},
		"record fails":          {contents: []string{"b"}, fault: "RecordFreeCalls", want: "s"},
	} {
		t.Run(name, func(t *testing.T) {
			runEarly(t, func(t *testing.T, h *harness, _ *callSpy) {
				if c.change != nil {
					c.change(h)
				}
				if c.fault != "" {
					h.memory.FailNext(c.fault, 1, storetest.NotStored)
				}
				op, err := h.submit("c", "second", c.contents...)
				if err != nil || op.Status.Ended() {
					t.Fatalf("Submit = %+v, %v, want an operation that has not ended", op, err)
				}
				h.check(op.ID, signing.StatusExecuted, c.want)
			})
		})
	}
}

// TestEarlyAndFaultsOfCreate checks that a request that was signed early is refused or accepted as
// its store says.
func TestEarlyAndFaultsOfCreate(t *testing.T) {
	runEarly(t, func(t *testing.T, h *harness, _ *callSpy) {
		h.memory.FailNext("Create", 1, storetest.NotStored)
		if op, err := h.submit("c", "second", "b"); err == nil {
			t.Errorf("Submit = %+v, want an error", op)
		}
		h.memory.FailNext("Create", 1, storetest.Misreported)
		op, err := h.submit("c", "second", "b")
		if err != nil || op.Status != signing.StatusExecuted {
			t.Fatalf("Submit = %+v, %v, want the operation that was stored", op, err)
		}
		h.check(op.ID, signing.StatusExecuted, "s")
		if st := h.Stats(); st.QueuedDocuments != 0 {
			t.Errorf("Stats = %+v, want an empty queue", st)
		}
	})
}
