package keyedload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

// Config says what a Load sends, and where.
type Config struct {
	HTTP *http.Client
	// Front is the base URL of an address that leads to any instance, such as
	// http://proxy.example:8080. The host and port of an answer are followed with its scheme.
	Front string
	// Instances returns the base URLs of the single instances that exist now.
	Instances func() []string
	// Authorize adds the credential of the client service to a request.
	Authorize func(*http.Request)
	// Body returns the JSON of a request with one document. reference is new, and is also the
	// Idempotency-Key.
	Body func(reference string) []byte
	// Prefix begins all references. No other Load may use it.
	Prefix string
	// Every is the time between two new keys. The load does not wait for the answer to send the next.
	Every time.Duration
	// Try bounds one attempt of a POST.
	Try time.Duration
	// Patience is how long a new key is repeated after the first refusal before the client gives up.
	Patience time.Duration
	// Settle is how long everything else is tried: a key that nobody answers, a key that is sent more
	// than once, and the fetch of a result.
	Settle time.Duration
}

// Some of the keys are sent more than once. These numbers have no common factor with 10 or with
// each other, so that all combinations occur.
const (
	twinEach   = 7 // every seventh key is sent to two instances at the same time
	repeatEach = 3 // every third key is repeated after it was accepted
	// repeatWithin is the longest time after which an accepted key is repeated.
	repeatWithin = 3 * time.Second
)

// Load sends requests until it is stopped.
type Load struct {
	cfg    Config
	cancel context.CancelFunc // no new keys
	ended  chan struct{}      // closed when every key has ended
	keys   []*key             // only the sender appends; read it after ended
}

// key is what happened to one Idempotency-Key. Its goroutines write it, and judge reads it when all
// of them have ended.
type key struct {
	name      string
	first     series
	twin      *series // sent at the same time as first
	repeat    *series // sent after first was accepted
	delivered bool
	problem   string // why the result could not be fetched
}

// series is the attempts of one client to send a key.
type series struct {
	attempts []attempt
	accepted *operation
}

// attempt is one POST.
type attempt struct {
	at         time.Time
	took       time.Duration
	status     int // 0 = no answer
	retryAfter time.Duration
	instance   string // that answered
	text       string // of a refusal
}

// operation is what the load reads of an answer.
type operation struct {
	ID       int64
	HostPort string
	Status   string
}

// Start begins to send new keys. It sends no new ones after ctx is done or Stop was called.
func Start(ctx context.Context, cfg Config) *Load {
	sending, cancel := context.WithCancel(ctx)
	l := &Load{cfg: cfg, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		var lives sync.WaitGroup
		for i := 0; ; i++ {
			k := &key{name: fmt.Sprintf("%s-%d", cfg.Prefix, i)}
			l.keys = append(l.keys, k)
			lives.Go(func() { l.live(ctx, k, i) })
			if pace.Pause(sending, cfg.Every) != nil {
				break
			}
		}
		lives.Wait()
	}()
	return l
}

// Stop sends no new keys, waits until every key has an end, and judges what happened. Call it when
// all instances are back, because it also looks for operations of keys that were not accepted.
func (l *Load) Stop(ctx context.Context) Report {
	l.cancel()
	<-l.ended
	for _, k := range l.keys { // the answer may have been lost, or the request read late
		if k.operation() == nil {
			k.delivered, k.problem = l.fetch(ctx, k.name, l.cfg.Front)
		}
	}
	return judge(l.keys)
}

// live sends a key and fetches its result.
func (l *Load) live(ctx context.Context, k *key, i int) {
	var all sync.WaitGroup
	patience := l.cfg.Patience
	if i%twinEach == twinEach-1 {
		k.twin = &series{}
		patience = l.cfg.Settle // the other one may be accepted by an instance that is missing a moment later
		all.Go(func() { l.post(ctx, k.name, k.twin, l.anywhere(""), l.cfg.Settle) })
	}
	l.post(ctx, k.name, &k.first, l.cfg.Front, patience)
	all.Wait()
	op := k.operation()
	if op == nil {
		return
	}
	if i%repeatEach == repeatEach-1 {
		k.repeat = &series{}
		all.Go(func() {
			if pace.Pause(ctx, rand.N(repeatWithin)) == nil {
				l.post(ctx, k.name, k.repeat, l.anywhere(""), l.cfg.Settle)
			}
		})
	}
	scheme, _, _ := strings.Cut(l.cfg.Front, "://")
	k.delivered, k.problem = l.fetch(ctx, k.name, scheme+"://"+op.HostPort)
	all.Wait()
}

// operation returns the operation that the first answer named, or nil if the key was not accepted.
func (k *key) operation() *operation {
	if k.first.accepted == nil && k.twin != nil {
		return k.twin.accepted
	}
	return k.first.accepted
}

// anywhere returns the base URL of a random instance that is not the given one, or of all if no
// other exists.
func (l *Load) anywhere(except string) string {
	all := slices.DeleteFunc(l.cfg.Instances(), func(base string) bool { return base == except })
	if len(all) == 0 {
		return l.cfg.Front
	}
	return all[rand.IntN(len(all))]
}
