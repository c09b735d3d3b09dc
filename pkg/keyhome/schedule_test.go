package keyhome_test

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

// restart is the shortest time between the end of a process and the start of the next.
const restart = 100 * time.Millisecond

// maxMoves is how often a request is repeated whose key got another owner while it was forwarded.
const maxMoves = 3

// schedule is one run of the model: a fleet starts, everything goes wrong for a while, then nothing
// does, and one planned or unplanned event is watched closely.
type schedule struct {
	*fleet
	ending   bool                                          // no more random events
	expected func(k keyhome.Key, a answer, held bool) bool // may the request be refused?
	present  int                                           // instances from this one on were removed when a request began
}

// runSchedule returns the violated invariants.
func runSchedule(seed uint64, omit keyhome.Rules, trace func(string, ...any)) *fleet {
	w := newWorld(seed)
	n := 1 + w.rnd.IntN(5)
	if w.chance(0.2) {
		n = 1 + w.rnd.IntN(12)
	}
	s := &schedule{fleet: newFleet(w, n, omit)}
	if trace != nil {
		s.trace = func(format string, args ...any) { trace("%8v "+format, append([]any{w.now}, args...)...) }
	}
	legacy := w.chance(0.1) // an upgrade from a release without key homes
	for o := range n {
		s.start(o, legacy)
	}
	s.run(2 * time.Second)
	s.clients()
	if legacy {
		s.run(2 * time.Second)
		s.upgrade(n - 1)
		s.run(time.Duration(n) * 4 * time.Second)
	}
	s.chaos(time.Duration(10+w.rnd.IntN(40)) * time.Second)
	s.calm()
	if len(s.faults) == 0 {
		s.checkAnswers()
	}
	if len(s.faults) == 0 {
		s.watch()
	}
	s.end()
	return s.fleet
}

// end kills all tasks, so that no goroutine is left.
func (s *schedule) end() {
	s.ending = true
	for _, p := range s.pods {
		if p != nil {
			p.crash()
		}
	}
	s.run(time.Hour)
	s.close()
}

// upgrade replaces legacy instances one by one, from the highest ordinal to the lowest.
func (s *schedule) upgrade(ordinal int) {
	if ordinal < 0 {
		return
	}
	s.pods[ordinal].stop(false, func() {
		s.start(ordinal, false)
		s.after(2*time.Second, func() { s.upgrade(ordinal - 1) })
	})
}

// clients sends requests with random keys to random instances for as long as the schedule runs.
func (s *schedule) clients() {
	s.spawn(nil, func() {
		for !s.ending {
			_ = s.Sleep(context.Background(), s.upTo(300*time.Millisecond))
			s.spawn(nil, func() { s.request(s.keys[s.rnd.IntN(len(s.keys))]) })
		}
	})
}

// request sends one request to a random instance that takes requests.
func (s *schedule) request(k keyhome.Key) answer {
	var up []*process
	for _, o := range slices.Sorted(maps.Keys(s.pods)) {
		if p := s.pods[o]; p != nil && !p.dead && !p.stops && !p.paused {
			up = append(up, p)
		}
	}
	if len(up) == 0 {
		return answer{}
	}
	p := up[s.rnd.IntN(len(up))]
	print := keyhome.Fingerprint{byte(1 + s.rnd.IntN(10)/9)} // one in ten is another request
	var a answer
	before, op := s.held(k), s.onlyOperation(k)
	s.wait(func(wake func()) {
		done := false
		finish := func() {
			if !done {
				done = true
				wake()
			}
		}
		s.spawn(p, func() {
			got, err := p.post(k, print, false)
			for i := 0; err == nil && got.status == "moved"; i++ {
				if got, err = p.post(k, print, false); got.status == "moved" && i == maxMoves {
					got.status = "refused"
				}
			}
			if err == nil {
				a = got
			}
			s.after(0, finish)
		})
		s.after(time.Minute, finish) // the instance crashed
	})
	s.results[a.status]++
	if s.expected != nil {
		s.checkAnswer(k, p, a, before, op)
	}
	return a
}

