package signing

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// settler finds an end for orphaned calls. These calls have no recorded end, and no goroutine of
// this process is going to record one. A crash, a lost answer or a disk fault left them. It is safe
// for concurrent use.
type settler struct {
	cfg     *Config
	store   Store
	log     logr.Logger
	live    *liveCalls
	pending *pendingAnswers
	resumer resumer

	mu sync.Mutex
	// claims are the calls that a goroutine is settling. The channel is closed when that is over.
	claims map[string]chan struct{}
}

func newSettler(cfg *Config, live *liveCalls, pending *pendingAnswers) *settler {
	return &settler{
		cfg:     cfg,
		store:   cfg.Store,
		log:     cfg.Log,
		live:    live,
		pending: pending,
		resumer: resumer{log: cfg.Log, timeout: cfg.Batch.CallTimeout},
		claims:  make(map[string]chan struct{}),
	}
}

// settle finds an end for the orphaned calls that match. With resume it requests the answers under
// the noted handles from the provider. Where there is no handle, or no answer any more, the outcome
// is unknown and Config.UnknownOutcome decides. A call whose answer may still come is left as it
// is. So is each call with a handle when resume is false. The error is the store's.
func (s *settler) settle(ctx context.Context, match func(CallRecord) bool, resume bool) error {
	calls, err := s.orphans(ctx)
	if err != nil {
		return err
	}
	calls = slices.DeleteFunc(calls, func(c CallRecord) bool { return !match(c) })
	errs := make([]error, len(calls))
	// Each may wait for the provider as long as a call does. There are not more of them than were in
	// flight together.
	var all sync.WaitGroup
	for i, call := range calls {
		all.Go(func() { errs[i] = s.settleOne(ctx, call, resume) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// orphans lists the open calls that no goroutine of this process is going to end.
func (s *settler) orphans(ctx context.Context) ([]CallRecord, error) {
	open, err := s.store.OpenCalls(ctx)
	if err != nil {
		return nil, err
	}
	orphaned := s.live.notLive(open)
	// Some of these calls may have ended between the listing and the look at the live calls. A call
	// that is still open now, and was not live, is orphaned.
	open, err = s.store.OpenCalls(ctx)
	return slices.DeleteFunc(open, func(call CallRecord) bool { return !orphaned[call.ID] }), err
}

// settlePause is the time between two searches for orphaned calls whose documents have all ended.
const settlePause = time.Minute

// run settles orphaned calls whose documents have all ended, until ctx is done. A disk fault at the
// wrong moment leaves such calls. No operation looks at them any more, and the signatures that they
// may have cost must be counted before the next start.
func (s *settler) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(settlePause):
		}
		if err := s.settleEnded(ctx); err != nil && ctx.Err() == nil {
			s.log.Error(err, "could not settle the calls whose documents have all ended")
		}
	}
}

// settleEnded settles the orphaned calls whose documents have all ended.
func (s *settler) settleEnded(ctx context.Context) error {
	calls, err := s.orphans(ctx)
	for i := 0; i < len(calls) && err == nil; i++ {
		var sent []Ref
		if sent, err = s.stillSent(ctx, calls[i].Refs); err == nil && len(sent) == 0 {
			err = s.settleOne(ctx, calls[i], false)
		}
	}
	return err
}

// settleOne settles one call, or waits while another goroutine does it.
func (s *settler) settleOne(ctx context.Context, call CallRecord, resume bool) error {
	for other := s.claim(call.ID); other != nil; other = s.claim(call.ID) {
		select {
		case <-other:
		case <-ctx.Done():
			return nil
		}
		if resume {
			return nil // the other one has requested the answer
		}
		// The other one may have left the call as it was, because the documents of this operation had not
		// ended at that time.
	}
	defer s.release(call.ID)
	open, err := s.store.OpenCalls(ctx)
	if err != nil || !slices.ContainsFunc(open, func(c CallRecord) bool { return c.ID == call.ID }) {
		return err // it was settled after it was listed
	}
	return s.settleClaimed(ctx, call, resume)
}

// claim makes the caller the one that settles a call. If another one is doing that already, claim
// returns a channel that is closed when the other one has finished.
func (s *settler) claim(call string) (other <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.claims[call]; other != nil {
		return other
	}
	s.claims[call] = make(chan struct{})
	return nil
}

// release ends a claim.
func (s *settler) release(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.claims[call])
	delete(s.claims, call)
}

// settleClaimed settles a call that the caller has claimed.
func (s *settler) settleClaimed(ctx context.Context, call CallRecord, resume bool) error {
	sent, err := s.stillSent(ctx, call.Refs)
	if err != nil {
		return err
	}
	why := Errorf(KindProvider, "the signing service's answer was lost; the signature may exist")
	fail := s.cfg.UnknownOutcome == UnknownFail
	if call.Handle != "" && len(sent) > 0 {
		if !resume || s.pending.tooSoon(call.ID) {
			return nil
		}
		said, pending, err := s.storeAnswer(ctx, call, sent)
		if err != nil || said == nil {
			return err
		}
		if pending {
			_ = s.pending.add(call.ID, call.Refs, said)
			return nil
		}
		switch {
		case errors.Is(said, ErrBadAnswer):
			why, fail = Errorf(KindProvider, badAnswerDetail), true
		case errors.Is(said, errNewCertificate):
			why = said // the values are lost, and the policy decides
		}
	}
	s.pending.remove(call.ID)
	s.log.Info("outcome of a call is unknown", "call", call.ID, "credential", call.Credential,
		"digests", len(call.Refs), "policy", string(s.cfg.UnknownOutcome), "reason", why.Detail)
	if len(sent) > 0 && fail {
		if err := failSent(ctx, s.cfg, sent, why); err != nil {
			return err
		}
	}
	return s.store.AbandonCall(ctx, call.ID, OutcomeUnknown)
}

// stillSent returns those of refs whose documents still wait for the end of their call. The others
// have failed already, for example when a process died after it had failed them.
func (s *settler) stillSent(ctx context.Context, refs []Ref) ([]Ref, error) {
	var sent []Ref
	for _, ref := range refs {
		docs, err := s.store.Documents(ctx, ref.Operation, ref.Index, 1)
		if err != nil && KindOf(err) != KindNotFound {
			return nil, err
		}
		if len(docs) == 1 && docs[0].State == DocumentSent {
			sent = append(sent, ref)
		}
	}
	return sent, nil
}
