package keyhome_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
)

const (
	lifetime  = 20 * time.Second // of claims and, at least, of operations
	tickEvery = 700 * time.Millisecond
)

// fleet is a set of instances, with what a StatefulSet and its controller do for them.
type fleet struct {
	*world
	omit     keyhome.Rules
	volumes  map[int]*volume
	pods     map[int]*process // nil or dead = does not run
	wanted   int              // desired number of instances
	removals []uint64         // how often each instance was removed
	folders  int
	serial   int
	keys     []keyhome.Key
	// excused are the keys whose last claim was lost with a volume.
	excused map[keyhome.Key]bool
	faults  []string // violated invariants
	results map[string]int
	trace   func(format string, args ...any)
}

// volume is the state folder of an instance: claims and operations.
type volume struct {
	claims *keyhometest.Memory
	synced *keyhometest.Memory // what survives a crash; nil = claims
	ops    map[keyhome.Key]*operation
	parked bool // its instance was removed
	left   bool // its instance has left for good, and has not joined again
	handed bool // its instance has handed its claims over, and all heirs know
}

// operation is an accepted operation.
type operation struct {
	id      int
	owner   int
	print   keyhome.Fingerprint
	created time.Duration
	removed bool
}

// process is one run of an instance.
type process struct {
	fleet      *fleet
	ordinal    int
	volume     *volume
	home       *keyhome.Home
	view       keyhome.View
	viewSerial int
	dead       bool
	died       time.Duration
	paused     bool // it runs and nobody reaches it
	stops      bool // it takes no more requests
	legacy     bool // a release without key homes
	reading    map[keyhome.Key]int
	// granted are the keys of requests that may create an operation now.
	granted map[keyhome.Key]int
}

func newFleet(w *world, n int, omit keyhome.Rules) *fleet {
	f := &fleet{
		world: w, omit: omit, volumes: make(map[int]*volume), pods: make(map[int]*process), wanted: n,
		excused: make(map[keyhome.Key]bool), results: make(map[string]int), trace: func(string, ...any) {},
	}
	for i := range 12 {
		f.keys = append(f.keys, keyhome.KeyOf("client", fmt.Sprint(i)))
	}
	return f
}

// fault records a violated invariant.
func (f *fleet) fault(format string, args ...any) {
	f.faults = append(f.faults, fmt.Sprintf("after %v: ", f.now)+fmt.Sprintf(format, args...))
	f.trace(format, args...)
}

// reach returns the process that a message to an ordinal arrives at.
func (f *fleet) reach(from *process, to int) *process {
	if from.paused {
		return nil
	}
	return f.pods[to]
}

// expired reports whether the claims of an operation may have expired.
func (f *fleet) expired(op *operation) bool { return f.now-op.created > lifetime-2*time.Second }

// currentView is what the controller publishes now.
func (f *fleet) currentView() keyhome.View {
	return keyhome.View{
		Known: true, Expected: f.wanted, Removals: slices.Clone(f.removals), Listed: slices.Sorted(maps.Keys(f.pods)),
	}
}

// publish gives all running instances a new view, each after a while.
func (f *fleet) publish() {
	for _, o := range slices.Sorted(maps.Keys(f.pods)) {
		p := f.pods[o]
		if p == nil || p.dead {
			continue
		}
		f.serial++
		v, serial := f.currentView(), f.serial
		f.after(f.upTo(2*time.Second), func() {
			if serial > p.viewSerial {
				p.viewSerial, p.view = serial, v
			}
		})
	}
}

// start starts an instance on its volume.
func (f *fleet) start(ordinal int, legacy bool) *process {
	if f.volumes[ordinal] == nil {
		f.folders++
		m := keyhometest.NewMemory(fmt.Sprint("folder ", f.folders))
		m.Overwrites = f.omit&keyhome.RuleVersion != 0
		f.volumes[ordinal] = &volume{claims: m, ops: make(map[keyhome.Key]*operation)}
	}
	p := &process{
		fleet: f, ordinal: ordinal, volume: f.volumes[ordinal], legacy: legacy,
		reading: make(map[keyhome.Key]int), granted: make(map[keyhome.Key]int),
	}
	if p.volume.synced != nil {
		p.volume.claims = p.volume.synced.Clone()
	}
	if p.volume.parked { // its claims may have expired, and its operations are too old too
		maps.DeleteFunc(p.volume.ops, func(_ keyhome.Key, op *operation) bool { return f.expired(op) })
	}
	p.volume.parked, p.volume.handed = false, false
	f.pods[ordinal] = p
	f.serial++
	p.viewSerial, p.view = f.serial, f.currentView()
	p.home = keyhome.NewWithout(keyhome.Config{
		Ordinal: ordinal, Table: crashingTable{p.volume.claims, f.world, p}, Transport: transport{p}, Holdings: p,
		View: func() keyhome.View { return p.view }, Clock: skewed{f.world, f.upTo(time.Second)}, Lifetime: lifetime,
	}, f.omit)
	f.trace("%d starts", ordinal)
	if !legacy {
		f.spawn(p, p.run)
	}
	return p
}

// run starts the home of a process and calls Tick as long as the process lives.
func (p *process) run() {
	if err := p.home.Start(context.Background()); err != nil {
		panic(err)
	}
	if p.home.State().Standing == keyhome.Joining {
		p.backfill()
	}
	for {
		_ = p.home.Tick(context.Background())
		if p.fleet.omit&keyhome.RuleDurable != 0 {
			p.volume.synced = p.volume.claims.Clone()
		}
		if p.home.Ready() {
			p.volume.left = false
		}
		_ = p.fleet.Sleep(context.Background(), p.fleet.upTo(tickEvery))
	}
}

