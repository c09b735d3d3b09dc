package signing

import "slices"

// roundRobin holds values in one line for each key. It takes one value of each line in turn, so
// that no key starves. The zero value is empty. It is not safe for concurrent use.
type roundRobin[K comparable, V any] struct {
	lines map[K][]V
	order []K // keys that have a line
	turn  int // index in order
	n     int // values in all lines
}

// push adds values at the end of the line of key.
func (r *roundRobin[K, V]) push(key K, values ...V) {
	r.setLine(key, append(r.lines[key], values...))
	r.n += len(values)
}

// pushFront adds values in front of the others in the line of key.
func (r *roundRobin[K, V]) pushFront(key K, values ...V) {
	r.setLine(key, slices.Concat(values, r.lines[key]))
	r.n += len(values)
}

// take removes and returns the first value of the next line whose key is allowed. It returns false
// if there is none.
func (r *roundRobin[K, V]) take(allowed func(K) bool) (value V, ok bool) {
	for range len(r.order) {
		r.turn %= len(r.order)
		key := r.order[r.turn]
		if !allowed(key) {
			r.turn++
			continue
		}
		line := r.lines[key]
		r.setLine(key, line[1:])
		r.n--
		if len(line) > 1 {
			r.turn++ // otherwise the next line moves into this turn
		}
		return line[0], true
	}
	return value, false
}

// remove removes and returns the values for which match returns true.
func (r *roundRobin[K, V]) remove(match func(V) bool) []V {
	var removed []V
	for _, key := range slices.Clone(r.order) {
		line := r.lines[key]
		kept := make([]V, 0, len(line))
		for _, v := range line {
			if match(v) {
				removed = append(removed, v)
			} else {
				kept = append(kept, v)
			}
		}
		r.setLine(key, kept)
	}
	r.n -= len(removed)
	return removed
}

// setLine replaces the line of key. A key whose line is empty has no turn.
func (r *roundRobin[K, V]) setLine(key K, line []V) {
	_, exists := r.lines[key]
	switch {
	case len(line) > 0:
		if r.lines == nil {
			r.lines = make(map[K][]V)
		}
		if !exists {
			r.order = append(r.order, key)
		}
		r.lines[key] = line
	case exists:
		delete(r.lines, key)
		i := slices.Index(r.order, key)
		r.order = slices.Delete(r.order, i, i+1)
		if i < r.turn {
			r.turn--
		}
	}
}
