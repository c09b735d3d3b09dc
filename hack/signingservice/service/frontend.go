package service

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// frontend receives the requests of all endpoints. It counts them, limits their rate, delays them
// and misbehaves, and it calls the endpoint in between. It is safe for concurrent use.
type frontend struct {
	mux     *http.ServeMux
	log     logr.Logger
	counts  counts
	faults  faults
	latency atomic.Int64 // time.Duration
	limiter limiter

	closing sync.Once
	closed  chan struct{}
}

func newFrontend(opts Options) *frontend {
	f := &frontend{mux: http.NewServeMux(), log: opts.Log, closed: make(chan struct{})}
	f.latency.Store(int64(opts.Latency))
	f.limiter.perSecond = opts.RatePerSecond
	return f
}

// close ends all answers that are delayed or stalled. It may be called more than once.
func (f *frontend) close() { f.closing.Do(func() { close(f.closed) }) }

// ServeHTTP implements http.Handler.
func (f *frontend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Simulated", "not a signing service; these signatures have no value")
	if !f.limiter.allow(time.Now()) {
		f.counts.call("rate-limited")
		writeJSON(w, http.StatusTooManyRequests, object{{"error", "too_many_requests"}, {"error_description", "slow down"}})
		return
	}
	f.mux.ServeHTTP(w, r)
}

// exchange is one request to an endpoint.
type exchange struct {
	*http.Request
	endpoint string
	body     []byte
	rude     Misbehaviour
}

// maxBody bounds a request in bytes. It is enough for more than a thousand hashes.
const maxBody = 1 << 20

// handle serves an endpoint at a pattern of http.ServeMux. Before and after serve it counts, waits
// and misbehaves.
func (f *frontend) handle(pattern, endpoint string, serve func(*exchange) answer) {
	key := endpoint
	if _, path, ok := strings.Cut(pattern, " "); ok {
		key = strings.TrimPrefix(path, "/")
	}
	f.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		f.counts.call(key)
		x := &exchange{Request: r, endpoint: endpoint, rude: f.faults.next(endpoint)}
		if a, ok := before(x.rude); ok {
			write(w, a)
			f.log.Info("simulated misbehaviour", "path", key, "misbehaviour", string(x.rude))
			return
		}
		body, err := readAll(r)
		if err != nil {
			write(w, refuse("invalid_request", "Malformed request"))
			return
		}
		x.body = body
		f.wait(time.Duration(f.latency.Load()))
		a := serve(x)
		f.log.Info("simulated request",
			"path", key, "status", a.status, "misbehaviour", string(x.rude), "ms", time.Since(start).Milliseconds())
		f.after(w, r, x.rude, a)
	})
}

// wait pauses for d, or until the service is closed. As with a real service, the pause is not
// shorter if the client hangs up.
func (f *frontend) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.closed:
	}
}

// limiter allows a fixed number of requests in each second of the clock.
type limiter struct {
	perSecond int
	mu        sync.Mutex
	second    int64
	n         int
}

func (l *limiter) allow(now time.Time) bool {
	if l.perSecond <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := now.Unix(); s != l.second {
		l.second, l.n = s, 0
	}
	l.n++
	return l.n <= l.perSecond
}
