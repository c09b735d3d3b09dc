package affinity

import (
	"reflect"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

// TestViewOf turns a directory into what key homes need.
func TestViewOf(t *testing.T) {
	list := []Published{{Ordinal: 0}, {Ordinal: 4}}
	for name, test := range map[string]struct {
		source Source
		want   keyhome.View
	}{
		"no directory yet": {unreadSource{}, keyhome.View{}},
		"an earlier release": {
			source{directory: Directory{Expected: 3, Ever: 3, Endpoints: list}},
			keyhome.View{Known: true, Expected: 3, Removals: make([]uint64, 5), Listed: []int{0, 4}},
		},
		"removals": {
			source{directory: Directory{Expected: 1, Ever: 2, RemovalsBase: 10, Removals: map[int]uint64{3: 2}}},
			removedOf(1, 10, map[int]uint64{3: 12}),
		},
		"all stopped": {
			source{directory: Directory{Stopped: 3, Ever: 3}},
			keyhome.View{Known: true, Expected: 3, Removals: make([]uint64, 3)},
		},
		"a new instance whose entry is not there yet": {
			source{directory: Directory{Expected: 1, RemovalsBase: 10}},
			removedOf(1, 10, nil),
		},
	} {
		if got := ViewOf(test.source, 2)(); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: View = %+v, want %+v", name, got, test.want)
		}
	}
}

// removedOf returns a view in which every instance has that number of removals, except for some.
func removedOf(expected int, base uint64, others map[int]uint64) keyhome.View {
	v := keyhome.View{Known: true, Expected: expected, Removals: make([]uint64, MaxInstances)}
	for o := range v.Removals {
		v.Removals[o] = base
		if n, ok := others[o]; ok {
			v.Removals[o] = n
		}
	}
	return v
}

// TestRemovalsOfUnlisted checks that the base of a directory that was written again counts for
// every instance, because instances that the lost directory has listed may be waited for.
func TestRemovalsOfUnlisted(t *testing.T) {
	d := Directory{Expected: 2, Ever: 2, Removals: map[int]uint64{3: 1}, RemovalsBase: 7}
	v := ViewOf(source{directory: d}, 0)()
	for ordinal, want := range map[int]uint64{0: 7, 3: 8, 4: 7, MaxInstances - 1: 7} {
		if got := v.Removals[ordinal]; got != want {
			t.Errorf("removals of %d are %d, want %d", ordinal, got, want)
		}
	}
	d.RemovalsBase = 0
	if v := ViewOf(source{directory: d}, 0)(); len(v.Removals) != 4 || v.Removals[3] != 1 {
		t.Errorf("removals are %v, want 1 of the last of 4", v.Removals)
	}
}
