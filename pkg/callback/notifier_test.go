package callback_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/pipenet"
	"github.com/signstash-proxy/signstash-proxy/pkg/callback"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// queue is a callback.Queue in memory.
type queue struct {
	registry *prometheus.Registry
	mu       sync.Mutex
	list     map[signing.ID]*signing.Callback
	ended    []signing.ID
	fault    error
	full     error // of every write
}

func (q *queue) Callbacks(_ context.Context, limit int) ([]signing.Callback, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []signing.Callback
	for _, c := range q.list {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b signing.Callback) int { return a.Next.Compare(b.Next) })
	return all[:min(limit, len(all))], q.fault
}

func (q *queue) CallbackEnded(_ context.Context, id signing.ID) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full != nil {
		return q.full
	}
	delete(q.list, id)
	q.ended = append(q.ended, id)
	return nil
}

func (q *queue) CallbackFailed(_ context.Context, id signing.ID, next time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full != nil {
		return q.full
	}
	q.list[id].Tries++
	q.list[id].Next = next
	return nil
}

func (q *queue) Operation(_ context.Context, id signing.ID) (signing.Operation, error) {
	if id == 404 {
		return signing.Operation{}, signing.Errorf(signing.KindNotFound, "no such operation")
	}
	op := signing.Operation{
		ID:                id,
		ClientService:     "erp",
		ExternalReference: "r",
		Status:            signing.StatusExecuted,
		Callback:          "http://receiver.invalid/ended",
	}
	switch {
	case id == 403:
		op.ClientService = "gone"
	case id == 10:
		op.Callback = "http://10.0.0.5/ended"
	case id >= 1000:
		op.ClientService, op.Callback = "tar pit", "http://tar-pit-"+id.String()+".invalid/"
	}
	return op, nil
}

// outcome returns how many callbacks had the given outcome, according to the metrics.
func (q *queue) outcome(t *testing.T, outcome string) (n float64) {
	t.Helper()
	families, err := q.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetValue() == outcome {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

func (q *queue) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.list)
}

// run runs a notifier for a queue on a fake clock. answer returns the status of each call.
func run(
	t *testing.T,
	ids []signing.ID,
	answer func(call int) int,
	test func(q *queue, n *callback.Notifier, calls func() []time.Duration),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := &queue{list: map[signing.ID]*signing.Callback{}, registry: prometheus.NewRegistry()}
		start := time.Now()
		for _, id := range ids {
			q.list[id] = &signing.Callback{Operation: id, Next: start}
		}
		var mu sync.Mutex
		var at []time.Duration
		client, stop := pipenet.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // else the end of the connection is not seen
			mu.Lock()
			at = append(at, time.Since(start))
			n := len(at)
			mu.Unlock()
			status := answer(n)
			if status == 0 || strings.HasPrefix(r.Host, "tar-pit") { // never
				<-r.Context().Done()
				return
			}
			w.WriteHeader(status)
		}))
		defer stop()
		n, err := callback.New(callback.Config{
			Settings: callback.Settings{Timeout: 10 * time.Second},
			Queue:    q, HTTP: client, Log: testr.New(t), Registerer: q.registry,
			Secret:   func(id string) (string, bool) { return "secret", id != "gone" },
			Endpoint: func() (string, int) { return "proxy-0.example.org", 8080 },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { _ = n.Run(ctx); close(done) }()
		test(q, n, func() []time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(at)
		})
		cancel()
		<-done
	})
}

func always(status int) func(int) int { return func(int) int { return status } }

// TestMade checks that a callback that is due is made at once, and only once.
func TestMade(t *testing.T) {
	run(
		t,
		[]signing.ID{1, 2, 3, 4, 5, 6, 7, 8, 9, 11},
		always(204),
		func(q *queue, n *callback.Notifier, calls func() []time.Duration) {
			time.Sleep(time.Hour)
			if got := calls(); len(got) != 10 || q.left() != 0 || slices.Max(got) > time.Second {
				t.Errorf("calls at %v, %d left", got, q.left())
			}
		},
	)
}

// TestRepeated checks that a receiver that fails is called again with growing pauses until it
// accepts the callback.
func TestRepeated(t *testing.T) {
	statuses := []int{500, 503, 301, 404, 0, 200}
	run(
		t,
		[]signing.ID{1},
		func(call int) int { return statuses[call-1] },
		func(q *queue, n *callback.Notifier, calls func() []time.Duration) {
			time.Sleep(time.Hour)
			got := calls()
			if len(got) != len(statuses) || q.left() != 0 {
				t.Fatalf("calls at %v, %d left", got, q.left())
			}
			for i, least := range []time.Duration{10, 20, 40, 80, 160} {
				// the queue is read every 5 s, and one call took 10 s
				if gap := got[i+1] - got[i]; gap < least*time.Second || gap > (least+16)*time.Second {
					t.Errorf("call %d came %v after the one before, want about %d s", i+2, gap, least)
				}
			}
		},
	)
}

