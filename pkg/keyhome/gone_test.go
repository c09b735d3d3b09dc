package keyhome_test

import (
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
)

// TestOwnerIsGone checks that a Decision tells an owner that was removed from one that merely does
// not answer. An instance that leaves for good still exists while its results are read.
func TestOwnerIsGone(t *testing.T) {
	view := keyhome.View{Known: true, Expected: 3}
	create := func(cfg keyhome.Config) *keyhome.Home {
		cfg.View = func() keyhome.View { return view }
		return keyhome.New(cfg)
	}
	f, err := keyhometest.NewFleet(t.Context(), 3, create)
	if err != nil {
		t.Fatal(err)
	}
	k := keyWithRanks(t, 0, 1)
	hold, err := f.Homes[2].Acquire(t.Context(), k, keyhome.Fingerprint{})
	if err != nil || hold.Outcome != keyhome.Create {
		t.Fatalf("Acquire = %+v, %v, want create", hold.Decision, err)
	}
	hold.Done(t.Context(), true)
	f.Down[2] = true
	for _, c := range []struct {
		name string
		view keyhome.View
		want bool
	}{
		{"expected", keyhome.View{Known: true, Expected: 3}, false},
		{"not expected, exists", keyhome.View{Known: true, Expected: 2, Listed: []int{0, 1, 2}}, false},
		{"removed", keyhome.View{Known: true, Expected: 2, Listed: []int{0, 1}}, true},
	} {
		view = c.view
		hold, err := f.Homes[1].Acquire(t.Context(), k, keyhome.Fingerprint{})
		if err != nil || hold.Outcome != keyhome.Forward || hold.Owner != 2 || hold.Gone != c.want {
			t.Errorf("%s: Acquire = %+v, %v, want a forward to 2 with gone = %v", c.name, hold.Decision, err, c.want)
		}
		hold.Done(t.Context(), false)
	}
}
