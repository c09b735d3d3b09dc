package keyhome

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// copyTimeout bounds the time in which the second home stores a copy of a claim. It is short
// because a client waits for it, and the claim is valid without the copy.
const copyTimeout = 250 * time.Millisecond

// copyPause is how long a peer that did not store a copy gets no further copies while clients wait.
const copyPause = time.Second

// keeper answers the messages about single claims for the keys whose home this instance is.
type keeper struct {
	*register
	transport Transport
	clock     Clock

	mu     sync.Mutex
	silent map[int]time.Time // peers that did not store a copy: when
	copied []Entry           // copies that are not yet marked in the table
}

// maxUnmarked bounds keeper.copied. A copy that is not marked is sent once more, which harms
// nothing.
const maxUnmarked = 10_000

// claim decides whether an instance may create the operation of a key. The claim is durable here
// before the answer, and usually at the second home too.
func (k *keeper) claim(ctx context.Context, c Claim) (Reply, error) {
	if err := k.followTime(ctx); err != nil {
		return Reply{}, err
	}
	for {
		var reply Reply
		var entry Entry
		conflict := false
		err := k.decide(func(s *State) (err error) {
			reply, entry, conflict, err = k.grant(ctx, s, c)
			return err
		})
		if err != nil || conflict {
			if conflict {
				continue // another claim of this key was faster
			}
			return Reply{}, err
		}
		if reply.Answer == Granted {
			k.copyTo(ctx, &entry)
		}
		return reply, nil
	}
}

// grant is claim while the State does not change. conflict says that the entry has changed
// meanwhile.
func (k *keeper) grant(ctx context.Context, s *State, c Claim) (reply Reply, e Entry, conflict bool, err error) {
	e, ok, err := k.table.Get(ctx, c.Key)
	if err != nil {
		return reply, e, false, fmt.Errorf("read claim: %w", err)
	}
	switch {
	case !k.acts(s, c.Key):
		return k.notHome(s, c, e, ok), e, false, nil
	case ok && e.Owner != c.Owner && !k.omit.has(ruleFirstOwnerWins):
		return k.known(s, c, e), e, false, nil
	case ok && e.Owner == c.Owner && c.Attempt < e.Attempt:
		reply = k.reply(s, Stale)
		reply.Clock = e.Attempt
		return reply, e, false, nil
	case ok && e.Owner == c.Owner && c.Attempt == e.Attempt: // the message arrived twice
		return k.reply(s, Granted), e, false, nil
	}
	next := Entry{Claim: c}
	next.Version = max(k.tick(), e.Version+1) // e is ahead of the clock if the clock of its home was wrong
	if next.Fingerprint == (Fingerprint{}) {
		next.Fingerprint = e.Fingerprint
	}
	swapped, err := k.table.Swap(ctx, c.Key, e.Version, &next)
	if err != nil {
		return reply, e, false, fmt.Errorf("write claim: %w", err)
	}
	return k.reply(s, Granted), next, !swapped, nil
}

func (k *keeper) reply(s *State, a Answer) Reply {
	return Reply{Answer: a, Standing: s.Standing, DeferTo: -1}
}

func (k *keeper) known(s *State, c Claim, e Entry) Reply {
	reply := k.reply(s, Known)
	reply.Owner, reply.Differs = e.Owner, e.Fingerprint.differs(c.Fingerprint)
	return reply
}

// notHome answers for a key that this instance may not decide about. A claim that a member knows is
// answered nevertheless, because the owner decides. It may be old, so the instance that may decide
// is named too. What a joining instance knows is older still.
func (k *keeper) notHome(s *State, c Claim, e Entry, ok bool) Reply {
	reply := k.reply(s, NotHome)
	if ok && s.Standing != Joining {
		reply = k.known(s, c, e)
	}
	reply.DeferTo = s.blocker(c.Key, k.ordinal, k.omit)
	if reply.DeferTo < 0 && !s.certain(c.Key) {
		reply.DeferTo = top(c.Key, s.Heirs)
	}
	return reply
}

// query answers who owns a key and changes nothing.
func (k *keeper) query(ctx context.Context, from int, c Claim) (reply Reply, err error) {
	err = k.decide(func(s *State) error {
		if s.Standing == Joining && c.Key != (Key{}) {
			k.callers.note(from, k.clock.Now())
		}
		e, ok, err := k.table.Get(ctx, c.Key)
		switch {
		case err != nil:
			return fmt.Errorf("read claim: %w", err)
		case ok: // also while joining, because no member knows better if this is asked
			reply = k.known(s, c, e)
		case !k.acts(s, c.Key):
			reply = k.notHome(s, c, e, ok)
		default:
			reply = k.reply(s, Unknown)
		}
		return nil
	})
	return reply, err
}

