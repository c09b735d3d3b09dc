package keyhome

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

const (
	// retryPause is the time before an attempt to reach the home of a key is repeated. A hand-over or
	// a return takes about one message and one write.
	retryPause = 50 * time.Millisecond
	// retries is how often a claim is attempted before the request is refused. The pause doubles each
	// time, so a request waits 1.5 seconds for a hand-over on slow disks.
	retries = 6
	// maxAsked bounds how many instances one attempt asks, because each that is missing takes time.
	// The homes are the first two.
	maxAsked = 4
	// releaseTimeout bounds a release. A client whose request was refused waits for it, so that its
	// next request finds no claim.
	releaseTimeout = 5 * time.Second
)

// Outcome says what an instance does with a request that has an Idempotency-Key.
type Outcome string

const (
	// Create: this instance owns the key. It creates the operation, or replays the one that it has.
	Create Outcome = "create"
	// Forward: another instance owns the key and decides, also if the request differs.
	Forward Outcome = "forward"
	// Refuse: the home of the key is missing. Nothing may be created.
	Refuse Outcome = "refuse"
)

// Decision is the result of Acquire.
type Decision struct {
	Outcome Outcome
	Owner   int // with Forward: ordinal of the owner
	// Gone says, with Forward, that the owner was removed: it is neither expected nor does it exist,
	// as far as this instance knows. It may be back already, so try to forward the request. If the
	// owner does not answer, the key is refused until the claim expires, because the operation may
	// exist on the owner's volume. Without Gone an owner that does not answer is expected back.
	Gone bool
	// Missing is an instance that did not answer, with Refuse; -1 = not known.
	Missing int
	// Differs says that the owner's claim was made for a request with another fingerprint. Only the
	// owner knows whether the operation exists, so it refuses such a request, not this instance.
	Differs bool
	// AskAll says that instances are expected that know no key homes. With Create, all other
	// instances must be asked in the old way before the operation is created. See AskedAll.
	AskAll bool

	claimed Claim // the claim at this instance alone, if no instance is a member yet
}

// attemptVersion is the version of a claim that no home has granted, before the other instances
// were asked.
const attemptVersion = 1

// HeldVersion is the version of the claim for an operation that exists although no home has granted
// its key: it was created at that time.
func HeldVersion(created time.Time) uint64 { return max(nanos(created), attemptVersion+1) }

// requester claims keys for the requests of this instance.
type requester struct {
	*register
	view     func() View
	send     func(ctx context.Context, to int, m Message) (Reply, error) // also to this instance
	clock    Clock
	holdings Holdings
	lifetime time.Duration
	log      logr.Logger

	mu     sync.Mutex
	uses   map[Key]*use
	legacy map[int]bool // peers that know no key homes, by their last answer
}

// use counts the requests of this instance that are using a key now.
type use struct {
	requests int
	created  bool
	home     int // that granted the claim; -1 = none did
	attempt  uint64
}

// Hold is the use of a key by one request. Done must be called once.
type Hold struct {
	Decision
	requester *requester
	key       Key
}

// Acquire claims a key. The caller must not create the operation unless the outcome is Create. It
// calls Done when the operation is durable or will not be created. Concurrent requests with the
// same key at the same instance all get Create; the store lets one of them create the operation.
//
// print is the fingerprint of the request; zero if it was not read yet. err is not nil if the table
// failed, and the outcome is Refuse then.
func (r *requester) Acquire(ctx context.Context, key Key, print Fingerprint) (*Hold, error) {
	r.begin(key)
	hold := &Hold{requester: r, key: key, Decision: Decision{Outcome: Refuse, Missing: -1}}
	claim := Claim{Key: key, Owner: r.ordinal, Fingerprint: print}
	if r.lifetime > 0 {
		claim.Expires = r.clock.Now().Add(r.lifetime).Unix()
	}
	for try := range retries {
		if try > 0 && r.clock.Sleep(ctx, retryPause<<(try-1)) != nil {
			break
		}
		claim.Attempt = max(r.tick(), claim.Attempt+1)
		d, err := r.attempt(ctx, &claim)
		if err != nil {
			return hold, err
		}
		hold.Decision = d
		if d.Outcome != Refuse || try > 0 && d.Missing >= 0 && d.Missing < r.view().Expected {
			break // others take over from an instance that is removed, but not from one that is missing
		}
	}
	return hold, nil
}

