package signing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Refresher is a Provider that keeps its credential for some time and can read it again at once.
type Refresher interface {
	// Refresh asks the service for the credential, whatever is kept, and keeps the answer. It fails
	// where Credential would return an old value because the service does not answer.
	Refresh(ctx context.Context) (*Credential, error)
}

// readAgain returns the credential as the service describes it now. Providers that are no Refresher
// keep nothing.
func readAgain(ctx context.Context, p Provider) (c *Credential, err error) {
	defer recovered(&err)
	if r, ok := p.(Refresher); ok {
		return r.Refresh(ctx)
	}
	return p.Credential(ctx)
}

// usable returns the credential as it is now, and an error if it cannot be used. It returns the
// credential of a certificate that is not valid too.
func usable(ctx context.Context, p Provider) (*Credential, error) {
	c, err := p.Credential(ctx)
	if err != nil {
		return nil, err
	}
	invalid := c.CheckValidity(time.Now())
	if invalid == nil {
		return c, nil
	}
	if now, err := readAgain(ctx, p); err == nil && !now.Certificate().Equal(c.Certificate()) {
		return now, now.CheckValidity(time.Now())
	}
	return c, invalid
}

// errNewCertificate is in the chain of an error that says Retry because the documents were prepared
// for a certificate that is not in use any more. They are prepared again within the same try.
var errNewCertificate = errors.New("certificate was renewed")

func newCertificateError() *Error {
	return Errorf(KindProvider, "the signing certificate was renewed").Because(errNewCertificate).Retryable(0)
}

// verdict says what reading a credential again brought.
type verdict int

const (
	unreadable verdict = iota // the service did not describe the credential
	unchanged                 // its certificate is the one that the digests were made for
	renewed                   // it has another certificate
)

// renewals reads credentials again whose signature values do not fit the certificate. It is safe
// for concurrent use.
type renewals struct {
	mu    sync.Mutex
	reads map[queueKey]*rereading
}

// rereading is one reading of a credential, shared by all calls that wait for it.
type rereading struct {
	done    chan struct{} // closed when ended and verdict are set
	ended   time.Time     // zero while it is under way
	verdict verdict
}

func newRenewals() *renewals { return &renewals{reads: make(map[queueKey]*rereading)} }

// underWay reports whether the credential is being read. No call begins in that time.
func (r *renewals) underWay(key queueKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.reads[key]
	return last != nil && last.ended.IsZero()
}

// inDoubt reports whether the credential could not be read after a value of it did not verify.
// Until it can, each further call may be paid for in vain.
func (r *renewals) inDoubt(key queueKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.reads[key]
	return last != nil && !last.ended.IsZero() && last.verdict == unreadable
}

// judge says whether the certificate of c was renewed, for a call that began at the given time.
// Calls that were under way together share one reading.
func (r *renewals) judge(began time.Time, key queueKey, read func() verdict) verdict {
	r.mu.Lock()
	last := r.reads[key]
	if last != nil &&
		(last.ended.IsZero() || last.verdict == renewed || last.verdict == unchanged && began.Before(last.ended)) {
		r.mu.Unlock()
		<-last.done
		return last.verdict
	}
	last = &rereading{done: make(chan struct{})}
	r.reads[key] = last
	r.mu.Unlock()

	v := read()
	r.mu.Lock()
	last.verdict, last.ended = v, time.Now()
	r.mu.Unlock()
	close(last.done)
	return v
}

// refusedPause is the least time between two readings of a credential because calls were refused.
const refusedPause = time.Minute

// reread reads the credential again and compares its certificate with that of c.
func (b *batcher) reread(p Provider, c *Credential) verdict {
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.Batch.CallTimeout)
	defer cancel()
	now, err := readAgain(ctx, p)
	switch {
	case err != nil:
		b.cfg.Log.Error(err, "credential could not be read again", "credential", c.Name)
		return unreadable
	case now.Certificate().Equal(c.Certificate()):
		b.cfg.Log.Info("credential was read again, its certificate is the same", "credential", c.Name)
		return unchanged
	}
	b.cfg.Log.Info("certificate was renewed, documents are prepared again", "credential", c.Name,
		"was", c.Certificate().SerialNumber.Text(16), "is", now.Certificate().SerialNumber.Text(16))
	return renewed
}

// fit returns nil if a call with the certificate of c may begin: it is valid now, and as far as the
// provider knows still in use. Nothing was sent when fit returns an error.
func (b *batcher) fit(ctx context.Context, p Provider, c *Credential) (err error) {
	defer recovered(&err)
	now, err := p.Credential(ctx)
	if err != nil {
		return err
	}
	if !now.Certificate().Equal(c.Certificate()) {
		return newCertificateError()
	}
	invalid := c.CheckValidity(time.Now())
	key := keyOf(c)
	if invalid == nil && !b.renewals.inDoubt(key) {
		return nil
	}
	switch b.renewals.judge(time.Now(), key, func() verdict { return b.reread(p, c) }) {
	case renewed:
		return newCertificateError()
	case unchanged:
		return invalid
	}
	if invalid != nil {
		return invalid
	}
	return Errorf(KindProvider, "the signing service does not describe its certificate").Retryable(0)
}

// afterFailure returns what the failure e of a call that began at the given time means for its
// documents. Before documents are given up because a value does not verify, or because the service
// refused the call for good, the credential is read again. With a renewed certificate the documents
// may be signed: the values that are lost are counted as unknown, and the policy for unknown
// outcomes decides.
func (b *batcher) afterFailure(p Provider, c *Credential, began time.Time, e *Error) *Error {
	end := b.policy(e)
	bad := errors.Is(e, ErrBadAnswer)
	if end.Retry ||
		!bad && (e.Unknown || errors.Is(e, ErrRenewed) || e.Kind != KindProvider && e.Kind != KindCertificate) {
		return end
	}
	if !bad { // one digest may be what is wrong, and is searched for in many calls
		began = began.Add(-refusedPause)
	}
	v := b.renewals.judge(began, keyOf(c), func() verdict { return b.reread(p, c) })
	switch {
	case v == renewed:
		again := newCertificateError()
		// not wrapped: the answer was a good one of another key
		again.Err = fmt.Errorf("%w: %s", errNewCertificate, e.Error())
		again.Unknown = e.Unknown
		again.Retry = !e.Unknown || b.cfg.UnknownOutcome == UnknownRetry
		return again
	case v == unreadable && bad:
		again := *end
		again.Err = errors.New(e.Error()) // not wrapped: nobody knows yet whether it was a bad answer
		again.Retry = b.cfg.UnknownOutcome == UnknownRetry
		return &again
	}
	return end
}

// judgeFetched returns what a bad answer to an earlier call means: why is ErrBadAnswer where the
// credential has the certificate still that the call was made with, errNewCertificate where it was
// renewed, and open where that cannot be found out now.
func (b *batcher) judgeFetched(ctx context.Context, p Provider, record CallRecord, why *Error) (_ *Error, open bool) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.Batch.CallTimeout)
	defer cancel()
	now, err := readAgain(ctx, p)
	switch {
	case err != nil:
		return AsError(err), true
	case record.Certificate == "" || now.Certificate().SerialNumber.Text(16) == record.Certificate:
		return why, false
	}
	return newCertificateError(), false
}
