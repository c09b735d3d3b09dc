package csc

import (
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// refusedSecrets remembers which id and secrets the token endpoint refused, because services lock
// accounts after a few wrong secrets. It is safe for concurrent use.
type refusedSecrets struct {
	mu       sync.Mutex
	refusal  *failure // the answer to identity
	identity [sha256.Size]byte
	until    time.Time
	last     [sha256.Size]byte // of the secret that was refused last: the others are tried first
}

// find returns the cached refusal of the same id and secret, or nil.
func (r *refusedSecrets) find(identity [sha256.Size]byte) *failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refusal == nil || r.identity != identity || !time.Now().Before(r.until) {
		return nil
	}
	e := *r.refusal.Error
	return &failure{Error: &e}
}

// keep caches the refusal of an id and its secrets for a time.
func (r *refusedSecrets) keep(identity [sha256.Size]byte, f *failure, keep time.Duration) {
	e := *f.Error
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusal, r.identity, r.until = &failure{Error: &e}, identity, time.Now().Add(keep)
}

// forget removes the cached refusal after the endpoint has accepted us.
func (r *refusedSecrets) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusal = nil
}

// order moves the secret that was refused last behind the others, because each refusal may bring
// us nearer to being locked out.
func (r *refusedSecrets) order(secrets []string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	wasLast := func(s string) int {
		if sha256.Sum256([]byte(s)) == r.last {
			return 1
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(secrets), func(a, b string) int { return wasLast(a) - wasLast(b) })
}

// note records that a secret was refused.
func (r *refusedSecrets) note(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = sha256.Sum256([]byte(secret))
}
