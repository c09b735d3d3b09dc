package keyhome

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// upkeep does the slow work of an instance: it copies claims to their second homes, removes expired
// claims, and notices instances that were removed. One goroutine uses it.
type upkeep struct {
	*keeper
	arrival   *arrival
	requester *requester
	holdings  Holdings

	copyAfter, expireAfter int64 // positions up to which the table was looked at
}

// tick does one round. It returns errWaiting while this instance waits for others.
func (u *upkeep) tick(ctx context.Context) error {
	v := u.arrival.view()
	return errors.Join(
		u.reserve(ctx),
		u.noteView(ctx, v),
		u.arrival.arrive(ctx),
		u.removed(ctx, v),
		u.mark(ctx),
		u.replicate(ctx),
		u.expire(ctx),
		u.greet(ctx, v),
	)
}

// noteView records that this instance has survived a removal, because it is expected again and has
// existed all the time. Otherwise its next start would take it for one that others have replaced.
func (u *upkeep) noteView(ctx context.Context, v View) error {
	removals := v.removals(u.ordinal)
	if s := u.look(); !v.Known || u.ordinal >= v.Expected || removals <= s.Removals || s.Standing != In {
		return nil
	}
	return u.change(ctx, nil, func(s *State) error {
		s.Removals = removals
		return nil
	})
}

// removed stops waiting for instances that were removed or have left for good. The claims of their
// keys are fetched from all members first, because they may have taken over what this instance has
// missed.
func (u *upkeep) removed(ctx context.Context, v View) error {
	before := u.look()
	removed := u.arrival.gone(&before, v)
	if len(removed) == 0 || before.Standing != In {
		return nil
	}
	isRemoved := make(map[int]bool)
	for _, o := range removed {
		isRemoved[o] = true
	}
	members := slices.DeleteFunc(before.members(), func(o int) bool { return isRemoved[o] })
	for _, again := range []bool{false, true} { // first only what is new, which shows that all answer
		for _, peer := range members {
			if err := u.pullAll(ctx, peer, again); err != nil {
				return fmt.Errorf("take over from removed instances: %w", err)
			}
		}
	}
	return u.change(ctx, nil, func(s *State) error {
		for _, o := range removed {
			if p := s.Peers[o]; p.Epoch == before.Peers[o].Epoch { // else it has joined again meanwhile
				s.Peers[o] = Peer{Epoch: p.Epoch, Standing: Gone, Removals: p.Removals}
			}
		}
		return nil
	})
}

// pullAll fetches claims from a peer, with fromStart also those that it had before.
func (u *upkeep) pullAll(ctx context.Context, peer int, fromStart bool) error {
	if fromStart {
		err := u.change(ctx, nil, func(s *State) error {
			p := s.Peers[peer]
			p.After = 0
			s.Peers[peer] = p
			return nil
		})
		if err != nil {
			return err
		}
	}
	_, err := u.arrival.pull(ctx, peer, false)
	return err
}

// replicate copies one page of claims to their second homes.
func (u *upkeep) replicate(ctx context.Context) error {
	entries, err := u.table.Page(ctx, u.copyAfter, PageSize)
	if err != nil {
		return fmt.Errorf("read claims: %w", err)
	}
	inside, folders, pages := []int(nil), make(map[int]string), make(map[int][]Entry)
	_ = u.decide(func(s *State) error {
		inside = s.inside()
		for _, e := range entries {
			u.copyAfter = e.Position
			second := top(e.Key, inside)
			if folder := s.Peers[second].Folder; second >= 0 && u.acts(s, e.Key) && e.Copied != tag(folder) {
				pages[second], folders[second] = append(pages[second], e), folder
			}
		}
		return nil
	})
	if len(entries) < PageSize {
		u.copyAfter = 0
	}
	for _, second := range inside {
		if len(pages[second]) > 0 && !u.omit.has(ruleCopy) {
			u.send(ctx, second, folders[second], pages[second])
		}
	}
	return nil
}

