package signing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// recoverPause is the time between attempts to recover while our own disk is in the way: full or
// read-only, it is mended by somebody, and what can be read is served meanwhile. A process that
// ended instead would serve nothing.
const recoverPause = 5 * time.Second

// recovered recovers, however long that takes; false = ctx ended before.
func (s *Service) recovered(ctx, work context.Context) bool {
	for {
		err := s.recover(work)
		if err == nil {
			return true
		}
		s.cfg.Log.Error(err, "what an earlier process left cannot be taken up yet")
		select {
		case <-ctx.Done():
			return false
		case <-time.After(recoverPause):
		}
	}
}

// recover settles the calls that an earlier process left open, but those whose answers can be asked
// for: their operations do that, and nobody has to wait for it. It queues every operation that has
// not ended.
func (s *Service) recover(ctx context.Context) error {
	if err := s.batch.settleCalls(ctx, func(CallRecord) bool { return true }, false); err != nil {
		return fmt.Errorf("settle calls: %w", err)
	}
	ids, err := s.cfg.Store.Unfinished(ctx)
	if err != nil {
		return fmt.Errorf("list unfinished operations: %w", err)
	}
	ops := make([]Operation, len(ids)) // all of them first: a fault in the middle must queue none twice
	for i, id := range ids {
		if ops[i], err = s.cfg.Store.Operation(ctx, id); err != nil {
			return fmt.Errorf("read operation %s: %w", id, err)
		}
	}
	for _, op := range ops {
		s.cfg.Log.Info(
			"operation resumed",
			"operation",
			op.ID,
			"externalReference",
			op.ExternalReference,
			"status",
			string(op.Status),
		)
		after := min(time.Until(op.NextTry), s.cfg.Deadline) // more: the clock was ahead
		s.queue.restore(
			entry{id: op.ID, clientService: op.ClientService, documents: op.DocumentCount, since: op.Created},
			after,
		)
	}
	return nil
}

