package signing

import (
	"errors"
	"sync"
	"time"
)

// provenFor is how long a verified signature value says that the credential's certificate is the
// one that the service signs with. After that time without an answer the next call is made alone,
// so that a renewed certificate costs one call and not all that would be in flight.
const provenFor = time.Minute

// proofs remembers when values of a credential last verified. It is safe for concurrent use.
type proofs struct {
	mu   sync.Mutex
	last map[credentialKey]time.Time
}

func newProofs() *proofs { return &proofs{last: make(map[credentialKey]time.Time)} }

// record notes how a call ended. A failure that may pass takes the proof away, because the service
// may come back with another certificate. A refusal of the digests or of the rate does not.
func (p *proofs) record(key credentialKey, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.last[key] = time.Now()
		return
	}
	e := AsError(err)
	if e.Unknown || e.Retry && e.Kind != KindStorage && !errors.Is(err, ErrTooMany) {
		delete(p.last, key)
	}
}

// proven reports whether calls may be made beside each other.
func (p *proofs) proven(key credentialKey, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, ok := p.last[key]
	return ok && now.Sub(last) < provenFor
}