// checkAnswer checks the answer of a process to a request. held and op describe the operation of
// the key before the request.
func (s *schedule) checkAnswer(k keyhome.Key, p *process, a answer, held bool, op *operation) {
	switch {
	case a.status == "refused" && !s.expected(k, a, held):
		s.fault("key %v was refused at instance %d, missing %d: %v", k, p.ordinal, a.missing, s.dump(k))
	case op != nil && a.op != nil && a.op != op && !op.removed:
		s.fault("key %v was answered with operation %d, not %d", k, a.op.id, op.id)
	case op != nil && a.status == "invalid" && !op.removed:
		s.fault("key %v was taken for a new one at instance %d, although operation %d exists", k, p.ordinal, op.id)
	case a.status == "" && !p.dead:
		s.fault("key %v was not answered at instance %d, which runs", k, p.ordinal)
	}
}

// chaos lets random things happen.
func (s *schedule) chaos(d time.Duration) {
	s.loss, s.duplicate = s.rnd.Float64()*0.1, s.rnd.Float64()*0.1
	s.slowest = time.Duration(1+s.rnd.IntN(60)) * time.Millisecond
	if s.chance(0.5) {
		s.crashes = 0.002 * s.rnd.Float64()
	}
	end := s.now + d
	for s.now < end {
		s.run(s.upTo(1500 * time.Millisecond))
		s.disturb()
		s.kubelet()
		s.retain()
	}
}

// disturb does one random thing to the fleet.
func (s *schedule) disturb() {
	o := s.rnd.IntN(s.wanted + 1)
	p := s.pods[o]
	running := p != nil && !p.dead && !p.stops
	switch s.rnd.IntN(10) {
	case 0, 1:
		if running {
			p.crash()
		}
	case 2, 3, 4:
		if running {
			p.stop(false, func() {})
		}
	case 5:
		if p != nil && p.dead && s.volumes[o] != nil && s.chance(0.5) {
			s.lose(o)
		}
	case 6:
		if running {
			p.paused = true
			s.after(s.upTo(5*time.Second), func() { p.paused = false })
		}
	case 7, 8:
		s.scale(1 + s.rnd.IntN(min(12, s.wanted+3)))
	}
}

// scale changes the desired number of instances.
func (s *schedule) scale(n int) {
	s.trace("scale from %d to %d", s.wanted, n)
	for o := n; o < s.wanted; o++ {
		for len(s.removals) <= o {
			s.removals = append(s.removals, 0)
		}
		s.removals[o]++
	}
	s.wanted = n
	s.publish()
}

// kubelet starts what should run, and stops what should not, one of each.
func (s *schedule) kubelet() {
	for o := range s.wanted {
		p := s.pods[o]
		if p == nil && s.volumes[o] == nil || (p == nil || p.dead && s.now-p.died > restart) && s.chance(0.6) {
			s.start(o, false)
			s.publish()
		}
	}
	for _, o := range slices.Backward(slices.Sorted(maps.Keys(s.pods))) {
		p := s.pods[o]
		switch {
		case o < s.wanted || p == nil:
		case p.dead:
			s.remove(o)
		case !p.stops:
			p.stops = true
			p.stop(true, func() { s.publish() })
		}
	}
}

// remove forgets a pod that does not run and is not wanted. What only its volume knows is parked.
func (s *schedule) remove(o int) {
	if s.now-s.pods[o].died < restart {
		return
	}
	s.trace("%d is removed", o)
	delete(s.pods, o)
	if v := s.volumes[o]; v != nil {
		if !v.handed {
			s.excuse(v, false)
		}
		v.parked = true
	}
	s.publish()
}

// calm ends all faults and lets the fleet recover.
func (s *schedule) calm() {
	s.trace("calm")
	s.loss, s.duplicate, s.crashes, s.slowest = 0, 0, 0, 5*time.Millisecond
	for _, o := range slices.Sorted(maps.Keys(s.pods)) {
		if p := s.pods[o]; p != nil {
			p.paused = false
		}
	}
	for range 16 {
		s.kubelet()
		s.run(time.Second)
	}
	for o := range s.wanted {
		if p := s.pods[o]; p == nil || p.dead {
			s.start(o, false)
		}
	}
	s.publish()
	s.run(25 * time.Second)
	for o := range s.wanted {
		if p := s.pods[o]; !p.home.Ready() {
			s.fault("instance %d does not act although all is calm: %+v", o, p.home.State())
		}
	}
}

