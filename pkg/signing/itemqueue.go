package signing

import "time"

// itemQueue holds the items that wait for one credential. Each client service has one line for
// items with a waiting client and one for its other items, so that no client service starves.
type itemQueue struct {
	lines roundRobin[itemKey, *item]
}

// itemKey identifies a line of an itemQueue.
type itemKey struct {
	clientService string
	waiting       bool
}

func keyOfItem(it *item) itemKey { return itemKey{it.clientService, it.waiting} }

// size returns how many items wait.
func (q *itemQueue) size() int { return q.lines.n }

func (q *itemQueue) add(items []*item) {
	for _, it := range items {
		q.lines.push(keyOfItem(it), it)
	}
}

// putBack adds items that were taken before. They go in front of the other items of their lines.
func (q *itemQueue) putBack(items []*item) {
	byKey := make(map[itemKey][]*item)
	for _, it := range items {
		key := keyOfItem(it)
		byKey[key] = append(byKey[key], it)
	}
	for key, items := range byKey {
		q.lines.pushFront(key, items...)
	}
}

// take removes and returns up to n items, one of each line in turn.
func (q *itemQueue) take(n int) []*item {
	n = min(n, q.size())
	out := make([]*item, 0, n)
	for len(out) < n {
		it, _ := q.lines.take(func(itemKey) bool { return true })
		out = append(out, it)
	}
	return out
}

// remove removes the given items, and returns those that were waiting.
func (q *itemQueue) remove(items []*item) []*item {
	given := make(map[*item]bool, len(items))
	for _, it := range items {
		given[it] = true
	}
	return q.lines.remove(func(it *item) bool { return given[it] })
}

// oldest returns when the item that has waited longest was added. With waitingOnly it considers
// only items with a waiting client. It returns the zero time if there is none.
func (q *itemQueue) oldest(waitingOnly bool) time.Time {
	var t time.Time
	for key, line := range q.lines.lines {
		if waitingOnly && !key.waiting {
			continue
		}
		if since := line[0].since; t.IsZero() || since.Before(t) {
			t = since
		}
	}
	return t
}
