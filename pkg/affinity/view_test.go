package affinity

import "testing"

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
