package signing

import (
	"errors"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// pendingAnswers are the calls without a recorded end whose answers may still come. Their documents
// stay in the state sent, and their operations request the answer again at their next attempt. It
// is safe for concurrent use.
type pendingAnswers struct {
	log     logr.Logger
	backoff time.Duration // Config.Backoff
	mu      sync.Mutex
	calls   map[string]*pendingAnswer // by the id of the call
}

type pendingAnswer struct {
	refs map[Ref]bool
	next time.Time // the answer is not requested before
	why  *Error
}

func newPendingAnswers(log logr.Logger, backoff time.Duration) *pendingAnswers {
	return &pendingAnswers{log: log, backoff: backoff, calls: make(map[string]*pendingAnswer)}
}

// add notes that the answer of a call may still come. It returns the error for the documents of the
// call, which says that they are retried.
func (p *pendingAnswers) add(call string, refs []Ref, why *Error) error {
	a := &pendingAnswer{refs: make(map[Ref]bool, len(refs)), next: time.Now().Add(max(p.backoff/2, why.RetryAfter))}
	for _, ref := range refs {
		a.refs[ref] = true
	}
	// The cause is not wrapped. It describes the request for the answer (it may be ErrTooMany), not
	// the call itself.
	a.why = (&Error{Kind: why.Kind, Detail: why.Detail, Err: errors.New(why.Error())}).Retryable(why.RetryAfter)
	p.log.Info("answer of a call has not come yet, it will be requested again",
		"call", call, "digests", len(refs), "reason", why.Error())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[call] = a
	return a.why
}

// reason returns why a document has no answer yet. It returns nil if no answer is pending for it.
func (p *pendingAnswers) reason(ref Ref) *Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.calls {
		if a.refs[ref] {
			return a.why
		}
	}
	return nil
}

// tooSoon reports whether the answer of a call was requested a moment ago for another of its
// operations.
func (p *pendingAnswers) tooSoon(call string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.calls[call]
	return a != nil && time.Now().Before(a.next)
}

// remove forgets a call that has an end now.
func (p *pendingAnswers) remove(call string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, call)
}
