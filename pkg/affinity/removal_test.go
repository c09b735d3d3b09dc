package affinity_test

import (
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// TestRemoved: an instance is removed if fewer are wanted, and not if all are stopped or the
// directory expects nobody.
func TestRemoved(t *testing.T) {
	for _, test := range []struct {
		name    string
		d       affinity.Directory
		ordinal int
		want    bool
	}{
		{"expected", affinity.Directory{Expected: 3}, 2, false},
		{"one too many", affinity.Directory{Expected: 2}, 2, true},
		{"all are stopped", affinity.Directory{Stopped: 3}, 2, false},
		{"all are stopped, and it was removed before", affinity.Directory{Stopped: 2}, 2, true},
		{"empty file", affinity.Directory{}, 0, false},
	} {
		if got := test.d.Removed(test.ordinal); got != test.want {
			t.Errorf("%s: Removed(%d) = %v, want %v", test.name, test.ordinal, got, test.want)
		}
	}
}

// TestNewerThan puts the directories that a controller writes one after the other in their order.
func TestNewerThan(t *testing.T) {
	inOrder := []affinity.Directory{
		{Expected: 3},
		{Expected: 3, RemovalsBase: 7}, // its ConfigMap was lost
		{Expected: 5, RemovalsBase: 7},
		{Expected: 2, RemovalsBase: 7, Removals: map[int]uint64{2: 1, 3: 1, 4: 1}},
		{Expected: 3, RemovalsBase: 7, Removals: map[int]uint64{2: 1, 3: 1, 4: 1}},
		{Stopped: 3, RemovalsBase: 7, Removals: map[int]uint64{2: 1, 3: 1, 4: 1}},
		{Expected: 2, RemovalsBase: 7, Removals: map[int]uint64{2: 2, 3: 1, 4: 1}},
	}
	for i := range inOrder {
		for j := range inOrder {
			same := i < 6 && j < 6 && i > 3 && j > 3 // a stop of all instances changes nothing about who is removed
			if got, want := inOrder[i].NewerThan(&inOrder[j]), i > j && !same; got != want {
				t.Errorf("NewerThan(%d, %d) = %v, want %v", i, j, got, want)
			}
		}
	}
	// Operators write such files by hand, on each host at another time.
	few, many := affinity.Directory{Expected: 2}, affinity.Directory{Expected: 3}
	if many.NewerThan(&few) || few.NewerThan(&many) {
		t.Error("one of two directories without removals is newer, want neither")
	}
}

// TestSuccessor names an expected instance that clients reach.
func TestSuccessor(t *testing.T) {
	d := affinity.Directory{Expected: 2, Endpoints: []affinity.Published{
		{Name: "p-0", Ordinal: 0, Host: "zero", Port: 1, Unreachable: true},
		{Name: "p-1", Ordinal: 1, Host: "one", Port: 1},
		{Name: "p-2", Ordinal: 2, Host: "two", Port: 1},
	}}
	if e, ok := d.Successor(2); !ok || e.HostPort() != "one:1" {
		t.Errorf("Successor(2) = %+v, %v, want instance 1", e, ok)
	}
	if e, ok := d.Successor(1); ok {
		t.Errorf("Successor(1) = %+v, want none", e)
	}
}