func (r *requester) begin(key Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.uses[key]
	if u == nil {
		u = &use{home: -1}
		r.uses[key] = u
	}
	u.requests++
}

// attempt asks the instances in the order of their rank until one decides. If the home knows a
// later attempt of this instance, c.Attempt becomes that one.
//
// An instance that does not decide about the key may know an old claim. Its answer counts only if
// the instance that decides, as far as it knows, does not answer.
func (r *requester) attempt(ctx context.Context, c *Claim) (Decision, error) {
	result := Decision{Outcome: Refuse, Missing: -1}
	formed := false
	route := r.route(c.Key)
	for asked := 0; asked < len(route) && asked < maxAsked; asked++ {
		home := route[asked]
		reply, err := r.send(ctx, home, Message{Kind: KindClaim, From: r.ordinal, Claim: *c})
		r.note(home, err)
		if err != nil {
			if ctx.Err() != nil {
				r.granted(*c, home) // perhaps, so that Done releases the claim of a client that went away
			}
			if home == r.ordinal {
				return Decision{Outcome: Refuse, Missing: -1}, err
			}
			if result.Missing < 0 && result.Outcome == Refuse && !errors.Is(err, ErrLegacy) {
				result.Missing = home
			}
			continue
		}
		switch next := reply.DeferTo; {
		case reply.Answer == Granted:
			r.granted(*c, home)
			return Decision{Outcome: Create, Missing: -1, AskAll: r.anyLegacy()}, nil
		case reply.Answer == Stale:
			// The clock of this instance was set back, or its folder was lost. The next attempt is newer.
			c.Attempt = max(c.Attempt, reply.Clock)
			return Decision{Outcome: Refuse, Missing: -1}, nil
		case reply.Answer == Known && reply.Owner != r.ordinal:
			if next < 0 || slices.Contains(route[:asked+1], next) {
				return r.forward(reply), nil
			}
			result = r.forward(reply)
		}
		formed = formed || reply.Standing != Joining
		if next := reply.DeferTo; next >= 0 && !slices.Contains(route[:asked+1], next) {
			route = slices.Insert(slices.DeleteFunc(route, func(o int) bool { return o == next }), asked+1, next)
		}
	}
	if !formed {
		return r.unformed(ctx, *c, result)
	}
	return result, nil
}

// forward is the decision for a key that another instance owns.
func (r *requester) forward(known Reply) Decision {
	return Decision{
		Outcome: Forward, Owner: known.Owner, Gone: r.view().absent(known.Owner), Differs: known.Differs, Missing: -1,
	}
}

// route returns the instances that may be the home of a key, in the order in which they are asked.
// Those that handed over to this instance are not asked.
func (r *requester) route(k Key) []int {
	v, s := r.view(), r.look()
	all := []int{r.ordinal}
	for _, o := range v.all() {
		if p := s.Peers[o]; o != r.ordinal && p.Standing != Out && p.Standing != Gone {
			all = append(all, o)
		}
	}
	for _, o := range s.inside() {
		if !slices.Contains(all, o) {
			all = append(all, o)
		}
	}
	return rank(k, all)
}

// unformed claims a key at this instance alone, because no instance is a member yet: all are new,
// or are of a release without key homes. All others must be asked in the old way then. An instance
// that becomes a member fetches this claim first.
func (r *requester) unformed(ctx context.Context, c Claim, refused Decision) (Decision, error) {
	if !r.started.Load() {
		return refused, errNotStarted // what is in the table is not known yet
	}
	c.Version = attemptVersion
	claimed, err := r.claimAlone(ctx, c)
	if err != nil {
		return refused, err
	}
	if !claimed {
		return r.claimedByAnother(ctx, c, refused)
	}
	r.granted(c, r.ordinal)
	for _, o := range r.view().all() {
		if o == r.ordinal {
			continue
		}
		reply, err := r.send(ctx, o, Message{Kind: KindQuery, From: r.ordinal, Claim: c})
		r.note(o, err)
		switch {
		case errors.Is(err, ErrLegacy):
		case err != nil || reply.Standing != Joining:
			return refused, nil
		case reply.Answer == Known && reply.Owner != r.ordinal:
			return r.forward(reply), nil
		}
	}
	return Decision{Outcome: Create, Missing: -1, AskAll: true, claimed: c}, nil
}

