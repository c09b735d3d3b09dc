package signing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// settler finds an end for calls that have none recorded and that nobody in this process is going
// to end ("orphaned" calls): a crash, a lost answer or a disk fault left them. It is safe for
// concurrent use.
type settler struct {
	cfg     *Config
	store   Store
	log     logr.Logger
	live    *liveCalls
	pending *pendingAnswers
	resumer resumer

	mu sync.Mutex
	// underWay are the calls that somebody is settling. The channel is closed when that is over.
	underWay map[string]chan struct{}
}

func newSettler(cfg *Config, live *liveCalls, pending *pendingAnswers) *settler {
	return &settler{
		cfg:      cfg,
		store:    cfg.Store,
		log:      cfg.Log,
		live:     live,
		pending:  pending,
		resumer:  resumer{log: cfg.Log, timeout: cfg.Batch.CallTimeout},
		underWay: make(map[string]chan struct{}),
	}
}

// liveCalls are the calls that this process has begun and not ended. It is safe for concurrent use.
type liveCalls struct {
	mu  sync.Mutex
	ids map[string]bool
}

func newLiveCalls() *liveCalls { return &liveCalls{ids: make(map[string]bool)} }

func (l *liveCalls) add(call string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids[call] = true
}

func (l *liveCalls) remove(call string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ids, call)
}

// without returns the ids of those calls that are not live.
func (l *liveCalls) without(calls []CallRecord) map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := make(map[string]bool)
	for _, call := range calls {
		left[call.ID] = !l.ids[call.ID]
	}
	return left
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

// orphans lists the open calls that nobody in this process is going to end.
func (s *settler) orphans(ctx context.Context) ([]CallRecord, error) {
	open, err := s.store.OpenCalls(ctx)
	if err != nil {
		return nil, err
	}
	orphaned := s.live.without(open)
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
		if sent, err = s.sent(ctx, calls[i].Refs); err == nil && len(sent) == 0 {
			err = s.settleOne(ctx, calls[i], false)
		}
	}
	return err
}

// settleOne settles one call, or waits while somebody else does it.
func (s *settler) settleOne(ctx context.Context, call CallRecord, resume bool) error {
	for other := s.claim(call.ID); other != nil; other = s.claim(call.ID) {
		select {
		case <-other:
		case <-ctx.Done():
			return nil
		}
		if resume {
			return nil // there is nothing more to find out
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
	if other := s.underWay[call]; other != nil {
		return other
	}
	s.underWay[call] = make(chan struct{})
	return nil
}

// release ends a claim.
func (s *settler) release(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.underWay[call])
	delete(s.underWay, call)
}

// settleClaimed settles a call that the caller has claimed.
func (s *settler) settleClaimed(ctx context.Context, call CallRecord, resume bool) error {
	sent, err := s.sent(ctx, call.Refs)
	if err != nil {
		return err
	}
	why := Errorf(KindProvider, "the signing service's answer was lost; the signature may exist")
	fail := s.cfg.UnknownOutcome == UnknownFail
	if call.Handle != "" && len(sent) > 0 {
		if !resume || s.pending.tooSoon(call.ID) {
			return nil
		}
		said, open, err := s.resume(ctx, call, sent)
		if err != nil || said == nil {
			return err
		}
		if open {
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

// sent returns those of refs whose documents still wait for the end of their call. The others have
// failed already, for example when a process died after it had failed them.
func (s *settler) sent(ctx context.Context, refs []Ref) ([]Ref, error) {
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

// resume requests the answer of an earlier call for the documents that are still sent, and stores
// its signature values. why says what prevents that, and is nil when the call is settled; open
// reports that the answer may still come. err is the store's.
func (s *settler) resume(ctx context.Context, record CallRecord, sent []Ref) (why *Error, open bool, err error) {
	op, err := s.store.Operation(ctx, sent[0].Operation)
	if KindOf(err) == KindNotFound {
		return nil, false, nil // removed meanwhile: the next search for orphans sees that
	}
	if err != nil {
		return nil, false, err
	}
	p, err := s.cfg.Providers(op.ClientService)
	if err != nil {
		return AsError(err), mayCome(err), nil
	}
	r, ok := p.(Resumer)
	if !ok {
		return Errorf(KindConfiguration, "the client service's provider cannot give an answer again"), false, nil
	}
	call := Call{ID: record.ID, Digests: make([][]byte, len(record.Refs))}
	prepared := make([]*Prepared, len(record.Refs)) // nil: the document was given up meanwhile, with its operation
	for i, ref := range record.Refs {
		if !slices.Contains(sent, ref) {
			continue
		}
		p, _, err := s.store.Prepared(ctx, ref)
		if KindOf(err) == KindNotFound {
			continue // it was given up meanwhile
		}
		if err != nil {
			return nil, false, err
		}
		prepared[i], call.Digests[i] = &p, p.Digest
	}
	bound := credentialResumer{p, r, record.Credential}
	values, open, err := s.resumer.resume(ctx, bound, call, record.Handle)
	if err == nil {
		if err = s.checkValues(ctx, record.Refs, prepared, values); KindOf(err) == KindStorage {
			return nil, false, err
		}
	}
	if err != nil {
		s.log.Error(err, "could not get the answer of an earlier call", "call", record.ID)
		why = AsError(err)
		if errors.Is(err, ErrBadAnswer) {
			ctx, cancel := context.WithTimeout(ctx, s.cfg.Batch.CallTimeout)
			defer cancel()
			why, open = judgeResumed(ctx, p, record, why)
		}
		return why, open, nil
	}
	s.log.Info("got the answer of an earlier call", "call", record.ID, "digests", len(values))
	s.pending.remove(record.ID)
	return nil, false, s.store.EndCall(ctx, record.ID, values)
}

// checkValues verifies the values against the certificates that the documents were prepared for,
// which may have been renewed since. The error is the store's, or ErrBadAnswer with the reason.
func (s *settler) checkValues(ctx context.Context, refs []Ref, prepared []*Prepared, values [][]byte) error {
	bad := func(format string, args ...any) error {
		return badAnswer(fmt.Errorf(format, args...))
	}
	if len(values) != len(refs) {
		return bad("%d values for %d digests", len(values), len(refs))
	}
	for i, ref := range refs {
		if prepared[i] == nil {
			continue
		}
		docs, err := s.store.Documents(ctx, ref.Operation, ref.Index, 1)
		if err != nil {
			return storageError(err)
		}
		if len(docs) != 1 || s.cfg.Formats[docs[0].Signature.Type] == nil {
			return fmt.Errorf("document of value %d has no format", i)
		}
		if len(values[i]) > maxValueBytes {
			return bad("value %d has %d bytes", i, len(values[i]))
		}
		if err := s.cfg.Formats[docs[0].Signature.Type].CheckValue(*prepared[i], values[i]); err != nil {
			return bad("value %d: %w", i, err)
		}
	}
	return nil
}