// backfill claims the keys of operations that a release without key homes has created.
func (p *process) backfill() {
	for _, k := range p.fleet.keys {
		if op := p.volume.ops[k]; op != nil {
			_, _ = p.volume.claims.Save(context.Background(), nil, []keyhome.Claim{{
				Key: k, Owner: p.ordinal, Version: keyhome.HeldVersion(start.Add(op.created)),
			}})
		}
	}
}

// crash ends a process without warning.
func (p *process) crash() {
	if !p.dead {
		p.dead, p.died = true, p.fleet.now
		p.fleet.trace("%d crashes", p.ordinal)
	}
}

// stop is a planned stop: the instance hands over, serves requests until the last load balancer
// knows, then its process ends.
func (p *process) stop(forGood bool, done func()) {
	f := p.fleet
	f.trace("%d leaves", p.ordinal)
	f.spawn(p, func() {
		ctx, cancel := context.WithCancel(context.Background())
		f.after(5*time.Second, cancel)
		if !p.legacy {
			p.volume.handed = p.home.Leave(ctx, forGood) == nil && p.volume.standing() == keyhome.Gone
		}
		_ = f.Sleep(context.Background(), f.upTo(time.Second))
		p.stops = true
		_ = f.Sleep(context.Background(), time.Second) // running requests end
		f.after(0, func() {
			p.crash()
			done()
		})
	})
}

// lose replaces the volume of an instance that does not run. Keys whose only claim it held may be
// signed again.
func (f *fleet) lose(ordinal int) {
	f.trace("%d loses its volume", ordinal)
	f.excuse(f.volumes[ordinal], true)
	f.volumes[ordinal] = nil
}

// excuse excuses the keys of operations, present ones and those that are being created, whose
// claims no volume but this one holds. withOperations says that the operations of this volume are
// lost too.
func (f *fleet) excuse(lost *volume, withOperations bool) {
	type ownership struct {
		owner int
		since time.Duration
	}
	owners := make(map[keyhome.Key][]ownership)
	add := func(k keyhome.Key, owner int, since time.Duration) {
		owners[k] = append(owners[k], ownership{owner, since})
	}
	for _, v := range f.volumes {
		if v != nil && !(v == lost && withOperations) {
			for k, op := range v.ops {
				add(k, op.owner, op.created)
			}
		}
	}
	for o, p := range f.pods {
		if p != nil && !p.dead {
			for k := range p.granted {
				add(k, o, f.now)
			}
		}
	}
	for k, all := range owners {
		for _, o := range all {
			if !f.claimed(k, o.owner, o.since, lost) {
				f.trace("key %v is excused", k)
				f.excused[k] = true
			}
		}
	}
}

// claimed reports whether a volume holds a claim of the owner that lives as long as an operation
// that was created then.
func (f *fleet) claimed(k keyhome.Key, owner int, since time.Duration, except *volume) bool {
	end := start.Add(since + lifetime - time.Second).Unix()
	for _, v := range f.volumes {
		if v == nil || v == except || v.parked || v.left || v.standing() == keyhome.Gone {
			continue
		}
		if v.standing() == keyhome.Joining && f.formed() {
			continue // nobody asks it before it is a member
		}
		if e, ok, _ := v.claims.Get(context.Background(), k); ok && e.Owner == owner && (e.Expires == 0 || e.Expires >= end) {
			return true
		}
	}
	return false
}

// formed reports whether an instance is a member.
func (f *fleet) formed() bool {
	for _, v := range f.volumes {
		if v != nil && !v.parked && (v.standing() == keyhome.In || v.standing() == keyhome.Out) {
			return true
		}
	}
	return false
}

// standing returns the standing that is saved on a volume.
func (v *volume) standing() keyhome.Standing {
	loaded, err := v.claims.Load(context.Background())
	if err != nil {
		panic(err)
	}
	v.left = v.left || loaded.State.Standing == keyhome.Gone
	return loaded.State.Standing
}

// Holds implements keyhome.Holdings.
func (p *process) Holds(_ context.Context, k keyhome.Key) (bool, error) {
	return p.volume.ops[k] != nil, nil
}

// retain removes operations that are older than retention. Some are kept longer.
func (f *fleet) retain() {
	for _, o := range slices.Sorted(maps.Keys(f.volumes)) {
		v, p := f.volumes[o], f.pods[o]
		if v == nil || p == nil || p.dead {
			continue
		}
		for _, k := range f.keys {
			if op := v.ops[k]; op != nil && f.now-op.created > lifetime && f.chance(0.1) {
				op.removed = true
				delete(v.ops, k)
			}
		}
	}
}

// traceMessage prints a message that was handled and may have changed something.
func (f *fleet) traceMessage(to int, m keyhome.Message, r keyhome.Reply, err error) {
	switch m.Kind {
	case keyhome.KindQuery, keyhome.KindConfirm, keyhome.KindHint, keyhome.KindFindHint:
		return
	case keyhome.KindClaim, keyhome.KindRelease:
		f.trace(
			"%d -> %d %s %v attempt %d: %s owner %d %v",
			m.From,
			to,
			m.Kind,
			m.Claim.Key,
			m.Claim.Attempt,
			r.Answer,
			r.Owner,
			err,
		)
		return
	}
	var keys []string
	for _, c := range slices.Concat(m.Claims, r.Claims) {
		keys = append(keys, c.Key.String()[:4])
	}
	f.trace("%d -> %d %s last=%v commit=%v epoch=%d heirs=%v held=%v: %s %v %v", m.From, to, m.Kind, m.Last, m.Commit,
		m.Epoch, m.Heirs, m.Held, r.Answer, keys, err)
}