// checkAnswers asks for every key at every instance. Every key must be answered, and by its
// operation, if it has one.
func (s *schedule) checkAnswers() {
	s.expected, s.present = s.ownerParked, s.wanted
	for _, k := range s.keys {
		for range 3 {
			s.spawn(nil, func() { s.request(k) })
			s.run(500 * time.Millisecond)
		}
	}
}

// ownerParked reports whether the owner of a key was removed, so that its operations cannot be
// reached while the claim lives.
func (s *schedule) ownerParked(_ keyhome.Key, a answer, _ bool) bool {
	return a.owner && a.missing >= s.present
}

// watch lets one thing happen to a calm fleet and checks which requests are refused.
func (s *schedule) watch() {
	for range 10 {
		s.retain()
		s.run(500 * time.Millisecond) // copies are made
	}
	switch s.rnd.IntN(4) {
	case 0:
		s.watchRestart()
	case 1:
		s.watchScale(s.wanted + 1 + s.rnd.IntN(3))
	case 2:
		s.watchScale(1 + s.rnd.IntN(s.wanted))
	case 3:
		s.watchCrash()
	}
}

// watchRestart checks that a rolling restart refuses no key, except those whose owner is stopped.
func (s *schedule) watchRestart() {
	s.trace("watch a rolling restart")
	down := -1
	s.expected = func(k keyhome.Key, a answer, held bool) bool { // a request may wait for an owner that is down now
		return s.wanted == 1 || s.ownerParked(k, a, held) || a.owner && a.missing == down
	}
	for o := s.wanted - 1; o >= 0; o-- {
		s.pods[o].stop(false, func() {
			down = o
			s.after(s.upTo(4*time.Second), func() { s.start(o, false) })
		})
		down = o
		s.run(9 * time.Second)
		down = -1
	}
}

// held reports whether an instance that runs holds the operation of a key.
func (s *schedule) held(k keyhome.Key) bool {
	for _, p := range s.pods {
		if p != nil && !p.dead && p.volume.ops[k] != nil {
			return true
		}
	}
	return false
}

// onlyOperation returns the operation of a key that is not excused, if exactly one volume holds one
// and its instance runs.
func (s *schedule) onlyOperation(k keyhome.Key) (op *operation) {
	if s.excused[k] {
		return nil
	}
	for o, v := range s.volumes {
		if v == nil || v.ops[k] == nil {
			continue
		}
		if p := s.pods[o]; op != nil || p == nil || p.dead {
			return nil
		}
		op = v.ops[k]
	}
	return op
}

// watchScale checks that a planned change of the number of instances refuses no key, except those
// whose owner was removed.
func (s *schedule) watchScale(n int) {
	s.trace("watch a change from %d to %d", s.wanted, n)
	s.expected, s.present = s.ownerParked, min(n, s.wanted)
	s.scale(n)
	for range 12 * 2 {
		s.kubelet()
		s.run(500 * time.Millisecond)
	}
}

// watchCrash checks that a crash refuses only new keys whose first home has crashed, and keys whose
// owner has. A key that the second home knows is answered.
func (s *schedule) watchCrash() {
	o := s.rnd.IntN(s.wanted)
	s.trace("watch a crash of %d", o)
	s.expected = func(k keyhome.Key, a answer, held bool) bool {
		first, _ := keyhome.Homes(k, s.wanted)
		return a.owner && a.missing == o || first == o && !held || s.ownerParked(k, a, held)
	}
	s.pods[o].crash()
	s.run(6 * time.Second)
	s.start(o, false)
	s.run(4 * time.Second) // requests that have waited for it end
	s.expected = s.ownerParked
	s.run(3 * time.Second)
}

// dump describes what is known about a key, for the report of a fault.
func (s *schedule) dump(k keyhome.Key) (text []string) {
	for _, o := range slices.Sorted(maps.Keys(s.pods)) {
		p := s.pods[o]
		if p == nil {
			continue
		}
		e, ok, _ := p.volume.claims.Get(context.Background(), k)
		text = append(text, sprint(o, p, ok, e))
	}
	return text
}
