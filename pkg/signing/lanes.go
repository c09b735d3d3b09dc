package signing

import (
	"slices"
	"time"
)

// lanes holds waiting items so that no client service starves. Each client service has one lane for
// items with a waiting client and one for its other items. The lanes are served in turn, one item
// each.
type lanes struct {
	n     int
	turn  int
	order []laneKey
	items map[laneKey][]*item
}

type laneKey struct {
	clientService string
	waiting       bool
}

func (l *lanes) add(items []*item) {
	if l.items == nil {
		l.items = make(map[laneKey][]*item)
	}
	for _, it := range items {
		key := laneKey{it.clientService, it.waiting}
		if len(l.items[key]) == 0 {
			l.order = append(l.order, key)
		}
		l.items[key] = append(l.items[key], it)
	}
	l.n += len(items)
}

// putBack adds items that were taken before. They go in front of the other items of their lanes.
func (l *lanes) putBack(items []*item) {
	first := make(map[laneKey][]*item)
	for _, it := range items {
		key := laneKey{it.clientService, it.waiting}
		first[key] = append(first[key], it)
	}
	if l.items == nil {
		l.items = make(map[laneKey][]*item)
	}
	for key, items := range first {
		if len(l.items[key]) == 0 {
			l.order = append(l.order, key)
		}
		l.items[key] = slices.Concat(items, l.items[key])
		l.n += len(items)
	}
}

// take removes and returns up to n items, one of each lane in turn.
func (l *lanes) take(n int) []*item {
	n = min(n, l.n)
	out := make([]*item, 0, n)
	for len(out) < n {
		l.turn %= len(l.order)
		key := l.order[l.turn]
		lane := l.items[key]
		out = append(out, lane[0])
		l.n--
		if len(lane) == 1 {
			l.drop(key) // the next lane moves into this turn
			continue
		}
		l.items[key] = lane[1:]
		l.turn++
	}
	return out
}

// remove removes the given items from their lanes, and returns those that it found.
func (l *lanes) remove(items []*item) []*item {
	var found []*item
	gone := make(map[*item]bool, len(items))
	for _, it := range items {
		gone[it] = true
	}
	for _, key := range slices.Clone(l.order) {
		lane := l.items[key]
		kept := make([]*item, 0, len(lane))
		for _, it := range lane {
			if gone[it] {
				found = append(found, it)
			} else {
				kept = append(kept, it)
			}
		}
		l.items[key] = kept
		if len(kept) == 0 {
			l.drop(key)
		}
	}
	l.n -= len(found)
	return found
}

func (l *lanes) drop(key laneKey) {
	delete(l.items, key)
	i := slices.Index(l.order, key)
	l.order = slices.Delete(l.order, i, i+1)
	if i < l.turn {
		l.turn--
	}
}

// oldest returns when the item that has waited longest was added. With waitingOnly it considers
// only items with a waiting client. It returns the zero time if there is none.
func (l *lanes) oldest(waitingOnly bool) time.Time {
	var t time.Time
	for key, lane := range l.items {
		if waitingOnly && !key.waiting {
			continue
		}
		if since := lane[0].since; t.IsZero() || since.Before(t) {
			t = since
		}
	}
	return t
}
