package limits

import (
	"crypto/sha256"
	"hash/maphash"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// failuresAtOnce is the burst, in seconds of the allowed rate: enough for a person who tries to
	// remember the right secret.
	failuresAtOnce = 10
	// maxBrakes bounds the pairs of address and client service that are remembered. One takes about
	// 250 bytes.
	maxBrakes = 4096
	// brakesSeen is the size of the sample from which one pair is evicted.
	brakesSeen = 16
)

// Brake slows down the guessing of a client service's secret. It counts by the address of the
// connection and never by an address in a header, because the guesser writes the headers. Requests
// for the same client service from other addresses are not throttled. Safe for concurrent use.
type Brake struct {
	perSecond int // wrong secrets allowed; 0 = no bound
	seed      maphash.Seed

	mu     sync.Mutex
	failed map[BrakeKey]*failures
}

// failures counts the wrong secrets for one client service from one address. If the last wrong
// secret is repeated, it counts once: it is not a guess, but an ERP with an outdated secret or one
// that is not valid yet.
type failures struct {
	left *rate.Limiter
	last uint64 // hash of the last wrong secret
}

// BrakeKey names a pair of address and client service.
type BrakeKey struct {
	source netip.Prefix
	client [sha256.Size]byte // digest of the id, because callers choose the id and its length
}

const wrongSecret = "client service id or secret is wrong"

// NewBrake returns a Brake that allows that many different wrong secrets per second; 0 = no bound.
func NewBrake(perSecond int) *Brake {
	return &Brake{perSecond: perSecond, seed: maphash.MakeSeed(), failed: make(map[BrakeKey]*failures)}
}

// NewBrakeKey returns the key for a remote address as net/http reports it. An IPv6 address counts
// as its whole /64 network, because one host usually owns all of it.
func NewBrakeKey(remote, client string) BrakeKey {
	key := BrakeKey{client: sha256.Sum256([]byte(client))}
	if from, err := netip.ParseAddrPort(remote); err == nil {
		addr, bits := from.Addr().Unmap(), 32
		if addr.Is6() {
			bits = 64
		}
		key.source, _ = addr.Prefix(bits)
	}
	return key
}

// Check calls matches, which compares secret, and returns KindUnauthenticated if it reports false.
// After too many failures Check does not call matches. It returns KindTooMany with the time after
// which to retry. Check holds the lock during the comparison, so that concurrent guesses are
// counted like sequential ones. The comparison takes a microsecond.
func (b *Brake) Check(key BrakeKey, now time.Time, secret string, matches func() bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.failed[key]
	if f != nil {
		if missing := 1 - f.left.TokensAt(now); missing > 0 {
			wait := time.Duration(math.Ceil(missing / float64(b.perSecond) * float64(time.Second)))
			return signing.Errorf(
				signing.KindTooMany,
				"too many wrong secrets of this client service came from this address",
			).Retryable(wait)
		}
	}
	if matches() {
		return nil
	}
	hash := maphash.String(b.seed, secret)
	switch {
	case b.perSecond == 0:
		return signing.Errorf(signing.KindUnauthenticated, wrongSecret)
	case f == nil:
		b.makeRoom(now)
		f = &failures{left: rate.NewLimiter(rate.Limit(b.perSecond), failuresAtOnce*b.perSecond)}
		b.failed[key] = f
	case f.last == hash:
		return signing.Errorf(signing.KindUnauthenticated, wrongSecret)
	}
	f.last = hash
	f.left.AllowN(now, 1)
	return signing.Errorf(signing.KindUnauthenticated, wrongSecret)
}

// makeRoom evicts the least-failing pair of a small sample, so that failing under many names cannot
// flush a throttled entry.
func (b *Brake) makeRoom(now time.Time) {
	if len(b.failed) < maxBrakes {
		return
	}
	var least BrakeKey
	most, seen := math.Inf(-1), 0
	for key, f := range b.failed {
		if left := f.left.TokensAt(now); left > most {
			least, most = key, left
		}
		if seen++; seen == brakesSeen {
			break
		}
	}
	delete(b.failed, least)
}
