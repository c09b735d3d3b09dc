package signing

import (
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"
)

const (
	// resumeTime bounds how long a lost answer is requested under its handle before that is left to
	// the operation's next attempt. A service can restart in that time. A longer time would keep the
	// credential's other calls waiting, because this call still counts as in flight.
	resumeTime     = 3 * time.Minute
	resumeAttempts = 7
	resumePause    = time.Second // before the first attempt; each later pause is twice as long
)

// resumer requests the answers of earlier calls again under their handles. It holds no state.
type resumer struct {
	log     logr.Logger
	timeout time.Duration // of one request
}

// resume requests the answer of a call at once, and repeats that for a while unless the service
// says that there will be no answer. The repetitions exist so that a restart in the middle of an
// outage does not pay for the signatures twice. pending reports that the answer may still come.
func (rs resumer) resume(
	ctx context.Context, r Resumer, call Call, handle string,
) (values [][]byte, pending bool, err error) {
	values, err = rs.resumeOnce(ctx, r, call, handle)
	if err != nil && mayStillCome(err) {
		values, pending, err = rs.resumeWithRetries(r, call, handle, err)
	}
	return values, pending, err
}

// resumeWithRetries requests the answer of a call whose outcome is unknown because of lost, several
// times with growing pauses. It returns lost, or a fault without signatures, when the service says
// that the answer will never come. pending reports that the answer may still come; err is then the
// last error of the service.
func (rs resumer) resumeWithRetries(
	r Resumer, call Call, handle string, lost error,
) (values [][]byte, pending bool, err error) {
	rs.log.Info("answer was lost and is requested again", "call", call.ID, "reason", lost.Error())
	all, cancel := context.WithTimeout(context.Background(), resumeTime)
	defer cancel()
	pause, err := resumePause, lost
	for attempt := 0; attempt < resumeAttempts && all.Err() == nil; attempt++ {
		wait := max(pause, AsError(err).RetryAfter)
		if end, _ := all.Deadline(); time.Until(end) < wait {
			break // the next request would come sooner than the service allows
		}
		time.Sleep(wait)
		pause *= 2
		values, err = rs.resumeOnce(all, r, call, handle)
		if err == nil {
			return values, false, nil
		}
		if !mayStillCome(err) { // the service says that the answer will never come
			if !errors.Is(err, ErrBadAnswer) {
				return nil, false, lost
			}
			e := *AsError(err)
			e.Unknown = true // signatures were made, but they cannot be used
			return nil, false, &e
		}
	}
	if errors.Is(err, ErrNothingYet) {
		return nil, false, lost
	}
	return nil, true, err
}

// mayStillCome reports whether the answer may still come after err, which is an error of Resumer.
func mayStillCome(err error) bool {
	e := AsError(err)
	return !errors.Is(err, ErrBadAnswer) && (e.Unknown || e.Retry)
}

// resumeOnce calls Resumer.Resume. A panic is an unknown outcome, because otherwise one bad answer
// could end the process at each start.
func (rs resumer) resumeOnce(ctx context.Context, r Resumer, call Call, handle string) (values [][]byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, rs.timeout)
	defer cancel()
	defer panicToUnknown(&err)
	return r.Resume(ctx, call, handle)
}

// credentialResumer resumes only while the client service still has the credential that made the
// call. At the service of another credential the handle has no meaning, or another one.
type credentialResumer struct {
	provider   Provider
	resumer    Resumer
	credential string // name
}

// Resume implements Resumer.
func (r credentialResumer) Resume(ctx context.Context, call Call, handle string) ([][]byte, error) {
	c, err := r.provider.Credential(ctx)
	if err != nil {
		e := *AsError(err)
		e.Unknown = true // the credential may become readable again
		return nil, &e
	}
	if c.Name != r.credential {
		return nil, Errorf(KindConfiguration, "the client service signs with %s now, the call was made with %s",
			c.Name, r.credential)
	}
	return r.resumer.Resume(ctx, call, handle)
}
