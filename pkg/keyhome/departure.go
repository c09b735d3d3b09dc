package keyhome

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// departure hands the claims of this instance over before a planned stop.
type departure struct {
	*membership
	transport Transport
	clock     Clock
}

// errNoHeir means that no peer took the claims over. This instance looks missing after its stop.
var errNoHeir = errors.New("no other instance took the claims over")

// errRejoins means that this instance must join again, so that it has no duties to hand over.
var errRejoins = errors.New("this instance has to join again before it can hand over")

// leave hands over. This instance decides nothing from the call of leave on, unless leave fails; it
// still answers what it knows. forGood says that it will not return with this state.
//
//  1. It stops deciding.
//  2. It finds the heirs: the peers that answer and do not leave themselves. Each gets the claims
//     of the keys for which it ranks highest among the heirs. Claims that it has are not sent.
//  3. It records durably who the heirs are. From now on it acts again only after it has fetched its
//     claims back from them.
//  4. It tells each heir that it acts.
//
// A crash before step 3 leaves a member, which acts again when it is back. A crash later leaves one
// that has left, and whose heirs act or do not.
func (d *departure) leave(ctx context.Context, forGood bool) (err error) {
	if d.omit.has(ruleHandOver) {
		return nil
	}
	d.register.leave(true)
	if s := d.look(); s.Standing != In {
		return nil // it has no claims to hand over, and joins no more
	}
	defer func() {
		if err != nil && d.look().Standing == In {
			d.register.leave(false)
		}
	}()
	heirs, positions, err := d.prepare(ctx)
	if err != nil {
		return err
	}
	last := Message{Kind: KindHandOver, From: d.ordinal, Last: true, ForGood: forGood, Heirs: heirs, Folder: d.folder}
	err = d.change(ctx, nil, func(s *State) error {
		if s.Standing != In {
			return errRejoins
		}
		for _, heir := range heirs {
			// What an heir has had before the hand-over is known here, unless it still has to be fetched.
			if p := s.Peers[heir]; !slices.Contains(s.Heirs, heir) || slices.Contains(s.Settled, heir) {
				p.After = positions[heir]
				s.Peers[heir] = p
			}
		}
		s.Standing, s.Epoch = Out, d.tick()
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
			if p.Standing == Out {
				last.Held[q] = p.Epoch
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.tell(ctx, heirs, last)
}

// prepare sends the claims to the heirs. It returns the heirs, and the last positions in their
// tables before. If an heir fails, its claims go to the others.
func (d *departure) prepare(ctx context.Context) (heirs []int, positions map[int]int64, err error) {
	positions = make(map[int]int64)
	for _, peer := range d.inside() {
		if position, ok := d.page(ctx, peer, nil); ok {
			heirs = append(heirs, peer)
			positions[peer] = position
		}
	}
	for len(heirs) > 0 {
		failed, err := d.deal(ctx, heirs)
		if err != nil {
			return nil, nil, err
		}
		if failed < 0 {
			return heirs, positions, nil
		}
		heirs = slices.DeleteFunc(heirs, func(o int) bool { return o == failed })
	}
	return nil, nil, errNoHeir
}

func (d *departure) inside() []int {
	s := d.look()
	return s.inside()
}

// page sends claims to an heir. It reports whether they are durable there, and the last position in
// the heir's table.
func (d *departure) page(ctx context.Context, heir int, claims []Claim) (position int64, ok bool) {
	s := d.look()
	m := Message{Kind: KindHandOver, From: d.ordinal, Epoch: s.Epoch, Claims: claims}
	reply, err := d.transport.Send(ctx, heir, m)
	return reply.Next, err == nil && reply.Answer == Done
}

// deal sends each claim to the heir of its key, unless the heir has a copy. It returns an heir that
// failed, or -1.
func (d *departure) deal(ctx context.Context, heirs []int) (failed int, err error) {
	s := d.look()
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
	for after := int64(0); !d.omit.has(ruleSendClaims); {
		entries, err := d.table.Page(ctx, after, PageSize)
		if err != nil {
			return -1, fmt.Errorf("read claims: %w", err)
		}
		for i := range entries {
			after = entries[i].Position
			heir := top(entries[i].Key, heirs)
			if entries[i].Copied == tag(s.Peers[heir].Folder) {
				continue
			}
			pages[heir] = append(pages[heir], entries[i].Claim)
			if !flush(heir, PageSize-1) {
				return heir, nil
			}
		}
		if len(entries) < PageSize {
			break
		}
	}
	for _, heir := range heirs {
		if !flush(heir, 0) {
			return heir, nil
		}
	}
	return -1, nil
}

// tell sends the last message of the hand-over to each heir until each has answered, or ctx is
// done.
func (d *departure) tell(ctx context.Context, heirs []int, last Message) error {
	left := slices.Clone(heirs)
	for {
		left = slices.DeleteFunc(left, func(heir int) bool {
			_, err := d.transport.Send(ctx, heir, last)
			return err == nil
		})
		if len(left) == 0 {
			return nil
		}
		if err := d.clock.Sleep(ctx, retryPause); err != nil {
			return fmt.Errorf("tell the heirs: %w", err)
		}
	}
}
