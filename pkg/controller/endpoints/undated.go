package endpoints

import "time"

// undatedLimit is how long a pod keeps its address while nobody judges the present state of its
// route. A change of a Gateway or a route must not make pods unready while its controller works on
// it, which takes seconds. The limit is for controllers that do not run.
const undatedLimit = time.Minute

// undated bounds how long verdicts stay undated.
type undated struct {
	now   func() time.Time
	since map[string]time.Time // by name of the pod
}

// bound makes verdicts that have been undated for too long count as they are.
func (u *undated) bound(verdicts map[string]verdict) {
	now, since := u.now(), make(map[string]time.Time)
	for name, v := range verdicts {
		if !v.undated {
			continue
		}
		first, known := u.since[name]
		if !known {
			first = now
		}
		since[name] = first
		if now.Sub(first) >= undatedLimit {
			v.undated = false
			verdicts[name] = v
		}
	}
	u.since = since
}
