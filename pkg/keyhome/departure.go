package keyhome

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// departure hands the claims of this instance over before a planned stop.
type departure struct {
	*membership
	transport Transport
	clock     Clock
}

// greetings is how often an instance that leaves asks for heirs while peers decline. A peer that is
// about to return, or to leave too, declines for a few messages, so two seconds are enough.
const greetings = 40

// greetTimeout bounds the wait for one peer that may be down. Its answer is one message.
const greetTimeout = time.Second

var (
	// errNoHeir means that no peer took the claims over. This instance looks missing after its stop.
	errNoHeir = errors.New("no other instance took the claims over")
	// errRejoins means that this instance must join again, so that it has no duties to hand over.
	errRejoins = errors.New("this instance has to join again before it can hand over")
)

// leave hands over. forGood says that this instance will not return with this state.
//
//  1. It finds the heirs: the peers that answer and do not leave themselves. Each gets the claims
//     of the keys for which it ranks highest among the heirs. Claims that it has are not sent.
//  2. It stops deciding, and sends what was claimed meanwhile. It still answers what it knows.
//  3. It records durably who the heirs are. From now on it acts again only after it has fetched its
//     claims back from them.
//  4. It tells each heir that it acts. If an heir declines, because it leaves too or has lost its
//     folder, all steps are repeated without it.
//
// A crash before step 3 leaves a member, which acts again when it is back. A crash later leaves one
// that has left, and whose heirs act or do not.
func (d *departure) leave(ctx context.Context, forGood bool) (err error) {
	if d.omit.has(ruleHandOver) {
		return nil
	}
	if err := d.finishJoining(ctx); err != nil {
		return err
	}
	switch s := d.look(); {
	case s.Standing == Joining || s.Standing == Gone || s.Standing == Out && !forGood:
		return nil // it has no claims to hand over
	}
	defer func() {
		if err != nil && d.look().Standing == In {
			d.stopActing(false)
		}
	}()
	for {
		heirs, positions, err := d.prepare(ctx)
		if err != nil {
			return err
		}
		last, err := d.record(ctx, heirs, positions, forGood)
		if err != nil {
			return err
		}
		told, err := d.tell(ctx, heirs, last)
		if err != nil || told || d.omit.has(ruleAllHeirs) {
			return err
		}
	}
}

// finishJoining waits until no attempt to join is under way. Members that were told that this
// instance acts would wait for it, if it left in the middle. An instance that has not joined then
// does not join any more.
func (d *departure) finishJoining(ctx context.Context) error {
	for !d.stopJoining() {
		if err := d.clock.Sleep(ctx, retryPause); err != nil {
			return fmt.Errorf("wait for the end of joining: %w", err)
		}
	}
	return nil
}

// stopJoining makes sure that an instance that has not joined does not join any more. It returns
// false while members are being told.
func (d *departure) stopJoining() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.joining {
		return false
	}
	d.leaving = d.leaving || d.state.Standing == Joining
	return true
}

// stopActing makes the instance stop acting, or act again after a hand-over that failed.
func (d *departure) stopActing(stop bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leaving = stop
}

// isLeaving reports whether this instance has stopped acting for a hand-over.
func (d *departure) isLeaving() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.leaving
}

// prepare finds the heirs and sends them the claims. It returns the heirs, and the last positions
// in their tables before. If an heir fails, its claims go to the others.
//
// The claims that exist are sent while this instance still decides, because there may be many.
// Then it stops deciding, and sends the claims that were made meanwhile.
func (d *departure) prepare(ctx context.Context) (heirs []int, positions map[int]int64, err error) {
	s := d.look()
	positions = make(map[int]int64)
	heirs = d.greet(ctx, s.members(), positions) // also those that are out, because they may be about to return
	asked := append(s.inside(), heirs...)
	for after := int64(0); len(heirs) > 0; {
		stopped := d.isLeaving()
		next, failed, err := d.deal(ctx, heirs, after)
		switch {
		case err != nil:
			return nil, nil, err
		case failed >= 0:
			heirs = slices.DeleteFunc(heirs, func(o int) bool { return o == failed })
			after = 0 // its claims go to the others
		case stopped:
			return heirs, positions, nil
		default:
			d.stopActing(true)
			after = next
			if late := d.greet(ctx, d.newMembers(asked), positions); len(late) > 0 {
				heirs, after = append(heirs, late...), 0
			}
		}
	}
	return nil, nil, errNoHeir
}

// newMembers returns the peers that are in but not on the list. None is added after this instance
// has stopped deciding, because it lets no peer return or join then.
func (d *departure) newMembers(list []int) []int {
	s := d.look()
	return slices.DeleteFunc(s.inside(), func(o int) bool { return slices.Contains(list, o) })
}

