package signing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Refresher is a Provider that caches its credential and can read it again at once.
type Refresher interface {
	// Refresh asks the service for the credential, even if one is cached, and caches the answer. It
	// fails where Credential would return an old value because the service does not answer.
	Refresh(ctx context.Context) (*Credential, error)
}

// readAgain returns the credential as the service describes it now. A provider that is not a
// Refresher caches nothing.
func readAgain(ctx context.Context, p Provider) (c *Credential, err error) {
	defer panicToError(&err)
	if r, ok := p.(Refresher); ok {
		return r.Refresh(ctx)
	}
	return p.Credential(ctx)
}

// usableCredential returns the credential as it is now, and an error if it cannot be used. It returns the
// credential also if its certificate is not valid.
func usableCredential(ctx context.Context, p Provider) (*Credential, error) {
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

// verdict is the result of reading a credential again.
type verdict int

const (
	unreadable verdict = iota // the service did not describe the credential
	unchanged                 // its certificate is the one that the digests were made for
	renewed                   // it has another certificate
)

// renewals reads a credential again when its signature values do not fit the certificate. It is
// safe for concurrent use.
type renewals struct {
	cfg   *Config
	mu    sync.Mutex
	reads map[credentialKey]*rereading
}

// rereading is one read of a credential. All calls that wait for it share it.
type rereading struct {
	done    chan struct{} // closed when ended and verdict are set
	ended   time.Time     // zero while the read is under way
	verdict verdict
}

func newRenewals(cfg *Config) *renewals {
	return &renewals{cfg: cfg, reads: make(map[credentialKey]*rereading)}
}

// underWay reports whether the credential is being read again. No call begins in that time.
func (r *renewals) underWay(key credentialKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.reads[key]
	return last != nil && last.ended.IsZero()
}

// inDoubt reports whether the credential could not be read after one of its values did not verify.
// Until it can be read, each further call may be paid for in vain.
func (r *renewals) inDoubt(key credentialKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.reads[key]
	return last != nil && !last.ended.IsZero() && last.verdict == unreadable
}

// judge says whether the certificate of c was renewed, for a call that began at the given time.
// Calls that were in flight together share one read.
func (r *renewals) judge(began time.Time, key credentialKey, read func() verdict) verdict {
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

// refusedPause is the shortest time between two reads of a credential that are caused by refused
// calls.
const refusedPause = time.Minute

// reread reads the credential again and compares its certificate with that of c.
func (r *renewals) reread(p Provider, c *Credential) verdict {
	ctx, cancel := context.WithTimeout(context.Background(), r.cfg.Batch.CallTimeout)
	defer cancel()
	now, err := readAgain(ctx, p)
	switch {
	case err != nil:
		r.cfg.Log.Error(err, "credential could not be read again", "credential", c.Name)
		return unreadable
	case now.Certificate().Equal(c.Certificate()):
		r.cfg.Log.Info("credential was read again, its certificate is the same", "credential", c.Name)
		return unchanged
	}
	r.cfg.Log.Info("certificate was renewed, documents are prepared again", "credential", c.Name,
		"was", c.Certificate().SerialNumber.Text(16), "is", now.Certificate().SerialNumber.Text(16))
	return renewed
}

// check returns nil if a call with the certificate of c may begin: the certificate is valid now,
// and it is still in use as far as the provider knows. When check returns an error, nothing was
// sent.
func (r *renewals) check(ctx context.Context, p Provider, c *Credential) (err error) {
	defer panicToError(&err)
	now, err := p.Credential(ctx)
	if err != nil {
		return err
	}
	if !now.Certificate().Equal(c.Certificate()) {
		return newCertificateError()
	}
	invalid := c.CheckValidity(time.Now())
	key := keyOf(c)
	if invalid == nil && !r.inDoubt(key) {
		return nil
	}
	switch r.judge(time.Now(), key, func() verdict { return r.reread(p, c) }) {
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
func (r *renewals) afterFailure(p Provider, c *Credential, began time.Time, e *Error) *Error {
	end := r.policy(e)
	bad := errors.Is(e, ErrBadAnswer)
	if end.Retry ||
		!bad && (e.Unknown || errors.Is(e, ErrRenewed) || e.Kind != KindProvider && e.Kind != KindCertificate) {
		return end
	}
	if !bad { // one bad digest may be the cause, and many calls are made to find it
		began = began.Add(-refusedPause)
	}
	v := r.judge(began, keyOf(c), func() verdict { return r.reread(p, c) })
	switch {
	case v == renewed:
		again := newCertificateError()
		// It is not wrapped, because the answer was a good one of another key.
		again.Err = fmt.Errorf("%w: %s", errNewCertificate, e.Error())
		again.Unknown = e.Unknown
		again.Retry = !e.Unknown || r.cfg.UnknownOutcome == UnknownRetry
		return again
	case v == unreadable && bad:
		again := *end
		again.Err = errors.New(e.Error()) // not wrapped: it is not known yet whether the answer was bad
		again.Retry = r.cfg.UnknownOutcome == UnknownRetry
		return &again
	}
	return end
}

// policy returns what an error means for the documents of a call: after an unknown outcome,
// Config.UnknownOutcome says whether they are signed again.
func (r *renewals) policy(e *Error) *Error {
	if !e.Unknown {
		return e
	}
	out := *e
	out.Retry = r.cfg.UnknownOutcome == UnknownRetry && !errors.Is(e, ErrBadAnswer)
	return &out
}

// judgeResumed returns what a bad answer to an earlier call means. It returns why, which is
// ErrBadAnswer, if the credential still has the certificate of the call. It returns
// errNewCertificate if the certificate was renewed. open reports that this cannot be found out now.
func judgeResumed(ctx context.Context, p Provider, record CallRecord, why *Error) (_ *Error, open bool) {
	now, err := readAgain(ctx, p)
	switch {
	case err != nil:
		return AsError(err), true
	case record.Certificate == "" || now.Certificate().SerialNumber.Text(16) == record.Certificate:
		return why, false
	}
	return newCertificateError(), false
}