// settleCalls finds an end for the recorded calls of concern that nobody in this process is waiting
// for: the provider is asked again under the noted handle where it can be, otherwise the outcome is
// unknown and the policy decides. A call whose answer may still come is left as it is, and so is
// each that would have to be asked for without ask. The error is the store's.
func (b *batcher) settleCalls(ctx context.Context, concern func(CallRecord) bool, ask bool) error {
	calls, err := b.orphans(ctx)
	if err != nil {
		return err
	}
	calls = slices.DeleteFunc(calls, func(c CallRecord) bool { return !concern(c) })
	errs := make([]error, len(calls))
	// each may wait for the provider as long as a call does; there are no more than were in flight
	// together
	var all sync.WaitGroup
	for i, call := range calls {
		all.Go(func() { errs[i] = b.settleOnce(ctx, call, ask) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// orphans lists the open calls that nobody in this process is going to end.
func (b *batcher) orphans(ctx context.Context) ([]CallRecord, error) {
	open, err := b.cfg.Store.OpenCalls(ctx)
	if err != nil {
		return nil, err
	}
	left := make(map[string]bool)
	b.mu.Lock()
	for _, call := range open {
		left[call.ID] = !b.live[call.ID]
	}
	b.mu.Unlock()
	// Some of them have ended properly since they were listed. What is open still, and was not live,
	// has no end.
	open, err = b.cfg.Store.OpenCalls(ctx)
	return slices.DeleteFunc(open, func(call CallRecord) bool { return !left[call.ID] }), err
}

// leftPause is the time between looks for calls that nobody will end.
const leftPause = time.Minute

// endLeft ends the calls that have no end though all their documents do, which a disk fault at the
// wrong moment leaves: no operation looks at them any more, and what they may have cost is to be
// counted before the next start. It returns when ctx is done.
func (b *batcher) endLeft(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(leftPause):
		}
		if err := b.endEnded(ctx); err != nil && ctx.Err() == nil {
			b.cfg.Log.Error(err, "calls whose documents have all ended have no end yet")
		}
	}
}

func (b *batcher) endEnded(ctx context.Context) error {
	calls, err := b.orphans(ctx)
	for i := 0; i < len(calls) && err == nil; i++ {
		var sent []Ref
		if sent, err = b.sent(ctx, calls[i].Refs); err == nil && len(sent) == 0 {
			err = b.settleOnce(ctx, calls[i], false)
		}
	}
	return err
}

// settleOnce is settle, or the wait for another operation that is at the same call.
func (b *batcher) settleOnce(ctx context.Context, call CallRecord, ask bool) error {
	for busy := b.claim(call.ID); busy != nil; busy = b.claim(call.ID) {
		select {
		case <-busy:
		case <-ctx.Done():
			return nil
		}
		if ask {
			return nil // there is nothing more to find out
		}
		// The other one may have left the call to this operation, whose documents had not ended when it
		// looked.
	}
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		close(b.settling[call.ID])
		delete(b.settling, call.ID)
	}()
	open, err := b.cfg.Store.OpenCalls(ctx)
	if err != nil || !slices.ContainsFunc(open, func(c CallRecord) bool { return c.ID == call.ID }) {
		return err // another has settled it since it was listed
	}
	return b.settle(ctx, call, ask)
}

// claim makes the caller the one who settles a call, or returns what is closed once another one is
// done with it.
func (b *batcher) claim(call string) (busy <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if other := b.settling[call]; other != nil {
		return other
	}
	b.settling[call] = make(chan struct{})
	return nil
}

func (b *batcher) settle(ctx context.Context, call CallRecord, ask bool) error {
	sent, err := b.sent(ctx, call.Refs)
	if err != nil {
		return err
	}
	why := Errorf(KindProvider, "the signing service's answer was lost; the signature may exist")
	fail := b.cfg.UnknownOutcome == UnknownFail
	if call.Handle != "" && len(sent) > 0 {
		if !ask || b.tooSoon(call.ID) {
			return nil
		}
		said, open, err := b.resume(ctx, call, sent)
		if err != nil || said == nil {
			return err
		}
		if open {
			_ = b.await(call.ID, call.Refs, said)
			return nil
		}
		switch {
		case errors.Is(said, ErrBadAnswer):
			why, fail = Errorf(KindProvider, badAnswerDetail), true
		case errors.Is(said, errNewCertificate):
			why = said // the values are lost, and the policy decides
		}
	}
	b.forget(call.ID)
	b.cfg.Log.Info(
		"outcome of a call is unknown",
		"call",
		call.ID,
		"credential",
		call.Credential,
		"digests",
		len(call.Refs),
		"policy",
		string(b.cfg.UnknownOutcome),
		"reason",
		why.Detail,
	)
	if len(sent) > 0 && fail {
		if err := b.failSent(ctx, sent, why); err != nil {
			return err
		}
	}
	return b.cfg.Store.AbandonCall(ctx, call.ID, OutcomeUnknown)
}

// sent returns those of refs whose documents still wait for their call's end; a process may have
// died after it had failed them.
func (b *batcher) sent(ctx context.Context, refs []Ref) ([]Ref, error) {
	var sent []Ref
	for _, ref := range refs {
		docs, err := b.cfg.Store.Documents(ctx, ref.Operation, ref.Index, 1)
		if err != nil && KindOf(err) != KindNotFound {
			return nil, err
		}
		if len(docs) == 1 && docs[0].State == DocumentSent {
			sent = append(sent, ref)
		}
	}
	return sent, nil
}

// resume asks for the answer of an earlier call, which documents still wait for, and stores its
// values; why says what is in the way, nil = nothing, and open that the answer may still come. err
// is the store's.
func (b *batcher) resume(ctx context.Context, record CallRecord, sent []Ref) (why *Error, open bool, err error) {
	op, err := b.cfg.Store.Operation(ctx, sent[0].Operation)
	if KindOf(err) == KindNotFound {
		return nil, false, nil // removed since it was looked at: the next one who looks sees that
	}
	if err != nil {
		return nil, false, err
	}
	p, err := b.cfg.Providers(op.ClientService)
	if err != nil {
		return AsError(err), mayCome(err), nil
	}
	r, ok := p.(Resumer)
	if !ok {
		return Errorf(KindConfiguration, "the client service's provider gives no answer twice"), false, nil
	}
	call := Call{ID: record.ID, Digests: make([][]byte, len(record.Refs))}
	prepared := make([]*Prepared, len(record.Refs)) // nil: given up meanwhile, with its operation
	for i, ref := range record.Refs {
		if !slices.Contains(sent, ref) {
			continue
		}
		p, _, err := b.cfg.Store.Prepared(ctx, ref)
		if KindOf(err) == KindNotFound {
			continue // since it was looked at
		}
		if err != nil {
			return nil, false, err
		}
		prepared[i], call.Digests[i] = &p, p.Digest
	}
	values, open, err := b.ask(ctx, resumerOf{p, r, record.Credential}, call, record.Handle)
	if err == nil {
		if err = b.checkFetched(ctx, record.Refs, prepared, values); KindOf(err) == KindStorage {
			return nil, false, err
		}
	}
	if err != nil {
		b.cfg.Log.Error(err, "answer of an earlier call could not be fetched", "call", record.ID)
		why = AsError(err)
		if errors.Is(err, ErrBadAnswer) {
			why, open = b.judgeFetched(ctx, p, record, why)
		}
		return why, open, nil
	}
	b.cfg.Log.Info("answer of an earlier call was fetched", "call", record.ID, "digests", len(values))
	b.forget(record.ID)
	return nil, false, b.cfg.Store.EndCall(ctx, record.ID, values)
}

// ask asks once, and again for a while unless the service says that there will be no answer.
func (b *batcher) ask(
	ctx context.Context,
	r Resumer,
	call Call,
	handle string,
) (values [][]byte, open bool, err error) {
	first, cancel := context.WithTimeout(ctx, b.cfg.Batch.CallTimeout)
	values, err = resumeRecovered(first, r, call, handle)
	cancel()
	if err != nil && mayCome(err) { // a restart in the middle of an outage is no reason to pay twice
		values, err, open = b.fetch(r, call, handle, err)
	}
	return values, open, err
}

// awaited is a call whose answer may still come: its documents stay sent, and their operations ask
// again at their next try.
type awaited struct {
	refs map[Ref]bool
	next time.Time // not asked before
	why  *Error
}

// await notes that the answer of a call may still come. The error says to its documents that it is
// asked for again.
func (b *batcher) await(call string, refs []Ref, why *Error) error {
	a := &awaited{refs: make(map[Ref]bool, len(refs)), next: time.Now().Add(max(b.cfg.Backoff/2, why.RetryAfter))}
	for _, ref := range refs {
		a.refs[ref] = true
	}
	// Not wrapped: what it says of itself, that it was one request too many perhaps, is not said of
	// the call.
	a.why = (&Error{Kind: why.Kind, Detail: why.Detail, Err: errors.New(why.Error())}).Retryable(why.RetryAfter)
	b.cfg.Log.Info(
		"answer of a call is not there yet, it will be asked for again",
		"call",
		call,
		"digests",
		len(refs),
		"reason",
		why.Error(),
	)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.awaited[call] = a
	return a.why
}

// awaits is why a document has no answer yet; nil = none is awaited for it.
func (b *batcher) awaits(ref Ref) *Error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.awaited {
		if a.refs[ref] {
			return a.why
		}
	}
	return nil
}

