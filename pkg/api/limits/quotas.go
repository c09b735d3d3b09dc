package limits

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Quotas bound the requests per second of each client service, so that one that sends too many
// leaves room for the others. Only authenticated client services get an entry, so there are never
// more entries than client services in the client file since the start. Safe for concurrent use.
type Quotas struct {
	rate  rate.Limit // requests a second; rate.Inf = no bound
	burst int        // requests at once, after a time without any

	mu       sync.Mutex
	byClient map[string]*quota
}

type quota struct {
	bucket *rate.Limiter
}

// NewQuotas returns quotas of that many requests per second for each client service; 0 = no bound.
func NewQuotas(requestsPerSecond int) *Quotas {
	q := &Quotas{rate: rate.Inf, byClient: make(map[string]*quota)}
	if requestsPerSecond > 0 {
		// The burst is two seconds of the rate, because an ERP sends its evening batch at once.
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

// Request counts one request of a client service. The error is KindTooMany, with the time after
// which the next request is accepted.
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
