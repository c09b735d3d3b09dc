package signing

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// conclude checks the answer of a call and stores the values, or stores that no usable values came.
func (m *caller) conclude(sent sentCall, values [][]byte, err error) error {
	call, c, took := sent.call, sent.credential, time.Since(sent.began)
	if err == nil {
		if err = checkValues(c, call.Digests, values); err == nil {
			m.observe(c, call, took, "returned")
			return m.keepValues(call, values)
		}
		m.cfg.Log.Error(err, "provider gave an answer that does not fit the call", "call", call.ID, "credential", c.Name)
		err = badAnswer(err)
	}
	e := AsError(err)
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
		if serr := m.persist(func(ctx context.Context) error { return failSent(ctx, m.cfg, sent.refs, end) }); serr != nil {
			return storageError(serr)
		}
	}
	abandon := func(ctx context.Context) error { return m.cfg.Store.AbandonCall(ctx, call.ID, outcome) }
	if serr := m.persist(abandon); serr != nil {
		return storageError(serr)
	}
	if failed {
		return &failedAlready{end}
	}
	return end
}

// failSent fails documents that must not be sent again. It is called before the end of their call
// is recorded, so that no signature is paid for twice, whatever happens in between and however long
// other calls of their operations take.
func failSent(ctx context.Context, cfg *Config, refs []Ref, why *Error) error {
	results := make([]DocumentResult, len(refs))
	for i, ref := range refs {
		results[i] = DocumentResult{Ref: ref, Failure: &Failure{Kind: why.Kind, Detail: why.Detail}}
	}
	if err := cfg.Store.FinishDocuments(ctx, results); err != nil {
		return err
	}
	cfg.Log.Info("documents failed, their signatures may exist", "documents", len(refs), "reason", why.Error())
	if f := cfg.Observer.DocumentEnded; f != nil {
		for range refs {
			f(why.Kind, false)
		}
	}
	return nil
}

// failedAlready is the error of documents whose failure is already stored.
type failedAlready struct{ why *Error }

func (f *failedAlready) Error() string { return f.why.Error() }

func (f *failedAlready) Unwrap() error { return f.why }

const badAnswerDetail = "the signing service gave an invalid answer"

func badAnswer(why error) error {
	return &Error{Kind: KindProvider, Detail: badAnswerDetail, Unknown: true, Err: fmt.Errorf("%w: %w", ErrBadAnswer, why)}
}

const (
	// persistTries and persistPause give a full disk half a minute in all to recover. After that, the
	// end of a call that brought no values is left to settler.run or to the next start.
	persistTries = 6
	persistPause = time.Second
)

// persist repeats a write that must not be lost. It returns the error of the last try.
func (m *caller) persist(write func(context.Context) error) error {
	pause := persistPause
	for try := 1; ; try++ {
		err := write(context.Background())
		// A conflict after another fault means that the earlier try was stored although it was reported
		// as failed.
		if err == nil || errors.Is(err, ErrConflict) && try > 1 {
			return nil
		}
		if try == persistTries || errors.Is(err, ErrConflict) {
			return err
		}
		time.Sleep(pause)
		pause *= 2
	}
}

// keepPause is the longest time between two tries to store signature values. A disk that was full
// is used again within this time.
const keepPause = 15 * time.Second

// keepValues stores signature values before anything uses them. If the disk is full, the values
// stay in memory until they can be stored, because they were paid for. Their call counts as in
// flight during that time, because a new call would have no room on the disk either. keepValues
// gives up when the process stops; the next start then counts the values as unknown.
func (m *caller) keepValues(call Call, values [][]byte) error {
	store := func() error { return m.cfg.Store.EndCall(context.Background(), call.ID, values) }
	err := store()
	if err == nil || errors.Is(err, ErrConflict) {
		return lostValues(err)
	}
	m.cfg.Log.Error(err, "signature values cannot be stored, they are kept in memory",
		"call", call.ID, "digests", len(values))
	m.unstored.Add(int64(len(values)))
	defer m.unstored.Add(-int64(len(values)))
	pause := persistPause
	for {
		select {
		case <-m.stopped:
			m.cfg.Log.Error(err, "signature values are lost because the process stops", "call", call.ID, "digests", len(values))
			return storageError(err)
		case <-time.After(pause):
		}
		pause = min(2*pause, keepPause)
		err = store()
		// A conflict means that the earlier try was stored although it was reported as failed.
		if err == nil || errors.Is(err, ErrConflict) {
			m.cfg.Log.Info("signature values were stored", "call", call.ID, "digests", len(values))
			return nil
		}
	}
}

// lostValues returns the error for values whose call is not in the store any more.
func lostValues(err error) error {
	if err == nil {
		return nil
	}
	return storageError(err)
}
