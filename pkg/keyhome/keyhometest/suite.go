package keyhometest

import (
	"reflect"
	"sync"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

// Run checks a table. open opens the table of one state folder; every call returns the same folder
// as a new process would see it. Each part of the suite gets a new folder by calling create.
func Run(t *testing.T, create func(t *testing.T) (open func() keyhome.Table)) {
	parts := map[string]func(t *testing.T, open func() keyhome.Table){
		"New": newTable, "State": state, "SwapAddsReplacesRemoves": swap, "SwapIsAtomic": race, "SwapAll": swapAll,
		"ImportKeepsTheNewest": importNewest, "Pages": pages, "Copied": copied, "Reopen": reopen,
	}
	for name, part := range parts {
		t.Run(name, func(t *testing.T) { part(t, create(t)) })
	}
}

func key(n byte) keyhome.Key { return keyhome.Key{n} }

func claim(n byte, owner int, version uint64) keyhome.Claim {
	return keyhome.Claim{
		Key: key(n), Owner: owner, Attempt: version + 100, Fingerprint: keyhome.Fingerprint{n, n}, Expires: 1 << 40,
		Version: version,
	}
}

func entry(n byte, owner int, version uint64) *keyhome.Entry {
	return &keyhome.Entry{Claim: claim(n, owner, version)}
}

func mustSwap(t *testing.T, table keyhome.Table, k keyhome.Key, version uint64, next *keyhome.Entry, want bool) {
	t.Helper()
	if got, err := table.Swap(t.Context(), k, version, next); err != nil || got != want {
		t.Fatalf("Swap(%v, %d) = %v, %v, want %v", k, version, got, err, want)
	}
}

func mustHave(t *testing.T, table keyhome.Table, want keyhome.Claim) keyhome.Entry {
	t.Helper()
	e, ok, err := table.Get(t.Context(), want.Key)
	if err != nil || !ok || e.Claim != want || e.Position == 0 {
		t.Fatalf("Get = %+v, %v, %v, want %+v", e, ok, err, want)
	}
	return e
}

func newTable(t *testing.T, open func() keyhome.Table) {
	table := open()
	l, err := table.Load(t.Context())
	if err != nil || l.Folder == "" || l.Version != 0 || !reflect.DeepEqual(l.State, keyhome.State{}) {
		t.Errorf("Load of a new table = %+v, %v", l, err)
	}
	if _, ok, err := table.Get(t.Context(), key(1)); ok || err != nil {
		t.Errorf("Get of a new table = %v, %v", ok, err)
	}
	if page, err := table.Page(t.Context(), 0, 10); len(page) != 0 || err != nil {
		t.Errorf("Page of a new table = %v, %v", page, err)
	}
}

func state(t *testing.T, open func() keyhome.Table) {
	want := keyhome.State{
		Standing: keyhome.In, Epoch: 7, Removals: 2, Clock: 1 << 62, Heirs: []int{1, 4}, Settled: []int{4},
		Peers: map[int]keyhome.Peer{
			1: {
				Epoch:    1<<63 + 1,
				Standing: keyhome.Out,
				ForGood:  true,
				Folder:   "f",
				Heirs:    []int{0},
				Held:     map[int]uint64{4: 9},
				After:    77,
			},
			4: {Epoch: 3, Standing: keyhome.In, Removals: 1},
		},
	}
	first, err := open().Save(t.Context(), &want, []keyhome.Claim{claim(1, 3, 5)})
	if err != nil {
		t.Fatal(err)
	}
	table := open()
	l, err := table.Load(t.Context())
	if err != nil || !reflect.DeepEqual(l.State, want) || l.Version != 5 {
		t.Errorf("Load = %+v, %v, want state %+v and version 5", l, err, want)
	}
	if e := mustHave(t, table, claim(1, 3, 5)); e.Position != first {
		t.Errorf("Save = position %d, want %d", first, e.Position)
	}
}

func swap(t *testing.T, open func() keyhome.Table) {
	table := open()
	mustSwap(t, table, key(1), 3, entry(1, 1, 4), false)
	mustSwap(t, table, key(1), 0, entry(1, 1, 4), true)
	mustSwap(t, table, key(1), 0, entry(1, 2, 5), false)
	before := mustHave(t, table, claim(1, 1, 4))
	mustSwap(t, table, key(1), 4, entry(1, 2, 9), true)
	if after := mustHave(t, table, claim(1, 2, 9)); after.Position <= before.Position {
		t.Errorf("position went from %d to %d, want a higher one", before.Position, after.Position)
	}
	mustSwap(t, table, key(1), 4, nil, false)
	mustSwap(t, table, key(1), 9, nil, true)
	if _, ok, err := table.Get(t.Context(), key(1)); ok || err != nil {
		t.Errorf("Get after removal = %v, %v", ok, err)
	}
}

// swapAll changes many entries, removes one, adds one, and skips one that is different by now.
func swapAll(t *testing.T, open func() keyhome.Table) {
	table := open()
	var added, changes []keyhome.Change
	for n := range byte(250) {
		added = append(added, keyhome.Change{Key: key(n), Next: entry(n, 1, 4)})
		changes = append(changes, keyhome.Change{Key: key(n), Version: 4, Next: entry(n, 1, 5)})
	}
	if err := table.SwapAll(t.Context(), added); err != nil {
		t.Fatal(err)
	}
	changes[7].Next, changes[8].Version = nil, 3
	changes = append(changes, keyhome.Change{Key: key(251), Next: entry(251, 2, 1)})
	if err := table.SwapAll(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := table.Get(t.Context(), key(7)); ok || err != nil {
		t.Errorf("Get after removal = %v, %v", ok, err)
	}
	mustHave(t, table, claim(8, 1, 4))
	mustHave(t, table, claim(249, 1, 5))
	mustHave(t, table, claim(251, 2, 1))
	if err := table.SwapAll(t.Context(), nil); err != nil {
		t.Errorf("SwapAll of nothing: %v", err)
	}
}

func race(t *testing.T, open func() keyhome.Table) {
	table := open()
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 16 {
		wg.Go(func() {
			ok, err := table.Swap(t.Context(), key(1), 0, entry(1, i, uint64(i+1)))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if ok {
				won++
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of 16 concurrent swaps of one key succeeded, want 1", won)
	}
}

func importNewest(t *testing.T, open func() keyhome.Table) {
	table := open()
	mustSwap(t, table, key(1), 0, entry(1, 1, 10), true)
	mustSwap(t, table, key(2), 0, entry(2, 1, 10), true)
	before := mustHave(t, table, claim(2, 1, 10))
	if _, err := table.Save(
		t.Context(),
		nil,
		[]keyhome.Claim{claim(1, 7, 11), claim(2, 7, 9), claim(3, 7, 1)},
	); err != nil {
		t.Fatal(err)
	}
	mustHave(t, table, claim(1, 7, 11))
	mustHave(t, table, claim(3, 7, 1))
	if after := mustHave(t, table, claim(2, 1, 10)); after.Position != before.Position {
		t.Errorf("an ignored claim moved the entry from position %d to %d", before.Position, after.Position)
	}
}

func pages(t *testing.T, open func() keyhome.Table) {
	table := open()
	for n := range byte(7) {
		mustSwap(t, table, key(n), 0, entry(n, 1, uint64(n)+1), true)
	}
	mustSwap(t, table, key(2), 3, nil, true)
	mustSwap(t, table, key(0), 1, entry(0, 1, 20), true) // moves to the end
	var got []byte
	for after := int64(0); ; {
		page, err := table.Page(t.Context(), after, 2)
		if err != nil || len(page) > 2 {
			t.Fatalf("Page = %v, %v", page, err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if e.Position <= after {
				t.Fatalf("position %d comes after %d", e.Position, after)
			}
			after = e.Position
			got = append(got, e.Key[0])
		}
	}
	if want := []byte{1, 3, 4, 5, 6, 0}; !reflect.DeepEqual(got, want) {
		t.Errorf("pages have the keys %v, want %v", got, want)
	}
}

func copied(t *testing.T, open func() keyhome.Table) {
	table := open()
	mustSwap(t, table, key(1), 0, entry(1, 1, 4), true)
	before := mustHave(t, table, claim(1, 1, 4))
	same := before
	same.Copied = 1<<63 + 5
	mustSwap(t, table, key(1), 4, &same, true)
	if got := mustHave(t, table, claim(1, 1, 4)); got != same {
		t.Errorf("entry = %+v, want %+v", got, same)
	}
	if _, err := table.Save(t.Context(), nil, []keyhome.Claim{claim(1, 1, 6)}); err != nil {
		t.Fatal(err)
	}
	if got := mustHave(t, table, claim(1, 1, 6)); got.Copied != 0 {
		t.Errorf("Copied = %d after an import, want 0", got.Copied)
	}
}

func reopen(t *testing.T, open func() keyhome.Table) {
	table := open()
	mustSwap(t, table, key(1), 0, entry(1, 1, 4), true)
	mustSwap(t, table, key(2), 0, entry(2, 1, 5), true)
	last := mustHave(t, table, claim(2, 1, 5)).Position
	mustSwap(t, table, key(2), 5, nil, true)
	table = open()
	mustHave(t, table, claim(1, 1, 4))
	mustSwap(t, table, key(3), 0, entry(3, 1, 6), true)
	if got := mustHave(t, table, claim(3, 1, 6)).Position; got <= last {
		t.Errorf("position %d was assigned after %d was removed, want a higher one", got, last)
	}
	l, err := table.Load(t.Context())
	if err != nil || l.Version != 6 {
		t.Errorf("Load = version %d, %v, want 6", l.Version, err)
	}
}
