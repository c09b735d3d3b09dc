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
	"net/netip"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
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
	// HTTP makes the calls. It must refuse private addresses (outbound.Guard).
	HTTP *http.Client
	// AllowPrivate are ranges that may be called although they are not public.
	AllowPrivate []netip.Prefix
	Timeout      time.Duration // of one call
	// Secret returns the secret of a client service, which signs; false where there is no such client
	// service any more.
	Secret     func(clientService string) (string, bool)
	Endpoint   func() (host string, port int) // of this instance
	Log        logr.Logger
	Registerer prometheus.Registerer // nil = no metrics
}

const (
	// atOnce is how many callbacks are under way, clientAtOnce how many of one client service: its
	// receivers that do not answer must not hold up those of others.
	atOnce, clientAtOnce = 8, 2
	// leastLook and mostLook are how many callbacks the queue is asked for: more, where those that are
	// due first must wait for their client service's others.
	leastLook, mostLook = 4 * atOnce, 1 << 14
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

// dateFormat is that of the API.
const dateFormat = "2006-01-02T15:04:05.000-07:00"

// Body is what a callback says: where to ask, and not what was signed. The schema Callback of the
// API's description has the same.
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
	p := &pool{
		n:        n,
		underWay: make(map[signing.ID]string),
		byClient: make(map[string]int),
		ended:    make(chan signing.ID, atOnce),
	}
	defer p.all.Wait()
	for {
		p.start(ctx)
		timer := time.NewTimer(lookEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-n.wake:
		case id := <-p.ended:
			p.end(id)
		}
		timer.Stop()
	}
}

// one makes one callback and notes what became of it.
func (n *Notifier) one(ctx context.Context, c store.Callback, op signing.Operation, err error) {
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
		n.note(ctx, log, func() error { return n.cfg.Queue.CallbackEnded(ctx, c.Operation) })
	case signing.KindOf(err) == signing.KindNotFound && err != nil:
		log.Info("callback dropped: its operation was removed")
		n.note(ctx, log, func() error { return n.cfg.Queue.CallbackEnded(ctx, c.Operation) })
	case isFinal(err) || c.Tries+1 >= maxTries:
		n.outcomes.WithLabelValues("given-up").Inc()
		log.Error(err, "callback given up", "tries", c.Tries+1)
		n.note(ctx, log, func() error { return n.cfg.Queue.CallbackEnded(ctx, c.Operation) })
	default:
		n.outcomes.WithLabelValues("failed").Inc()
		pause := pauseAfter(c.Tries)
		log.Info("callback failed and is repeated", "reason", err.Error(), "after", pause.String())
		next := time.Now().Add(pause)
		n.note(ctx, log, func() error { return n.cfg.Queue.CallbackFailed(ctx, c.Operation, next) })
	}
}

// note writes down what became of a callback, until it is written: to make it again because the
// disk is full would go on for as long as the disk is. Its place stays taken, so that few are made
// whose outcome cannot be noted.
func (n *Notifier) note(ctx context.Context, log logr.Logger, write func() error) {
	for said := false; ; said = true {
		err := write()
		if err == nil || ctx.Err() != nil {
			return
		}
		if !said {
			log.Error(
				err,
				"what became of a callback cannot be noted: it is tried again, and after a stop the callback is repeated",
			)
		}
		if pace.Pause(ctx, lookEvery) != nil {
			return
		}
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
	return errors.As(err, &final)
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
		Created: op.Created.UTC().Format(dateFormat), Ended: op.Ended.UTC().Format(dateFormat), Host: host, Port: port,
	})
	if err != nil {
		return finalError{"it cannot be encoded"}
	}
	if err := outbound.CheckHost(op.Callback, n.cfg.AllowPrivate); err != nil {
		return finalError{"its URL leads to an address that is not public"}
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
		return lost(err)
	case answer.Status == http.StatusGone:
		return finalError{"the receiver does not want it (410)"}
	case answer.Status >= 300:
		return fmt.Errorf("the receiver answered %d", answer.Status)
	}
	return nil
}

// lost says in fixed words why there was no answer: the cause names host and address.
func lost(err error) error {
	var open *outbound.OpenError
	var gone *outbound.LostError
	switch {
	case errors.As(err, &open):
		return errors.New("the receiver has failed lately and is not called for a while")
	case errors.Is(err, outbound.ErrPrivate):
		return errors.New("its URL leads to an address that is not public")
	case errors.Is(err, outbound.ErrUnresolved):
		return errors.New("the host name of its URL does not resolve here, and --callback.hosts does not list it")
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("the receiver did not answer in time")
	case errors.As(err, &gone) && gone.Sent:
		return errors.New("the receiver's answer was lost")
	}
	return errors.New("the receiver cannot be reached")
}

// Sign returns the value of SignatureHeader.
func Sign(secret string, at time.Time, body []byte) string {
	unix := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(unix + "."))
	mac.Write(body)
	return "t=" + unix + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
