package hotfolder

import (
	"slices"
	"testing"
)

// TestGroup shares the last files among the runs, so that the last run is a small one.
func TestGroup(t *testing.T) {
	const kilobytes = 200_000
	for _, test := range []struct {
		name          string
		ready, beyond int
		size          int64
		want          []int // sizes of the runs
	}{
		{name: "none"},
		{name: "few", ready: 99, want: []int{99}},
		{name: "a few more", ready: 250, size: kilobytes, want: []int{100, 100, 50}},
		{name: "usual", ready: 2500, size: kilobytes, want: []int{500, 500, 375, 282, 211, 158, 119, 100, 100, 100, 55}},
		{name: "a part of a large folder", ready: 1200, beyond: 9000, want: []int{500, 500, 200}},
		{name: "large files", ready: 3, size: 200 << 20, want: []int{1, 1, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &folder{cfg: &Config{}, window: &window{counts: counts{beyond: test.beyond}}}
			f.cfg.setDefaults()
			ready := make([]*candidate, test.ready)
			for i := range ready {
				ready[i] = &candidate{Entry: Entry{Size: test.size}}
			}
			var got []int
			for len(ready) > 0 {
				n := len(f.group(ready))
				got, ready = append(got, n), ready[n:]
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("the runs have %v files, want %v", got, test.want)
			}
		})
	}
}
