package signing

import (
	"errors"
	"sync"
	"time"
)

// verifiedFor is how long a verified signature value says that the credential's certificate is the
// one that the service signs with. After that time without an answer the next call is made alone,
// so that a renewed certificate costs one call and not all that would be in flight.
const verifiedFor = time.Minute

// verifications remembers when values of a credential last verified. It is safe for concurrent use.
type verifications struct {
	mu   sync.Mutex
	last map[credentialKey]time.Time
}

func newVerifications() *verifications {
	return &verifications{last: make(map[credentialKey]time.Time)}
}

// record notes how a call ended. A failure that may pass deletes the verification, because the
// service may come back with another certificate. A refusal of the digests or of the rate does not.
func (v *verifications) record(key credentialKey, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil {
		v.last[key] = time.Now()
		return
	}
	e := AsError(err)
	if e.Unknown || e.Retry && e.Kind != KindStorage && !errors.Is(err, ErrTooMany) {
		delete(v.last, key)
	}
}

// verified reports whether several calls may be in flight together.
func (v *verifications) verified(key credentialKey, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	last, ok := v.last[key]
	return ok && now.Sub(last) < verifiedFor
}
