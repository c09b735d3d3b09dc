package callback

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// Queue holds the callbacks that are to be made; what it has noted is durable. store.Store is one.
type Queue interface {
	Callbacks(ctx context.Context, limit int) ([]store.Callback, error)
	CallbackEnded(ctx context.Context, id signing.ID) error
	CallbackFailed(ctx context.Context, id signing.ID, next time.Time) error
	Operation(ctx context.Context, id signing.ID) (signing.Operation, error)
}

// Config is what a Notifier is made of.
type Config struct {
	Queue Queue
	// HTTP makes the calls. It decides which addresses may be called.
	HTTP    *http.Client
	Timeout time.Duration // of one call
	// Secret returns the secret of a client service, which signs; false where there is no such client service any more.
	Secret     func(clientService string) (string, bool)
	Endpoint   func() (host string, port int) // of this instance
	Log        logr.Logger
	Registerer prometheus.Registerer // nil = no metrics
}

const (
	// atOnce is how many callbacks are under way: a receiver that does not answer must not hold up the others.
	atOnce = 8
	// lookEvery is how often the queue is looked at where nobody says that something has come.
	lookEvery = 5 * time.Second
	// firstPause and longestPause bound the time between two tries; each is twice the one before.
	firstPause, longestPause = 10 * time.Second, time.Hour
	// maxTries is reached after about a day of those pauses.
	maxTries = 32
	// maxAnswer is what is read of an answer, which says nothing but its status.
	maxAnswer = 4 << 10
)

// Names of headers.
const (
	SignatureHeader = "X-Signstash-Signature"
	OperationHeader = "X-Signstash-Operation"
)

// Body is what a callback says: where to ask, and not what was signed.
type Body struct {
	ID                int64  `json:"id"`
	ExternalReference string `json:"externalReference"`
	Status            string `json:"status"`
	Documents         int    `json:"documents"`
	Created           string `json:"creationDate"`
	Ended             string `json:"endDate"`
	Host              string `json:"host"`
	Port              int    `json:"port"`
}

// Notifier makes the callbacks of a queue. Make it with New, run it with Run.
type Notifier struct {
	cfg      Config
	wake     chan struct{}
	outcomes *prometheus.CounterVec
}

// New returns a notifier that does nothing yet.
func New(cfg Config) *Notifier {
	n := &Notifier{cfg: cfg, wake: make(chan struct{}, 1), outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signstash_callbacks_total", Help: "Callbacks, by outcome: made, failed (and to be repeated), given-up.",
	}, []string{"outcome"})}
	for _, outcome := range []string{"made", "failed", "given-up"} {
		n.outcomes.WithLabelValues(outcome) // the first event of a series that was not there before it is no increase
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(n.outcomes)
	}
	return n
}

// Wake says that there may be something to do.
func (n *Notifier) Wake() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Run makes callbacks until ctx is done.
func (n *Notifier) Run(ctx context.Context) error {
	for {
		next := n.round(ctx)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-n.wake:
			timer.Stop()
		}
	}
}

// round makes the callbacks that are due, and returns how long to wait before the next round.
func (n *Notifier) round(ctx context.Context) time.Duration {
	list, err := n.cfg.Queue.Callbacks(ctx, atOnce)
	if err != nil {
		if ctx.Err() == nil {
			n.cfg.Log.Error(err, "callbacks cannot be read")
		}
		return lookEvery
	}
	var all sync.WaitGroup
	now := time.Now()
	due := 0
	for _, c := range list {
		if c.Next.After(now) {
			continue
		}
		due++
		all.Go(func() { n.one(ctx, c) })
	}
	all.Wait()
	if due == atOnce {
		return 0 // there may be more
	}
	return lookEvery
}

// one makes one callback and notes what became of it.
func (n *Notifier) one(ctx context.Context, c store.Callback) {
	op, err := n.cfg.Queue.Operation(ctx, c.Operation)
	if err == nil {
		err = n.call(ctx, op)
	}
	if ctx.Err() != nil {
		return // the next start repeats it
	}
	log := n.cfg.Log.WithValues("operation", c.Operation, "clientService", op.ClientService)
	switch {
	case err == nil:
		n.outcomes.WithLabelValues("made").Inc()
		log.Info("callback made")
		err = n.cfg.Queue.CallbackEnded(ctx, c.Operation)
	case isFinal(err) || c.Tries+1 >= maxTries:
		n.outcomes.WithLabelValues("given-up").Inc()
		log.Error(err, "callback given up", "tries", c.Tries+1)
		err = n.cfg.Queue.CallbackEnded(ctx, c.Operation)
	default:
		n.outcomes.WithLabelValues("failed").Inc()
		pause := pauseAfter(c.Tries)
		log.Info("callback failed and is repeated", "reason", err.Error(), "after", pause.String())
		err = n.cfg.Queue.CallbackFailed(ctx, c.Operation, time.Now().Add(pause))
	}
	if err != nil && ctx.Err() == nil {
		log.Error(err, "what became of a callback could not be noted: it may be repeated")
	}
}

func pauseAfter(tries int) time.Duration {
	return min(firstPause<<min(tries, 16), longestPause)
}

// finalError is one that no repetition cures.
type finalError struct{ text string }

func (e finalError) Error() string { return e.text }

func isFinal(err error) bool {
	var final finalError
	return errors.As(err, &final) || signing.KindOf(err) == signing.KindNotFound
}

// call sends it. The error holds no part of the URL: it may name a token.
func (n *Notifier) call(ctx context.Context, op signing.Operation) error {
	secret, ok := n.cfg.Secret(op.ClientService)
	if !ok {
		return finalError{"the client service is not configured any more"}
	}
	host, port := n.cfg.Endpoint()
	body, err := json.Marshal(Body{
		ID: int64(op.ID), ExternalReference: op.ExternalReference, Status: string(op.Status), Documents: op.DocumentCount,
		Created: op.Created.UTC().Format(time.RFC3339), Ended: op.Ended.UTC().Format(time.RFC3339), Host: host, Port: port,
	})
	if err != nil {
		return finalError{"it cannot be encoded"}
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, op.Callback, bytes.NewReader(body))
	if err != nil {
		return finalError{"its URL cannot be used"}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(OperationHeader, op.ID.String())
	r.Header.Set(SignatureHeader, Sign(secret, time.Now(), body))
	outbound.Repeatable(r)
	answer, err := outbound.Exchange(n.cfg.HTTP, r, maxAnswer)
	switch {
	case err != nil:
		return err
	case answer.Status == http.StatusGone:
		return finalError{"the receiver does not want it (410)"}
	case answer.Status >= 300:
		return fmt.Errorf("the receiver answered %d", answer.Status)
	}
	return nil
}

// Sign returns the value of SignatureHeader.
func Sign(secret string, at time.Time, body []byte) string {
	unix := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(unix + "."))
	mac.Write(body)
	return "t=" + unix + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
