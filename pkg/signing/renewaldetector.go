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

// refreshCredential returns the credential as the service describes it now. A provider that is not
// a Refresher caches nothing.
func refreshCredential(ctx context.Context, p Provider) (c *Credential, err error) {
	defer panicToError(&err)
	if r, ok := p.(Refresher); ok {
		return r.Refresh(ctx)
	}
	return p.Credential(ctx)
}

// usableCredential returns the credential as it is now, and an error if it cannot be used. It
// returns the credential also if its certificate is not valid.
func usableCredential(ctx context.Context, p Provider) (*Credential, error) {
	c, err := p.Credential(ctx)
	if err != nil {
		return nil, err
	}
	invalid := c.CheckValidity(time.Now())
	if invalid == nil {
		return c, nil
	}
	if now, err := refreshCredential(ctx, p); err == nil && !now.Certificate().Equal(c.Certificate()) {
		return now, now.CheckValidity(time.Now())
	}
	return c, invalid
}

// errNewCertificate is in the chain of an error that says Retry because the documents were prepared
// for a certificate that is not in use any more. They are prepared again within the same attempt.
var errNewCertificate = errors.New("certificate was renewed")

func newCertificateError() *Error {
	return Errorf(KindProvider, "the signing certificate was renewed").Because(errNewCertificate).Retryable(0)
}

// refreshResult is the result of reading a credential again.
type refreshResult int

const (
	refreshFailed      refreshResult = iota // the service did not describe the credential
	certificateSame                         // its certificate is the one that the digests were made for
	certificateRenewed                      // it has another certificate now
)

// renewalDetector finds out whether the certificate of a credential was renewed. For that it reads
// the credential again when signature values do not fit the certificate. It is safe for concurrent
// use.
type renewalDetector struct {
	cfg       *Config
	mu        sync.Mutex
	refreshes map[credentialKey]*refreshRun
}

// refreshRun is one read of a credential. All calls that wait for it share it.
type refreshRun struct {
	done   chan struct{} // closed when ended and result are set
	ended  time.Time     // zero until the read has ended
	result refreshResult
}

func newRenewalDetector(cfg *Config) *renewalDetector {
	return &renewalDetector{cfg: cfg, refreshes: make(map[credentialKey]*refreshRun)}
}

// refreshing reports whether the credential is being read again. No call begins in that time.
func (r *renewalDetector) refreshing(key credentialKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.refreshes[key]
	return last != nil && last.ended.IsZero()
}

// lastRefreshFailed reports whether the credential could not be read after one of its values did
// not verify. Until it can be read, each further call may cost a signature that cannot be used.
func (r *renewalDetector) lastRefreshFailed(key credentialKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.refreshes[key]
	return last != nil && !last.ended.IsZero() && last.result == refreshFailed
}

// sharedRefresh says whether the certificate of c was renewed, for a call that began at the given
// time. Calls that were in flight together share one read.
func (r *renewalDetector) sharedRefresh(began time.Time, key credentialKey, read func() refreshResult) refreshResult {
	r.mu.Lock()
	last := r.refreshes[key]
	if last != nil &&
		(last.ended.IsZero() || last.result == certificateRenewed ||
			last.result == certificateSame && began.Before(last.ended)) {
		r.mu.Unlock()
		<-last.done
		return last.result
	}
	last = &refreshRun{done: make(chan struct{})}
	r.refreshes[key] = last
	r.mu.Unlock()

	v := read()
	r.mu.Lock()
	last.result, last.ended = v, time.Now()
	r.mu.Unlock()
	close(last.done)
	return v
}

// refusedRefreshPause is the shortest time between two reads of a credential that are caused by
// refused calls.
const refusedRefreshPause = time.Minute

