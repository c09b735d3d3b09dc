package clients

import (
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/types"
)

// plan is the desired content of the rendered Secret, and the fault of each Secret that it does not
// follow.
type plan struct {
	entries entries
	faults  map[types.UID]fault
}

// newPlan makes the plan for sources, which are ordered with the oldest first. last is what was
// rendered before. The entries take at most limit bytes, unless last took more.
func newPlan(sources []*source, last entries, limit int) plan {
	p := plan{faults: map[types.UID]fault{}}
	for _, s := range sources {
		if s.fault != (fault{}) {
			p.faults[s.uid()] = s.fault
		}
	}
	previous := last.bySecret()
	p.entries = p.claim(sources, previous)
	if p.entries.bytes() > limit {
		p.entries = p.applyWithinLimit(sources, previous, limit)
	}
	return p
}

// claim gives each id to the oldest Secret that has it. A broken Secret counts with what was last
// rendered from it. A Secret whose id is taken also falls back to what was last rendered from it,
// if no other Secret has that id.
func (p *plan) claim(sources []*source, previous map[types.UID]entry) entries {
	claimed := entries{}
	var without []*source
	for _, s := range sources {
		e, ok := s.entry()
		if !ok {
			e, ok = previous[s.uid()]
		}
		if !ok {
			continue
		}
		holder, taken := claimed[e.client.ID]
		if !taken {
			claimed[e.client.ID] = e
			continue
		}
		without = append(without, s)
		if _, broken := p.faults[s.uid()]; !broken {
			p.faults[s.uid()] = fault{
				reasonDuplicate,
				"clientId: the older Secret " + holder.origin.Name + " has the same clientId and keeps it",
			}
		}
	}
	for _, s := range without {
		e, ok := previous[s.uid()]
		if _, taken := claimed[entryID(e)]; ok && !taken {
			claimed[entryID(e)] = e
		}
	}
	return claimed
}

func entryID(e entry) string {
	if e.client == nil {
		return ""
	}
	return e.client.ID
}

// applyWithinLimit changes what was last rendered into p.entries, one Secret after the other, as
// far as the limit allows. It first applies the changes that free space, then the others, the
// oldest Secret first.
func (p *plan) applyWithinLimit(sources []*source, previous map[types.UID]entry, limit int) entries {
	reached := layout{entries: entries{}, ids: map[types.UID]string{}}
	for _, s := range sources {
		if e, ok := previous[s.uid()]; ok {
			reached.put(e)
		}
	}
	wanted := p.entries.bySecret()
	for _, growing := range []bool{false, true} {
		for _, s := range sources {
			e, ok := wanted[s.uid()]
			if !ok || reflect.DeepEqual(reached.entries[e.client.ID], e) {
				continue
			}
			switch growth := reached.growth(e); {
			case growth > 0 && !growing:
			case growth > 0 && reached.bytes+growth > limit:
				p.faults[s.uid()] = tooLarge(growth, limit-reached.bytes, limit)
			default:
				reached.put(e)
			}
		}
	}
	return reached.entries
}

// tooLarge is the fault of a Secret that needs more bytes than are left. No setting raises the
// limit, because it is that of a Secret of Kubernetes.
func tooLarge(needed, left, limit int) fault {
	const text = "the Secret does not fit: it needs %d bytes more, and %d are left of the %d that " +
		"all client services may take together in the rendered Secret (1 MiB, the limit of Kubernetes); " +
		"the last rendered version is kept"
	return fault{reasonTooLarge, fmt.Sprintf(text, needed, max(left, 0), limit)}
}

// layout is a set of entries with its size and with the id that each Secret holds.
type layout struct {
	entries entries
	ids     map[types.UID]string
	bytes   int
}

// growth returns by how many bytes put would change the size.
func (l *layout) growth(e entry) int {
	growth := e.bytes - l.entries[e.client.ID].bytes
	if id, ok := l.ids[e.origin.UID]; ok && id != e.client.ID {
		growth -= l.entries[id].bytes
	}
	return growth
}

// put adds e. It replaces the entry that came from the same Secret and the entry with the same id.
func (l *layout) put(e entry) {
	l.bytes += l.growth(e)
	if id, ok := l.ids[e.origin.UID]; ok {
		delete(l.entries, id)
	}
	if other, ok := l.entries[e.client.ID]; ok {
		delete(l.ids, other.origin.UID)
	}
	l.entries[e.client.ID] = e
	l.ids[e.origin.UID] = e.client.ID
}