// greet returns those of the peers that take claims over, and adds the last positions in their
// tables. It waits a little for peers that decline, unless this instance has stopped deciding.
func (d *departure) greet(ctx context.Context, peers []int, positions map[int]int64) (heirs []int) {
	ask, tries := slices.Clone(peers), greetings
	if d.isLeaving() {
		tries = 1
	}
	for range tries {
		ask = slices.DeleteFunc(ask, func(peer int) bool {
			ctx, cancel := context.WithTimeout(ctx, greetTimeout)
			defer cancel()
			reply, ok := d.page(ctx, peer, nil)
			if ok {
				heirs = append(heirs, peer)
				positions[peer] = reply.Next
			}
			return reply.Answer != Declined || reply.Standing != In
		})
		if len(ask) == 0 || d.clock.Sleep(ctx, retryPause) != nil {
			break
		}
	}
	return heirs
}

// page sends claims to an heir. It reports whether they are durable there.
func (d *departure) page(ctx context.Context, heir int, claims []Claim) (reply Reply, ok bool) {
	s := d.look()
	m := Message{Kind: KindHandOver, From: d.ordinal, Epoch: s.Epoch, Claims: claims}
	reply, err := d.transport.Send(ctx, heir, m)
	return reply, err == nil && reply.Answer == Done
}

// deal sends each claim after a position to the heir of its key, unless the heir has a copy. It
// returns the position up to which all claims are with the heirs, and an heir that failed, or -1.
//
// After this instance has stopped deciding, each heir gets a page, even an empty one: an heir that
// has stopped too declines it. So an heir always stops later than the instance that it stands in
// for, and no instances wait for each other in a circle when they return.
func (d *departure) deal(ctx context.Context, heirs []int, after int64) (next int64, failed int, err error) {
	s := d.look()
	least := 0
	if d.isLeaving() {
		least = -1
	}
	pages := make(map[int][]Claim)
	flush := func(heir int, least int) bool {
		if len(pages[heir]) <= least {
			return true
		}
		claims := pages[heir]
		pages[heir] = nil
		_, ok := d.page(ctx, heir, claims)
		return ok
	}
	for more := !d.omit.has(ruleSendClaims); more; {
		entries, err := d.table.Page(ctx, after, PageSize)
		if err != nil {
			return 0, -1, fmt.Errorf("read claims: %w", err)
		}
		for i := range entries {
			after = entries[i].Position
			heir := top(entries[i].Key, heirs)
			if entries[i].Copied == tag(s.Peers[heir].Folder) {
				continue
			}
			pages[heir] = append(pages[heir], entries[i].Claim)
			if !flush(heir, PageSize-1) {
				return 0, heir, nil
			}
		}
		more = len(entries) == PageSize
	}
	for _, heir := range heirs {
		if !flush(heir, least) {
			return 0, heir, nil
		}
	}
	return after, -1, nil
}

// record makes durable that this instance has left, and who its heirs are. It returns the message
// that tells them. The heirs of an earlier hand-over from which this instance has not fetched its
// claims back remain heirs.
func (d *departure) record(
	ctx context.Context, heirs []int, positions map[int]int64, forGood bool,
) (last Message, err error) {
	last = Message{Kind: KindHandOver, From: d.ordinal, Last: true, ForGood: forGood, Heirs: heirs, Folder: d.folder}
	err = d.change(ctx, nil, func(s *State) error {
		if s.Standing == Joining {
			return errRejoins
		}
		for _, heir := range heirs {
			// What an heir has had before the hand-over is known here, unless it still has to be fetched.
			if p := s.Peers[heir]; !slices.Contains(s.Heirs, heir) || slices.Contains(s.Settled, heir) {
				p.After = positions[heir]
				s.Peers[heir] = p
			}
		}
		s.Standing, s.Epoch = Out, d.nextEpoch(s)
		if forGood {
			s.Standing = Gone
		}
		s.Settled = slices.DeleteFunc(s.Settled, func(o int) bool { return slices.Contains(heirs, o) })
		for _, heir := range heirs {
			if !slices.Contains(s.Heirs, heir) {
				s.Heirs = append(s.Heirs, heir)
			}
		}
		last.Epoch, last.Clock, last.Standing, last.Held = s.Epoch, d.latest(), s.Standing, make(map[int]uint64)
		for q, p := range s.Peers {
			if p.Standing == Out || p.Standing == Gone {
				last.Held[q] = p.Epoch
			}
		}
		return nil
	})
	return last, err
}

// tell sends the last message of the hand-over to each heir until each has answered, or ctx is
// done. It reports whether all of them act. An heir that declined does not act.
func (d *departure) tell(ctx context.Context, heirs []int, last Message) (told bool, err error) {
	left, told := slices.Clone(heirs), true
	for {
		left = slices.DeleteFunc(left, func(heir int) bool {
			reply, err := d.transport.Send(ctx, heir, last)
			told = told && (err != nil || reply.Answer == Done)
			return err == nil
		})
		if len(left) == 0 {
			return told, nil
		}
		if err := d.clock.Sleep(ctx, retryPause); err != nil {
			return told, fmt.Errorf("tell the heirs: %w", err)
		}
	}
}