// refresh reads the credential again and compares its certificate with that of c.
func (r *renewalDetector) refresh(p Provider, c *Credential) refreshResult {
	ctx, cancel := context.WithTimeout(context.Background(), r.cfg.Batch.CallTimeout)
	defer cancel()
	now, err := refreshCredential(ctx, p)
	switch {
	case err != nil:
		r.cfg.Log.Error(err, "could not read the credential again", "credential", c.Name)
		return refreshFailed
	case now.Certificate().Equal(c.Certificate()):
		r.cfg.Log.Info("credential was read again, its certificate is the same", "credential", c.Name)
		return certificateSame
	}
	r.cfg.Log.Info("certificate was renewed, documents are prepared again", "credential", c.Name,
		"was", c.Certificate().SerialNumber.Text(16), "is", now.Certificate().SerialNumber.Text(16))
	return certificateRenewed
}

// check returns nil if a call with the certificate of c may begin: the certificate is valid now,
// and it is still in use as far as the provider knows. When check returns an error, nothing was
// sent.
func (r *renewalDetector) check(ctx context.Context, p Provider, c *Credential) (err error) {
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
	if invalid == nil && !r.lastRefreshFailed(key) {
		return nil
	}
	switch r.sharedRefresh(time.Now(), key, func() refreshResult { return r.refresh(p, c) }) {
	case certificateRenewed:
		return newCertificateError()
	case certificateSame:
		return invalid
	}
	if invalid != nil {
		return invalid
	}
	return Errorf(KindProvider, "the signing service does not describe its certificate").Retryable(0)
}

// afterFailure returns what the failure e of a call that began at the given time means for its
// documents. Before documents are given up because a value does not verify, or because the service
// refused the call permanently, the credential is read again. With a renewed certificate the
// documents may be signed: the values that are lost are counted as unknown, and the policy for
// unknown outcomes decides.
func (r *renewalDetector) afterFailure(p Provider, c *Credential, began time.Time, e *Error) *Error {
	end := r.afterUnknown(e)
	bad := errors.Is(e, ErrBadAnswer)
	if end.Retry ||
		!bad && (e.Unknown || errors.Is(e, ErrRenewed) || e.Kind != KindProvider && e.Kind != KindCertificate) {
		return end
	}
	if !bad { // one bad digest may be the cause, and many calls are made to find it
		began = began.Add(-refusedRefreshPause)
	}
	v := r.sharedRefresh(began, keyOf(c), func() refreshResult { return r.refresh(p, c) })
	switch {
	case v == certificateRenewed:
		again := newCertificateError()
		// It is not wrapped, because the answer was a good one of another key.
		again.Err = fmt.Errorf("%w: %s", errNewCertificate, e.Error())
		again.Unknown = e.Unknown
		again.Retry = !e.Unknown || r.cfg.UnknownOutcome == UnknownRetry
		return again
	case v == refreshFailed && bad:
		again := *end
		again.Err = errors.New(e.Error()) // not wrapped: it is not known yet whether the answer was bad
		again.Retry = r.cfg.UnknownOutcome == UnknownRetry
		return &again
	}
	return end
}

// afterUnknown returns what an error means for the documents of a call: after an unknown outcome,
// Config.UnknownOutcome says whether they are signed again.
func (r *renewalDetector) afterUnknown(e *Error) *Error {
	if !e.Unknown {
		return e
	}
	out := *e
	out.Retry = r.cfg.UnknownOutcome == UnknownRetry && !errors.Is(e, ErrBadAnswer)
	return &out
}

// explainBadAnswer returns what a bad answer to an earlier call means. It returns why, which is
// ErrBadAnswer, if the credential still has the certificate of the call. It returns
// errNewCertificate if the certificate was renewed. unclear reports that this cannot be found
// out now.
func explainBadAnswer(ctx context.Context, p Provider, record CallRecord, why *Error) (_ *Error, unclear bool) {
	now, err := refreshCredential(ctx, p)
	switch {
	case err != nil:
		return AsError(err), true
	case record.Certificate == "" || now.Certificate().SerialNumber.Text(16) == record.Certificate:
		return why, false
	}
	return newCertificateError(), false
}
