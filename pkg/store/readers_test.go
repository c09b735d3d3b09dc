package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// TestRetentionKeepsWhatIsRead keeps operations that are being read although they are old or large.
// The sweep continues with others, and the owner may remove the operation.
func TestRetentionKeepsWhatIsRead(t *testing.T) {
	const size, read = 1 << 20, 20 // more than go in one batch
	for name, retention := range map[string]store.Retention{
		"age": {Age: time.Hour}, "size": {MaxBytes: 10 * size}, "fetched": {Fetched: time.Nanosecond},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			s := open(t, store.Config{Folder: folder})
			var ops []signing.Operation
			for i := range read + 1 {
				op := create(t, s, fmt.Sprint(i), strings.Repeat("x", size))
				end(t, s, op, time.Now().Add(time.Duration(i-100)*time.Minute*5))
				ops = append(ops, op)
			}
			s = reopen(t, s, store.Config{Folder: folder, Retention: retention})
			kept := make([]bool, len(ops))
			for i, op := range ops {
				if err := s.Fetched(t.Context(), op.ID); err != nil {
					t.Fatal(err)
				}
				if kept[i] = i < read; kept[i] {
					defer s.Reading(op.ID)()
				}
			}
			once, twice := s.Reading(ops[0].ID), s.Reading(ops[read].ID)
			once()
			twice()
			if n, err := s.Sweep(t.Context()); n != 1 || err != nil {
				t.Errorf("Sweep while others are read = %d, %v, want 1", n, err)
			}
			wantKept(t, s, ops, kept...)
			if err := s.Remove(t.Context(), ops[0].ID); err != nil {
				t.Errorf("Remove by the owner = %v", err)
			}
		})
	}
}

// TestRetentionKeepsWhatIsReadForATime removes an operation in the end although it is still being
// read.
func TestRetentionKeepsWhatIsReadForATime(t *testing.T) {
	s := open(t, store.Config{Retention: store.Retention{Age: time.Hour}})
	op := create(t, s, "r", "a")
	end(t, s, op, time.Now().Add(-2*time.Hour))
	defer s.Reading(op.ID)()
	s.ReadSince(op.ID, time.Now().Add(-2*time.Hour))
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep of what has been read for two hours = %d, %v, want 1", n, err)
	}
}
