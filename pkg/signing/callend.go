package signing

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// conclude checks the answer of a call and stores the values, or stores that no usable values came.
func (m *callMaker) conclude(sent sentCall, values [][]byte, err error) error {
	call, c, took := sent.call, sent.credential, time.Since(sent.began)
	if err == nil {
		if err = checkValues(c, call.Digests, values); err == nil {
			m.observe(c, call, took, "returned")
			return m.storeValues(call, values)
		}
		m.cfg.Log.Error(err, "provider gave an answer that does not fit the call", "call", call.ID, "credential", c.Name)
		err = badAnswer(err)
	}
	return m.concludeFailed(sent, AsError(err), took)
}

// concludeFailed stores that a call brought no usable values. It returns what that means for the
// documents.
func (m *callMaker) concludeFailed(sent sentCall, e *Error, took time.Duration) error {
	call, c := sent.call, sent.credential
	outcome := OutcomeRefused
	if e.Unknown {
		outcome = OutcomeUnknown
	}
	m.observe(c, call, took, string(outcome))
	m.cfg.Log.Info("call failed", "call", call.ID, "credential", c.Name, "digests", len(call.Digests),
		"outcome", string(outcome), "reason", e.Error())
	end := m.renewals.afterFailure(sent.provider, c, sent.began, e)
	failed := e.Unknown && !end.Retry
	if failed {
		fail := func(ctx context.Context) error { return failSent(ctx, m.cfg, sent.refs, end) }
		if err := m.storeWithRetries(fail); err != nil {
			return storageError(err)
		}
	}
	abandon := func(ctx context.Context) error { return m.cfg.Store.AbandonCall(ctx, call.ID, outcome) }
	if err := m.storeWithRetries(abandon); err != nil {
		return storageError(err)
	}
	if failed {
		return &failedAlready{end}
	}
	return end
}

// failSent fails documents that must not be sent again. It is called before the end of their call
// is recorded, so that no signature is paid for twice, even if the process ends in between or other
// calls of their operations take long.
func failSent(ctx context.Context, cfg *Config, refs []Ref, why *Error) error {
	results := make([]DocumentResult, len(refs))
	for i, ref := range refs {
		results[i] = failure(ref, why)
	}
	if err := cfg.Store.FinishDocuments(ctx, results); err != nil {
		return err
	}
	cfg.Log.Info("documents failed, their signatures may exist", "documents", len(refs), "reason", why.Error())
	cfg.Observer.documentsEnded(results)
	return nil
}

// failedAlready is the error of documents whose failure is already stored.
type failedAlready struct{ why *Error }

func (f *failedAlready) Error() string { return f.why.Error() }

func (f *failedAlready) Unwrap() error { return f.why }

const badAnswerDetail = "the signing service gave an invalid answer"

// badAnswer returns the error of an answer that cannot be used because of why.
func badAnswer(why error) error {
	return &Error{
		Kind:    KindProvider,
		Detail:  badAnswerDetail,
		Unknown: true,
		Err:     fmt.Errorf("%w: %w", ErrBadAnswer, why),
	}
}

const (
	// storeAttempts and storePause give a full disk half a minute in all to recover. After that, the
	// end of a call that brought no values is left to settler.run or to the next start.
	storeAttempts = 6
	storePause    = time.Second // before the second attempt; each later pause is twice as long
	// maxStorePause is the longest time between two attempts to store signature values. A disk that
	// was full is used again within this time.
	maxStorePause = 15 * time.Second
)

// storeWithRetries repeats a write that must not be lost. It returns the error of the last attempt.
func (m *callMaker) storeWithRetries(write func(context.Context) error) error {
	pause := storePause
	for attempt := 1; ; attempt++ {
		err := write(context.Background())
		// A conflict after another fault means that the earlier attempt was stored although it was
		// reported as failed.
		if err == nil || errors.Is(err, ErrConflict) && attempt > 1 {
			return nil
		}
		if attempt == storeAttempts || errors.Is(err, ErrConflict) {
			return err
		}
		time.Sleep(pause)
		pause *= 2
	}
}

// storeValues stores signature values before anything uses them. If the disk is full, the values
// stay in memory until they can be stored, because they were paid for. Their call counts as in
// flight during that time, because a new call would have no room on the disk either. storeValues
// gives up when the process stops. The next start then counts the values as unknown.
func (m *callMaker) storeValues(call Call, values [][]byte) error {
	store := func() error { return m.cfg.Store.EndCall(context.Background(), call.ID, values) }
	log := m.cfg.Log.WithValues("call", call.ID, "digests", len(values))
	err := store()
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrConflict) { // the call is not in the store any more
		return storageError(err)
	}
	log.Error(err, "could not store signature values, they are kept in memory")
	m.unstored.Add(int64(len(values)))
	defer m.unstored.Add(-int64(len(values)))
	pause := storePause
	for {
		select {
		case <-m.stopped:
			log.Error(err, "signature values are lost because the process stops")
			return storageError(err)
		case <-time.After(pause):
		}
		pause = min(2*pause, maxStorePause)
		err = store()
		// A conflict means that the earlier attempt was stored although it was reported as failed.
		if err == nil || errors.Is(err, ErrConflict) {
			log.Info("signature values were stored")
			return nil
		}
	}
}