// tooSoon reports whether the answer of a call was asked for a moment ago, for another of its
// operations.
func (b *batcher) tooSoon(call string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.awaited[call]
	return a != nil && time.Now().Before(a.next)
}

func (b *batcher) forget(call string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.awaited, call)
}

// resumerOf resumes with one credential only: the client service may have another one since, at a
// service to which the handle means nothing, or something else.
type resumerOf struct {
	provider   Provider
	resumer    Resumer
	credential string // name
}

// Resume implements Resumer.
func (r resumerOf) Resume(ctx context.Context, call Call, handle string) ([][]byte, error) {
	c, err := r.provider.Credential(ctx)
	if err != nil {
		e := *AsError(err)
		e.Unknown = true // it may be back
		return nil, &e
	}
	if c.Name != r.credential {
		return nil, Errorf(
			KindConfiguration,
			"the client service signs with %s now, the call was made with %s",
			c.Name,
			r.credential,
		)
	}
	return r.resumer.Resume(ctx, call, handle)
}

// checkFetched is checkValues against the certificates that the documents were prepared for, which
// may have been renewed since. An error is the store's, or ErrBadAnswer with what is wrong.
func (b *batcher) checkFetched(ctx context.Context, refs []Ref, prepared []*Prepared, values [][]byte) error {
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
		docs, err := b.cfg.Store.Documents(ctx, ref.Operation, ref.Index, 1)
		if err != nil {
			return storageError(err)
		}
		if len(docs) != 1 || b.cfg.Formats[docs[0].Signature.Type] == nil {
			return fmt.Errorf("document of value %d has no format", i)
		}
		if len(values[i]) > maxValueBytes {
			return bad("value %d has %d bytes", i, len(values[i]))
		}
		if err := b.cfg.Formats[docs[0].Signature.Type].CheckValue(*prepared[i], values[i]); err != nil {
			return bad("value %d: %w", i, err)
		}
	}
	return nil
}
