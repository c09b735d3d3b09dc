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
	// failuresAtOnce is how many seconds' worth of wrong secrets may come at once: enough for a person
	// who looks for the right one.
	failuresAtOnce = 10
	// maxBrakes bounds the pairs of address and client service that are remembered; one takes some 250
	// bytes.
	maxBrakes = 4096
	// brakesSeen is how many of them are looked at to find one to forget.
	brakesSeen = 16
)

// brake slows down who guesses the secret of a client service, by the address that the connection
// comes from. What a header says of addresses is not believed: the guesser writes it. A client
// service that calls from elsewhere is not held up.
type Brake struct {
	perSecond int // 0 = no brake
	seed      maphash.Seed

	mu     sync.Mutex
	failed map[BrakeKey]*failures
}

// failures are those of one client service from one address. The same wrong secret again is none:
// it is no guess, but an ERP that has an old one, or one that is not in force yet.
type failures struct {
	left *rate.Limiter
	last uint64 // hash of the last wrong secret
}

type BrakeKey struct {
	source netip.Prefix
	client [sha256.Size]byte // digest of the id: callers choose it, and its length
}

const wrongSecret = "client service id or secret is wrong"

func NewBrake(perSecond int) *Brake {
	return &Brake{perSecond: perSecond, seed: maphash.MakeSeed(), failed: make(map[BrakeKey]*failures)}
}

// NewBrakeKey is for an address as net/http tells it. Whoever has an IPv6 address has all of its
// /64.
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

// check calls matches, which compares secret. After too many failures it does not: KindTooMany,
// with the time to come again. The lock is held meanwhile, so that many guesses at once are no more
// than as many in a row; the comparison takes a microsecond.
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
			).Retryable(
				wait,
			)
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

// makeRoom forgets, of some that happen to be seen, the one that has failed least: who fails under
// many names does not so come to have the one forgotten that is held.
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
