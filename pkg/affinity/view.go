package affinity

import "github.com/signstash-proxy/signstash-proxy/pkg/keyhome"

// ViewOf returns a source of the instances that the operator wants, in the form that key homes
// need. ordinal is that of this instance. The source is safe for concurrent use.
//
// Instances that are stopped by a desired number of 0 are expected, because they come back with
// their claims.
func ViewOf(s Source, ordinal int) func() keyhome.View {
	return func() keyhome.View {
		d, known := s.Directory()
		if !known {
			return keyhome.View{}
		}
		v := keyhome.View{Known: true, Expected: max(d.Expected, d.Stopped)}
		last := max(ordinal, v.Expected-1, d.Ever-1)
		for i := range d.Endpoints {
			v.Listed = append(v.Listed, d.Endpoints[i].Ordinal)
			last = max(last, d.Endpoints[i].Ordinal)
		}
		for o := range d.Removals {
			last = max(last, o)
		}
		if d.RemovalsBase > 0 {
			last = MaxInstances - 1 // it counts for instances too that a lost directory has listed
		}
		v.Removals = make([]uint64, last+1)
		for o := range v.Removals {
			v.Removals[o] = d.RemovalsBase
		}
		for o, n := range d.Removals {
			v.Removals[o] += n
		}
		return v
	}
}
