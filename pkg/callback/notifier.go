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
)

// Queue holds the callbacks that must still be made. Its writes are durable when they return.
// store.Store implements it.
type Queue interface {
	Callbacks(ctx context.Context, limit int) ([]signing.Callback, error)
	CallbackEnded(ctx context.Context, id signing.ID) error
	CallbackFailed(ctx context.Context, id signing.ID, next time.Time) error
	Operation(ctx context.Context, id signing.ID) (signing.Operation, error)
}

// Settings say how the receivers of callbacks are called.
type Settings struct {
	// AllowPrivate are the address ranges that may be called although they are not public.
	AllowPrivate []netip.Prefix
	// Hosts are endings of host names for which an HTTP proxy is asked without resolving them here
	// (outbound.Guard).
	Hosts   []string
	Timeout time.Duration // of one call
}

// Guard returns the guard for the HTTP client that makes the calls, because clients choose their
// addresses.
func (s Settings) Guard() *outbound.Guard {
	return &outbound.Guard{Allow: s.AllowPrivate, Hosts: s.Hosts, Setting: "--callback.hosts"}
}

// Config holds the dependencies and the settings of a Notifier.
type Config struct {
	Settings
	Queue Queue
	// HTTP makes the calls. It must refuse private addresses (Settings.Guard).
	HTTP *http.Client
	// Secret returns the secret of a client service, which is the key of the HMAC. It returns false if
	// the client service is no longer configured.
	Secret     func(clientService string) (string, bool)
	Endpoint   func() (host string, port int) // of this instance
	Log        logr.Logger
	Registerer prometheus.Registerer // nil = no metrics
}

const (
	// maxCalls bounds the callbacks that run at the same time. maxClientCalls bounds those of one
	// client service, because receivers that do not answer must not delay the callbacks of other
	// client services.
	maxCalls, maxClientCalls = 8, 2
	// minRead and maxRead bound how many callbacks are read from the queue. More are read when the
	// earliest ones must wait for other callbacks of their client service.
	minRead, maxRead = 4 * maxCalls, 1 << 14
	// readPause is the time between two reads of the queue when nobody calls Wake.
	readPause = 5 * time.Second
	// firstPause and maxPause bound the time between two tries. Each pause is twice the one
	// before.
	firstPause, maxPause = 10 * time.Second, time.Hour
	// maxTries is reached after about a day of those pauses.
	maxTries = 32
	// maxAnswer bounds the bytes that are read of an answer. Only its status matters.
	maxAnswer = 4 << 10
)

// Names of headers.
const (
	SignatureHeader = "X-Signstash-Signature"
	OperationHeader = "X-Signstash-Operation"
)

// dateFormat is the date format of the API.
const dateFormat = "2006-01-02T15:04:05.000-07:00"

// Body is the content of a callback. It says where the result can be fetched, but not what was
// signed. It matches the schema Callback of the OpenAPI description.
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

// Notifier makes the callbacks of a queue. Create it with New and run it with Run.
type Notifier struct {
	cfg      Config
	wake     chan struct{}
	outcomes *prometheus.CounterVec
}

// New returns a Notifier and registers its metrics. The Notifier does nothing until Run is called.
// It is an error if Config.HTTP is missing.
func New(cfg Config) (*Notifier, error) {
	if cfg.HTTP == nil {
		return nil, errors.New("an HTTP client is needed")
	}
	n := &Notifier{cfg: cfg, wake: make(chan struct{}, 1), outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signstash_callbacks_total", Help: "Callbacks, by outcome: made, failed (and to be repeated), given-up.",
	}, []string{"outcome"})}
	for _, outcome := range []string{"made", "failed", "given-up"} {
		n.outcomes.WithLabelValues(outcome) // Create the series at 0. Otherwise increase() misses the first event.
	}
	if cfg.Registerer != nil {
		if err := cfg.Registerer.Register(n.outcomes); err != nil {
			return nil, fmt.Errorf("register metrics of callbacks: %w", err)
		}
	}
	return n, nil
}

