package service

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Service is the simulated signing service. It is safe for concurrent use.
type Service struct {
	opts        Options
	mux         *http.ServeMux
	credentials []*credential
	tokenKey    *ecdsa.PrivateKey
	counts      counts
	faults      faults
	latency     atomic.Int64 // time.Duration
	limiter     limiter
	gate        gate

	mu      sync.Mutex
	tokens  map[string]accessToken
	sads    map[string]*sad
	waiting map[string]*waitingAuthorization
	async   map[string]*asyncAnswer
	safe    safeAccount

	closing sync.Once
	closed  chan struct{}
}

// New creates a service with its keys and certificates.
func New(opts Options) (*Service, error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	s := &Service{
		opts: opts, mux: http.NewServeMux(), closed: make(chan struct{}),
		tokens: make(map[string]accessToken), sads: make(map[string]*sad),
		waiting: make(map[string]*waitingAuthorization), async: make(map[string]*asyncAnswer),
	}
	s.latency.Store(int64(opts.Latency))
	s.limiter.perSecond = opts.RatePerSecond
	for _, c := range opts.Credentials {
		made, err := opts.Authority.credential(c)
		if err != nil {
			return nil, err
		}
		s.credentials = append(s.credentials, made)
	}
	var err error
	if s.tokenKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("make token key: %w", err)
	}
	if err := s.openSAFEAccount(); err != nil {
		return nil, err
	}
	s.routeOAuth()
	s.routeCSC()
	s.routeSAFE()
	return s, nil
}

// Close ends all answers that are held, delayed or stalled. It may be called more than once.
func (s *Service) Close() { s.closing.Do(func() { close(s.closed) }) }

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Simulated", "not a signing service; these signatures have no value")
	if !s.limiter.allow(time.Now()) {
		s.counts.call("rate-limited")
		writeJSON(w, http.StatusTooManyRequests, object{{"error", "too_many_requests"}, {"error_description", "slow down"}})
		return
	}
	s.mux.ServeHTTP(w, r)
}

// Authority returns the authority that issued the certificates of the credentials.
func (s *Service) Authority() *Authority { return s.opts.Authority }

// Misbehave adds a fault. Faults that were added first take effect first.
func (s *Service) Misbehave(f Fault) error { return s.faults.add(f) }

// Behave removes all faults.
func (s *Service) Behave() { s.faults.clear() }

// SetLatency changes Options.Latency from the next request on.
func (s *Service) SetLatency(d time.Duration) { s.latency.Store(int64(d)) }

// Hold makes signHash requests wait, before anything is signed, until Release is called.
func (s *Service) Hold() { s.gate.close() }

// Release ends Hold, so that all waiting requests continue.
func (s *Service) Release() { s.gate.open() }

// Counts returns what has happened so far.
func (s *Service) Counts() Counts { return s.counts.snapshot(s.gate.held()) }

// exchange is one request to an endpoint.
type exchange struct {
	*http.Request
	endpoint string
	body     []byte
	rude     Rudeness
}

// answer is the answer of an endpoint.
type answer struct {
	status int
	header map[string]string
	body   any // nil = no body
}

// maxBody bounds a request in bytes. It is enough for more than a thousand hashes.
const maxBody = 1 << 20

// handle serves an endpoint at a pattern of http.ServeMux. Before and after serve it counts, waits
// and misbehaves.
func (s *Service) handle(pattern, endpoint string, serve func(*exchange) answer) {
	key := endpoint
	if _, path, ok := strings.Cut(pattern, " "); ok {
		key = strings.TrimPrefix(path, "/")
	}
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		s.counts.call(key)
		x := &exchange{Request: r, endpoint: endpoint, rude: s.faults.next(endpoint)}
		if a, ok := before(x.rude); ok {
			s.write(w, a)
			s.opts.Log.Info("simulated rudeness", "path", key, "rudeness", string(x.rude))
			return
		}
		body, err := readAll(r)
		if err != nil {
			s.write(w, refuse("invalid_request", "Malformed request"))
			return
		}
		x.body = body
		s.wait(time.Duration(s.latency.Load()))
		a := serve(x)
		s.opts.Log.Info(
			"simulated request",
			"path",
			key,
			"status",
			a.status,
			"rudeness",
			string(x.rude),
			"ms",
			time.Since(start).Milliseconds(),
		)
		s.after(w, r, x.rude, a)
	})
}

// wait pauses for d, or until the service is closed. As with a real service, the pause is not
// shorter if the client hangs up.
func (s *Service) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.closed:
	}
}

