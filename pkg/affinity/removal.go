package affinity

// Removed reports whether the operator does not want the instance with that ordinal any more. A
// stop of all instances removes none, because it is temporary. A directory that expects nobody,
// such as {}, removes none either.
func (d *Directory) Removed(ordinal int) bool {
	wanted := max(d.Expected, d.Stopped)
	return wanted > 0 && ordinal >= wanted
}

// NewerThan reports whether d was written after o, as far as the numbers of instances tell. The
// numbers of removals never fall. While they stay the same, the number of instances never falls. A
// directory that counts no removals was not written by a controller of this release, and does not
// tell: then neither is newer.
func (d *Directory) NewerThan(o *Directory) bool {
	if d.RemovalsBase != o.RemovalsBase {
		return d.RemovalsBase > o.RemovalsBase
	}
	a, b := d.allRemovals(), o.allRemovals()
	switch {
	case a != b:
		return a > b
	case d.RemovalsBase+a == 0:
		return false
	}
	return max(d.Expected, d.Stopped) > max(o.Expected, o.Stopped)
}

func (d *Directory) allRemovals() (sum uint64) {
	for _, count := range d.Removals {
		sum += count
	}
	return sum
}

// Successor returns an instance that takes the work of the instance with that ordinal, so that its
// clients can be told one. ok is false if none is known.
func (d *Directory) Successor(ordinal int) (e Endpoint, ok bool) {
	for i := range d.Endpoints {
		p := &d.Endpoints[i]
		if p.Ordinal != ordinal && p.Ordinal < d.Expected && !p.Unreachable {
			return p.endpoint(), true
		}
	}
	return Endpoint{}, false
}