// expire looks at one page of claims and removes those that have expired and that their owners need
// no more.
func (u *upkeep) expire(ctx context.Context) error {
	entries, err := u.table.Page(ctx, u.expireAfter, PageSize)
	if err != nil {
		return fmt.Errorf("read claims: %w", err)
	}
	now := u.clock.Now().Unix()
	byOwner := make(map[int][]Entry)
	for _, e := range entries {
		u.expireAfter = e.Position
		if e.Expires != 0 && e.Expires <= now {
			byOwner[e.Owner] = append(byOwner[e.Owner], e)
		}
	}
	if len(entries) < PageSize {
		u.expireAfter = 0
	}
	for _, owner := range slices.Sorted(maps.Keys(byOwner)) {
		if err := u.expireOf(ctx, owner, byOwner[owner]); err != nil {
			return err
		}
	}
	return nil
}

// expireOf asks the owner of expired claims. While the owner does not answer, the claims stay,
// unless it was removed and they expired removedWait ago. Until then it may be back with an
// operation that has not expired by its clock, although this instance does not know it yet and the
// question was lost.
func (u *upkeep) expireOf(ctx context.Context, owner int, expired []Entry) error {
	m := Message{Kind: KindConfirm, From: u.ordinal}
	for i := range expired {
		m.Claims = append(m.Claims, expired[i].Claim)
	}
	var needed map[Key]int64
	if !u.omit.has(ruleConfirm) {
		reply, err := u.requester.send(ctx, owner, m)
		if err != nil || reply.Answer != Done {
			if !u.arrival.view().absent(owner) {
				return nil // asked again later
			}
			if !u.omit.has(ruleExpireLate) {
				expired = u.expiredBefore(expired, removedWait)
			}
		}
		needed = make(map[Key]int64)
		for _, c := range reply.Claims {
			needed[c.Key] = c.Expires
		}
	}
	var changes []Change
	for _, e := range expired {
		if u.tooNew(&e) {
			continue
		}
		change := Change{Key: e.Key, Version: e.Version}
		if expires, ok := needed[e.Key]; ok {
			renewed := e
			renewed.Expires = expires
			change.Next = &renewed
		}
		changes = append(changes, change)
	}
	if err := u.table.SwapAll(ctx, changes); err != nil {
		return fmt.Errorf("remove expired claims: %w", err)
	}
	return nil
}

// expiredBefore returns the entries that expired at least that long ago.
func (u *upkeep) expiredBefore(entries []Entry, ago time.Duration) []Entry {
	limit := u.clock.Now().Add(-ago).Unix()
	return slices.DeleteFunc(entries, func(e Entry) bool { return e.Expires > limit })
}

// confirm returns those of this instance's claims that are still needed, with a new expiry: the
// operation exists, or a request is using the key.
func (u *upkeep) confirm(ctx context.Context, m Message) (Reply, error) {
	reply := Reply{Answer: Done, DeferTo: -1}
	for _, c := range m.Claims {
		needed := u.requester.Using(c.Key)
		if !needed {
			holds, err := u.holdings.Holds(ctx, c.Key)
			if err != nil {
				return Reply{}, fmt.Errorf("look for operation: %w", err)
			}
			needed = holds
		}
		if needed {
			c.Expires = u.clock.Now().Add(u.requester.lifetime).Unix()
			reply.Claims = append(reply.Claims, c)
		}
	}
	return reply, nil
}

// greet asks the instances that are not members, and those that did not know key homes when they
// were asked last, so that this instance learns whether they know key homes now.
func (u *upkeep) greet(ctx context.Context, v View) error {
	s := u.look()
	legacy := u.requester.legacyAmong(v.all())
	for _, o := range v.all() {
		if o == u.ordinal || s.Peers[o].Standing == In && !slices.Contains(legacy, o) {
			continue
		}
		_, err := u.transport.Send(ctx, o, Message{Kind: KindQuery, From: u.ordinal})
		u.requester.note(o, err)
	}
	return nil
}