// release removes the claim if it still is the same attempt of the same owner, and tells the second
// home. It answers NotHome if another instance may decide about the key by now.
func (k *keeper) release(ctx context.Context, m Message) (reply Reply, err error) {
	removed, second := false, -1
	err = k.decide(func(s *State) error {
		if reply = k.reply(s, Done); !k.acts(s, m.Claim.Key) {
			reply.Answer = NotHome
		}
		second = top(m.Claim.Key, s.inside())
		e, ok, err := k.table.Get(ctx, m.Claim.Key)
		if err != nil {
			return fmt.Errorf("read claim: %w", err)
		}
		if !ok || e.Owner != m.Claim.Owner || e.Attempt != m.Claim.Attempt && !k.omit.has(ruleAttempt) {
			return nil
		}
		if k.tooNew(&e) {
			return nil // a repetition goes to the owner
		}
		removed, err = k.table.Swap(ctx, m.Claim.Key, e.Version, nil)
		return err
	})
	if err == nil && removed && second >= 0 && reply.Answer == Done {
		ctx, cancel := context.WithTimeout(ctx, copyTimeout)
		defer cancel()
		// If it gets lost, the copy stays. It names the owner, and the owner decides.
		_, _ = k.transport.Send(ctx, second, Message{Kind: KindRelease, From: k.ordinal, Claim: m.Claim})
	}
	return reply, err
}

// tooNew reports whether a claim must not be removed yet, because its version is ahead of the
// clock: the clock of its home was wrong. The next claim of the key would have a lower version, and
// a copy of this one at another instance would win against it.
func (k *keeper) tooNew(e *Entry) bool { return e.Version > k.latest() && !k.omit.has(ruleKeepNew) }

// copyTo sends a new claim to the second home. If that fails, the claim is copied later.
func (k *keeper) copyTo(ctx context.Context, e *Entry) {
	s := k.look()
	second := top(e.Key, s.inside())
	if second < 0 || k.omit.has(ruleCopy) || e.Copied == tag(s.Peers[second].Folder) || !k.answers(second) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	k.send(ctx, second, s.Peers[second].Folder, []Entry{*e})
}

// answers reports whether a peer may get a copy while a client waits.
func (k *keeper) answers(peer int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	since, silent := k.silent[peer]
	return !silent || k.clock.Now().Sub(since) >= copyPause
}

// send sends copies of entries to a peer and notes them for mark. It reports whether they are
// durable there.
func (k *keeper) send(ctx context.Context, peer int, folder string, entries []Entry) bool {
	m := Message{Kind: KindCopy, From: k.ordinal}
	for i := range entries {
		m.Claims = append(m.Claims, entries[i].Claim)
	}
	reply, err := k.transport.Send(ctx, peer, m)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return false // the client went away, which says nothing about the peer
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil || reply.Answer != Done || reply.Folder != folder {
		k.silent[peer] = k.clock.Now()
		return false
	}
	delete(k.silent, peer)
	for _, e := range entries {
		if len(k.copied) < maxUnmarked {
			e.Copied = tag(folder)
			k.copied = append(k.copied, e)
		}
	}
	return true
}

// mark records in the table which claims have been copied.
func (k *keeper) mark(ctx context.Context) error {
	k.mu.Lock()
	copied := k.copied
	k.copied = nil
	k.mu.Unlock()
	changes := make([]Change, len(copied))
	for i := range copied {
		changes[i] = Change{copied[i].Key, copied[i].Version, &copied[i]}
	}
	if err := k.table.SwapAll(ctx, changes); err != nil {
		return fmt.Errorf("mark copied claims: %w", err)
	}
	return nil
}

// keep stores copies of another instance's claims.
func (k *keeper) keep(ctx context.Context, m Message) (Reply, error) {
	if _, err := k.table.Save(ctx, nil, m.Claims); err != nil {
		return Reply{}, fmt.Errorf("keep copies: %w", err)
	}
	k.advance(m.Claims)
	return Reply{Answer: Done, Folder: k.folder, DeferTo: -1}, nil
}