// before carries out a rudeness in place of the request: nothing that was requested is done.
func before(r Rudeness) (answer, bool) {
	switch r {
	case TooManyRequests:
		return answer{status: http.StatusTooManyRequests, body: object{{"error", "temporarily_unavailable"}}}, true
	case TooManyRetryAfter:
		return answer{
			status: http.StatusTooManyRequests,
			header: map[string]string{"Retry-After": "2"},
			body:   object{{"error", "temporarily_unavailable"}},
		}, true
	case ErrorBefore:
		return answer{
			status: http.StatusInternalServerError,
			body:   object{{"error_description", "simulated fault before"}, {"error", "server_error"}},
		}, true
	case Unavailable:
		return answer{
			status: http.StatusServiceUnavailable,
			header: map[string]string{"Retry-After": "3"},
			body:   object{{"error", "temporarily_unavailable"}},
		}, true
	case Gateway:
		return answer{
			status: http.StatusBadGateway,
			header: map[string]string{"Content-Type": "text/html"},
			body:   raw("<html><body><h1>502 Bad Gateway</h1></body></html>"),
		}, true
	case Refused:
		return refuse("invalid_request", "Simulated refusal"), true
	case CutBefore:
		panic(http.ErrAbortHandler) // net/http cuts the connection
	}
	return answer{}, false
}

// after carries out a rudeness after everything that was requested is done.
func (s *Service) after(w http.ResponseWriter, r *http.Request, rude Rudeness, a answer) {
	if lie, ok := misleading(rude); ok {
		s.write(w, lie)
		return
	}
	switch rude {
	case ErrorAfter:
		a = answer{
			status: http.StatusInternalServerError,
			body:   object{{"error", "server_error"}, {"error_description", "simulated fault after"}},
		}
	case CutAfter:
		panic(http.ErrAbortHandler)
	case HalfAnswer, Stalled:
		s.writeHalf(w, r, rude, a)
		return
	case NotJSON:
		a.body = raw("It worked!")
	case Empty:
		a.body = raw("{}")
	case Huge:
		s.writeHuge(w, a)
		return
	}
	s.write(w, a)
}

// misleading carries out a rudeness that looks like a refusal, although everything is done.
func misleading(r Rudeness) (answer, bool) {
	page := func(status int, title string) (answer, bool) {
		return answer{
			status: status, header: map[string]string{"Content-Type": "text/html"},
			body: raw("<html><body><h1>" + title + "</h1></body></html>"),
		}, true
	}
	switch r {
	case TimedOutAfter:
		return page(http.StatusRequestTimeout, "408 Request Time-out")
	case HungUpAfter:
		return page(499, "499 Client Closed Request")
	case NotFoundAfter:
		return page(http.StatusNotFound, "404 Not Found")
	case TooManyAfter:
		return answer{
			status: http.StatusTooManyRequests, header: map[string]string{"Retry-After": "2"},
			body: object{{"message", "API rate limit exceeded"}},
		}, true
	case ServerErrorAfter:
		return answer{status: http.StatusBadRequest, body: object{
			{"error", "server_error"}, {"error_description", "simulated fault after"},
		}}, true
	case RedirectAfter:
		return answer{
			status: http.StatusFound, header: map[string]string{"Location": "https://simulated.invalid/sorry"}, body: raw(""),
		}, true
	}
	return answer{}, false
}

func (s *Service) write(w http.ResponseWriter, a answer) {
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	writeJSON(w, a.status, a.body)
}

// writeHalf sends half of the answer and then cuts the connection, at once or when the client has
// given up.
func (s *Service) writeHalf(w http.ResponseWriter, r *http.Request, rude Rudeness, a answer) {
	text := encode(a.body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	w.WriteHeader(a.status)
	_, _ = w.Write(text[:len(text)/2])
	_ = http.NewResponseController(w).Flush()
	if rude == Stalled {
		select {
		case <-r.Context().Done():
		case <-s.closed:
		}
	}
	panic(http.ErrAbortHandler)
}

// writeHuge sends 64 MiB of an answer that never closes its first string.
func (s *Service) writeHuge(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, err := w.Write([]byte(`{"signatures":["`))
	chunk := []byte(strings.Repeat("QUFB", 16<<10))
	for sent := 0; err == nil && sent < 64<<20; sent += len(chunk) {
		_, err = w.Write(chunk)
	}
	panic(http.ErrAbortHandler)
}

// refuse returns an error with status 400 in the CSC's form.
func refuse(code, description string) answer {
	return answer{status: http.StatusBadRequest, body: object{{"error", code}, {"error_description", description}}}
}

// field and object keep their fields in an order that differs from the standards' examples.
type field struct {
	name  string
	value any
}

type object []field

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, f := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", f.name, value)
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// raw is a body that is sent as it is.
type raw string

func encode(body any) []byte {
	if text, ok := body.(raw); ok {
		return []byte(text)
	}
	text, err := json.MarshalIndent(body, "", "  ") // white space: nobody may count on its absence
	if err != nil {
		panic(err) // every body here is made of strings, numbers and lists
	}
	return text
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = w.Write(encode(body))
}

func readAll(r *http.Request) ([]byte, error) {
	return readLimited(http.MaxBytesReader(nil, r.Body, maxBody))
}

// random returns an unguessable value, made of n bytes and encoded.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

func unbase64(text string) ([]byte, error) { return base64.StdEncoding.DecodeString(text) }
