package api

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// usedFor is how long a forward token could be used again: its lifetime, plus the differences that
	// are allowed for the clocks of the instance that made it and of this one.
	usedFor = forwardLifetime + 2*leeway
	// maxUsed bounds the tokens that are remembered for one period of usedFor: 700 forwarded requests
	// a second. Two periods are remembered, at about 40 bytes a token.
	maxUsed = 1 << 16
)

// usedTokens remembers the forward tokens that were used, so that none is used twice. When it is
// full it cannot detect a second use; further requests are answered and counted like those of any
// client. Only holders of the shared key can fill it. Safe for concurrent use.
type usedTokens struct {
	mu          sync.Mutex
	since       time.Time // start of the current period
	now, before map[[16]byte]struct{}
}

// note remembers a token by its id. known reports that the token was used before, noted that it is
// remembered now.
func (u *usedTokens) note(id string, at time.Time) (known, noted bool) {
	digest := sha256.Sum256([]byte(id))
	key := [16]byte(digest[:16])
	u.mu.Lock()
	defer u.mu.Unlock()
	switch age := at.Sub(u.since); {
	case u.now == nil || age >= 2*usedFor:
		u.now, u.before, u.since = make(map[[16]byte]struct{}), nil, at
	case age >= usedFor:
		u.now, u.before, u.since = make(map[[16]byte]struct{}), u.now, at
	}
	_, current := u.now[key]
	_, earlier := u.before[key]
	if current || earlier {
		return true, false
	}
	if len(u.now) >= maxUsed {
		return false, false
	}
	u.now[key] = struct{}{}
	return false, true
}