// TestGivenUp checks that a receiver that stays unreachable is called for about a day. A receiver
// that answers 410, and a callback that nobody could verify, are called at most once.
func TestGivenUp(t *testing.T) {
	run(t, []signing.ID{1}, always(500), func(q *queue, n *callback.Notifier, calls func() []time.Duration) {
		time.Sleep(72 * time.Hour)
		if got := calls(); len(got) != 32 || q.left() != 0 || got[31] < 20*time.Hour || got[31] > 30*time.Hour {
			t.Errorf("%d calls, the last after %v, %d left", len(got), got[len(got)-1], q.left())
		}
	})
	for id, want := range map[signing.ID]int{1: 1, 10: 0, 403: 0, 404: 0} {
		run(t, []signing.ID{id}, always(410), func(q *queue, n *callback.Notifier, calls func() []time.Duration) {
			time.Sleep(time.Hour)
			if got := calls(); len(got) != want || q.left() != 0 {
				t.Errorf("operation %d: calls at %v, %d left", id, got, q.left())
			}
			// Nobody is to blame for a removed operation. The alert uses the other outcomes.
			if got := q.outcome(t, "given-up"); got != 1 && id != 404 || got != 0 && id == 404 {
				t.Errorf("operation %d: %v callbacks count as given up", id, got)
			}
		})
	}
}

// TestWake checks that a new callback is made at once after Wake, even if no callback is due, and
// that a queue that cannot be read is read again.
func TestWake(t *testing.T) {
	run(t, nil, always(200), func(q *queue, n *callback.Notifier, calls func() []time.Duration) {
		q.mu.Lock()
		q.fault = errors.New("disk")
		q.mu.Unlock()
		time.Sleep(time.Minute + time.Second)
		q.mu.Lock()
		q.fault = nil
		q.list[1] = &signing.Callback{Operation: 1, Next: time.Now()}
		q.mu.Unlock()
		n.Wake()
		synctest.Wait()
		if got := calls(); len(got) != 1 || got[0] != time.Minute+time.Second {
			t.Errorf("calls at %v", got)
		}
	})
}

// TestFullDisk checks that a callback whose outcome cannot be recorded is not made again, and that
// the outcome is recorded once there is room.
func TestFullDisk(t *testing.T) {
	ids := []signing.ID{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13}
	for _, status := range []int{200, 410, 500} {
		run(t, nil, func(call int) int {
			if call > len(ids) {
				return 200
			}
			return status
		}, func(q *queue, n *callback.Notifier, calls func() []time.Duration) {
			q.mu.Lock()
			q.full = errors.New("disk full")
			for _, id := range ids {
				q.list[id] = &signing.Callback{Operation: id, Next: time.Now()}
			}
			q.mu.Unlock()
			for range 60 {
				n.Wake()
				time.Sleep(time.Minute)
			}
			if got := calls(); len(got) == 0 || len(got) > 8 || q.left() != len(ids) {
				t.Errorf("answers of %d: %d calls in an hour of a full disk, %d left, want some and 8 at most", status,
					len(got), q.left())
			}
			q.mu.Lock()
			q.full = nil
			q.mu.Unlock()
			time.Sleep(time.Hour)
			want := len(ids)
			if status == 500 {
				want *= 2
			}
			if got := calls(); len(got) != want || q.left() != 0 {
				t.Errorf("answers of %d: %d calls in all, %d left, want %d and none", status, len(got), q.left(), want)
			}
		})
	}
}

// TestTarPit checks that a client service whose receivers accept every call and never answer does
// not delay the callbacks of others, however many callbacks it has.
func TestTarPit(t *testing.T) {
	run(t, nil, always(200), func(q *queue, n *callback.Notifier, calls func() []time.Duration) {
		q.mu.Lock()
		for id := signing.ID(1000); id < 1500; id++ {
			q.list[id] = &signing.Callback{Operation: id, Next: time.Now().Add(-time.Minute)}
		}
		for id := signing.ID(1); id < 10; id++ {
			q.list[id] = &signing.Callback{Operation: id, Next: time.Now()}
		}
		q.mu.Unlock()
		n.Wake()
		time.Sleep(time.Second)
		q.mu.Lock()
		defer q.mu.Unlock()
		if len(q.ended) != 9 || slices.Max(q.ended) > 9 {
			t.Errorf("after a second %v are told, want 1 to 9", q.ended)
		}
	})
}

// TestSign compares a value with that of another program: printf '1700000000.{}' | openssl dgst
// -sha256 -hmac secret.
func TestSign(t *testing.T) {
	const want = "t=1700000000,v1=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163"
	if got := callback.Sign("secret", time.Unix(1700000000, 0), []byte("{}")); got != want {
		t.Errorf("Sign = %s", got)
	}
}