// claimedByAnother is the decision if this instance could not claim a key alone. If it has fetched
// the claim of another instance, that instance decides.
func (r *requester) claimedByAnother(ctx context.Context, c Claim, refused Decision) (Decision, error) {
	e, ok, err := r.table.Get(ctx, c.Key)
	if err != nil || !ok || e.Owner == r.ordinal {
		return refused, err
	}
	return r.forward(Reply{Owner: e.Owner, Differs: e.Fingerprint.differs(c.Fingerprint)}), nil
}

// claimAlone writes a claim that no home has granted. It does nothing and returns false if another
// instance may be the home of the key by now, or has claimed it.
func (r *requester) claimAlone(ctx context.Context, c Claim) (claimed bool, err error) {
	err = r.decide(func(s *State) error {
		if s.Standing != Joining || s.blocker(c.Key, r.ordinal, r.omit) >= 0 {
			return nil
		}
		e, ok, err := r.table.Get(ctx, c.Key)
		if claimed = err == nil && ok && e.Owner == r.ordinal && e.Version > c.Version; claimed {
			return nil // this instance had the key before
		}
		if err != nil || ok && e.Owner != r.ordinal {
			return err
		}
		claimed, err = r.table.Swap(ctx, c.Key, e.Version, &Entry{Claim: c})
		return err
	})
	return claimed, err
}

// AskedAll says that all other instances were asked in the old way and do not know the key. Call it
// if AskAll is set, and create the operation only if it returns true. It returns false if an
// instance has become a member meanwhile, so that the request must be repeated.
func (h *Hold) AskedAll(ctx context.Context) (bool, error) {
	c := h.claimed
	if c.Version == 0 {
		return true, nil // a home has granted the claim
	}
	if err := h.requester.followTime(ctx); err != nil {
		return false, err
	}
	c.Version = h.requester.tick()
	return h.requester.claimAlone(ctx, c)
}

// note remembers which peers know no key homes.
func (r *requester) note(peer int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case errors.Is(err, ErrLegacy):
		r.legacy[peer] = true
	case err == nil:
		delete(r.legacy, peer)
	}
}

// legacyAmong returns those of the instances that know no key homes. It forgets all others, because
// they were removed.
func (r *requester) legacyAmong(instances []int) (list []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.legacy, func(o int, _ bool) bool { return !slices.Contains(instances, o) })
	return slices.Sorted(maps.Keys(r.legacy))
}

func (r *requester) anyLegacy() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.legacy) > 0
}

func (r *requester) granted(c Claim, home int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if u := r.uses[c.Key]; u.attempt < c.Attempt {
		u.attempt, u.home = c.Attempt, home
	}
}

// Using reports whether a request of this instance is using a key.
func (r *requester) Using(key Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.uses[key] != nil
}

// Done ends the use of the key. created says that the operation exists. If none of the requests
// that used the key at the same time created it, the claim is released. It stays if the operation
// exists nevertheless: a request may have created it that ended just before this one asked.
func (h *Hold) Done(ctx context.Context, created bool) {
	u := h.requester.end(h.key, created)
	if u == nil || u.created || u.home < 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if holds, err := h.requester.holdings.Holds(ctx, h.key); holds || err != nil {
		return
	}
	if !h.requester.release(ctx, h.key, u) {
		// A repetition finds the claim and comes to this instance, which may then create the operation.
		h.requester.log.V(1).Info("could not release a claim", "home", u.home)
	}
}

// release releases a claim at the home that has granted it. If that home has left since, or does
// not answer, it releases the claim at its successor too.
func (r *requester) release(ctx context.Context, key Key, u *use) bool {
	m := Message{Kind: KindRelease, From: r.ordinal, Claim: Claim{Key: key, Owner: r.ordinal, Attempt: u.attempt}}
	successors := slices.DeleteFunc(r.route(key), func(o int) bool { return o == u.home })
	for _, home := range append([]int{u.home}, successors[:min(len(successors), 2)]...) {
		if reply, err := r.send(ctx, home, m); err == nil && reply.Answer == Done {
			return true
		}
	}
	return false
}

// end counts a request down. It returns the use when no request uses the key any more.
func (r *requester) end(key Key, created bool) *use {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.uses[key]
	u.created = u.created || created
	if u.requests--; u.requests > 0 {
		return nil
	}
	delete(r.uses, key)
	return u
}
