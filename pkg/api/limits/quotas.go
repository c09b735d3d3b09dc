package limits

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// quotas bound what one client service takes of an instance, so that one that has gone wild leaves
// room for its neighbours. Only client services that have authenticated get one: there are never
// more than the client file has ever named.
type Quotas struct {
	rate  rate.Limit // requests a second; rate.Inf = no bound
	burst int        // requests at once, after a time without any

	mu       sync.Mutex
	byClient map[string]*quota
}

type quota struct {
	bucket *rate.Limiter
}

func NewQuotas(requestsPerSecond int) *Quotas {
	q := &Quotas{rate: rate.Inf, byClient: make(map[string]*quota)}
	if requestsPerSecond > 0 {
		// Two seconds' worth: an ERP that releases its evening batch is no attack.
		q.rate, q.burst = rate.Limit(requestsPerSecond), 2*requestsPerSecond
	}
	return q
}

// of returns the quota of a client service. mu must be held.
func (q *Quotas) of(client string) *quota {
	one, ok := q.byClient[client]
	if !ok {
		one = &quota{bucket: rate.NewLimiter(q.rate, q.burst)}
		q.byClient[client] = one
	}
	return one
}

// request takes one request from the bucket of a client service: KindTooMany, with the time after
// which the next one will do.
func (q *Quotas) Request(client string, now time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	bucket := q.of(client).bucket
	if bucket.AllowN(now, 1) {
		return nil
	}
	missing := 1 - bucket.TokensAt(now)
	wait := time.Duration(math.Ceil(missing / float64(q.rate) * float64(time.Second)))
	return signing.Errorf(signing.KindTooMany, "more than %v requests a second", float64(q.rate)).Retryable(wait)
}