// Wake tells the notifier that there may be new callbacks. It never blocks.
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
		running:  make(map[signing.ID]string),
		byClient: make(map[string]int),
		ended:    make(chan signing.ID, maxCalls),
	}
	defer p.all.Wait()
	for {
		p.start(ctx)
		timer := time.NewTimer(readPause)
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

// one makes one callback and records its outcome. err is the error of reading its operation.
func (n *Notifier) one(ctx context.Context, c signing.Callback, op signing.Operation, err error) {
	if err == nil {
		err = n.call(ctx, op)
	}
	if ctx.Err() != nil {
		return // the next start repeats the callback
	}
	log := n.cfg.Log.WithValues("operation", c.Operation, "clientService", op.ClientService)
	switch {
	case err == nil:
		n.outcomes.WithLabelValues("made").Inc()
		log.Info("callback made")
		n.record(ctx, log, func() error { return n.cfg.Queue.CallbackEnded(ctx, c.Operation) })
	case signing.KindOf(err) == signing.KindNotFound && err != nil:
		log.Info("callback dropped because its operation was removed")
		n.record(ctx, log, func() error { return n.cfg.Queue.CallbackEnded(ctx, c.Operation) })
	case isFinal(err) || c.Tries+1 >= maxTries:
		n.outcomes.WithLabelValues("given-up").Inc()
		log.Error(err, "callback given up", "tries", c.Tries+1)
		n.record(ctx, log, func() error { return n.cfg.Queue.CallbackEnded(ctx, c.Operation) })
	default:
		n.outcomes.WithLabelValues("failed").Inc()
		pause := backoff.After(c.Tries + 1)
		log.Info("callback failed and will be repeated", "reason", err.Error(), "after", pause.String())
		next := time.Now().Add(pause)
		n.record(ctx, log, func() error { return n.cfg.Queue.CallbackFailed(ctx, c.Operation, next) })
	}
}

// record records the outcome of a callback and retries until that succeeds. Otherwise the callback
// would be repeated for as long as the disk is full. The callback keeps its place meanwhile, so
// that only few callbacks are made whose outcome cannot be recorded.
func (n *Notifier) record(ctx context.Context, log logr.Logger, write func() error) {
	for logged := false; ; logged = true {
		err := write()
		if err == nil || ctx.Err() != nil {
			return
		}
		if !logged {
			log.Error(err, "could not record the outcome of a callback; a restart would repeat the callback")
		}
		if pace.Pause(ctx, readPause) != nil {
			return
		}
	}
}

// backoff is the pause between two tries.
var backoff = pace.Backoff{First: firstPause, Max: maxPause}

// finalError is an error that a retry cannot cure.
type finalError struct{ text string }

func (e finalError) Error() string { return e.text }

func isFinal(err error) bool {
	var final finalError
	return errors.As(err, &final)
}

// call sends a callback. The error holds no part of the URL, because the URL may contain a token.
func (n *Notifier) call(ctx context.Context, op signing.Operation) error {
	secret, ok := n.cfg.Secret(op.ClientService)
	if !ok {
		return finalError{"the client service is no longer configured"}
	}
	host, port := n.cfg.Endpoint()
	body, err := json.Marshal(Body{
		ID: int64(op.ID), ExternalReference: op.ExternalReference, Status: string(op.Status), Documents: op.DocumentCount,
		Created: op.Created.UTC().Format(dateFormat), Ended: op.Ended.UTC().Format(dateFormat), Host: host, Port: port,
	})
	if err != nil {
		return finalError{"the callback cannot be encoded"}
	}
	if err := outbound.CheckHost(op.Callback, n.cfg.AllowPrivate); err != nil {
		return finalError{"the callback URL leads to an address that is not public"}
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, op.Callback, bytes.NewReader(body))
	if err != nil {
		return finalError{"the callback URL is not valid"}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(OperationHeader, op.ID.String())
	r.Header.Set(SignatureHeader, Sign(secret, time.Now(), body))
	outbound.MarkRepeatable(r)
	answer, err := outbound.Exchange(n.cfg.HTTP, r, maxAnswer)
	switch {
	case err != nil:
		return lost(err)
	case answer.Status == http.StatusGone:
		return finalError{"the receiver refuses the callback (status 410)"}
	case answer.Status >= 300:
		return fmt.Errorf("the receiver answered with status %d", answer.Status)
	}
	return nil
}

// lost returns an error with a fixed text that says why there was no answer. The cause is left out
// because it names the host and the address.
func lost(err error) error {
	var open *outbound.OpenError
	var gone *outbound.LostError
	switch {
	case errors.As(err, &open):
		return errors.New("the receiver has failed recently and is not called for some time")
	case errors.Is(err, outbound.ErrPrivate):
		return errors.New("the callback URL leads to an address that is not public")
	case errors.Is(err, outbound.ErrUnresolved):
		return errors.New("the host name of the callback URL does not resolve here, and --callback.hosts does not list it")
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("the receiver did not answer in time")
	case errors.As(err, &gone) && gone.Sent:
		return errors.New("the answer of the receiver was lost")
	}
	return errors.New("the receiver is not reachable")
}

// Sign returns the value of SignatureHeader.
func Sign(secret string, at time.Time, body []byte) string {
	unix := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(unix + "."))
	mac.Write(body)
	return "t=" + unix + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
