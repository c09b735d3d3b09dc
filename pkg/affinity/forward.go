package affinity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Headers of requests between instances, and of answers.
const (
	// InstanceHeader of an answer names the instance that gave it.
	InstanceHeader = "X-Signstash-Instance"
	// ForwardedHeader of a request names the instance that forwarded it: it is not forwarded again.
	ForwardedHeader = "X-Signstash-Forwarded"
	// TargetHeader of a request is the identity of the instance that it is meant for. Addresses are
	// used again: another one answers 421 (RFC 9110 15.5.20).
	TargetHeader = "X-Signstash-Target"
	// CreatedHeader of an answer to another instance is when the operation was created that it names,
	// in CreatedFormat: see Newest.
	CreatedHeader = "X-Signstash-Created"
	CreatedFormat = time.RFC3339Nano
)

const (
	// dialTimeout bounds the way to a peer, which is near: a missing one shall not be waited for.
	dialTimeout = 2 * time.Second
	// answerTimeout is how long a peer may think before its answer begins, beyond what the request
	// itself allows it to wait.
	answerTimeout = 5 * time.Second
	// keyTimeout is how long a peer may think about whether it knows an Idempotency-Key: a client
	// waits behind it.
	keyTimeout = time.Second
	// silence bounds a pause in the middle of a peer's answer; pkg/api gives clients as long.
	silence = 60 * time.Second
	// maxHeaderBytes bounds what a peer's answer may hold in its head; ours are a tenth of it.
	maxHeaderBytes = 64 << 10
	// httpsPort is where nothing but TLS is spoken.
	httpsPort = 443
	// comeAgain is when a missing instance may be back: a restart takes about as long.
	comeAgain = 10 * time.Second
)

// Mode is what becomes of a request for another instance's operation.
type Mode string

const (
	Forward  Mode = "forward"  // it is passed on, and the answer passed back
	Redirect Mode = "redirect" // the client is sent to that instance's endpoint
	Off      Mode = "off"      // nothing: every instance answers for its own operations alone
)

// ForwarderConfig is what a Forwarder is made of.
type ForwarderConfig struct {
	Mode    Mode
	Source  Source
	Ordinal int         // of this instance
	Name    string      // of this instance
	TLS     *tls.Config // for peers; nil = they are spoken to without TLS
	// Scheme is that of redirects, http or https; empty = as peers are spoken to, and https where the
	// published port is 443.
	Scheme string
	// Authorities are those that a peer's certificate must lead to, asked for at every connection;
	// nil, or nil from it = as TLS says.
	Authorities func() *x509.CertPool
	Log         logr.Logger
	Registerer  prometheus.Registerer // nil = no metrics
}

// Forwarder asks other instances on behalf of a client, once, streamed. It holds no document and
// stores nothing. Safe for concurrent use.
type Forwarder struct {
	c        ForwarderConfig
	client   *http.Client
	scheme   string
	met      sync.Map // identity by internal address: who was last asked there
	proofs   sync.Map // runs of peers that have proved themselves, by runOf: one for each pod that there was
	outcomes *prometheus.CounterVec
}

// NewForwarder returns a Forwarder. It speaks to nobody yet.
func NewForwarder(c ForwarderConfig) (*Forwarder, error) {
	f := &Forwarder{c: c, scheme: "http", outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signstash_forwards_total",
		Help: "Questions put to other instances, by outcome: answered, unknown (not theirs), silent.",
	}, []string{"outcome"})}
	if c.TLS != nil {
		f.scheme = "https"
	}
	f.client = &http.Client{
		Transport: &http.Transport{
			DialContext:    (&net.Dialer{Timeout: dialTimeout}).DialContext,
			DialTLSContext: c.dialTLS,
			// No proxy: peers are on this side of it. No compression: answers are passed on as they are.
			DisableCompression: true, MaxIdleConnsPerHost: 32, IdleConnTimeout: silence, MaxResponseHeaderBytes: maxHeaderBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if c.Registerer != nil {
		if err := c.Registerer.Register(f.outcomes); err != nil {
			return nil, fmt.Errorf("register forwarding metrics: %w", err)
		}
	}
	return f, nil
}

// dialTLS connects to a peer.
func (c *ForwarderConfig) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout) // the connection, then the handshake
	defer cancel()
	config := c.TLS.Clone()
	if c.Authorities != nil {
		if pool := c.Authorities(); pool != nil {
			config.RootCAs = pool
		}
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: config}
	return d.DialContext(ctx, network, address)
}

// Identity is what another instance must ask for in TargetHeader; see Misdirected.
type Identity string

// Misdirected reports whether a forwarded request is meant for another instance than this one.
func (i Identity) Misdirected(r *http.Request) bool {
	target := r.Header.Get(TargetHeader)
	return target != "" && i != "" && target != string(i)
}

// Forwarded reports whether a request says that another instance passed it on. Anybody can say so.
func Forwarded(r *http.Request) bool { return r.Header.Get(ForwardedHeader) != "" }

// Elsewhere reports whether a request that this instance cannot answer may be asked of others.
func (f *Forwarder) Elsewhere(r *http.Request) bool {
	return f != nil && f.c.Mode != Off && !Forwarded(r)
}

// Owner returns the instance that holds an operation; nil if there is none, or it is this one.
// KindBusy if it exists, or did once, and its address is not known, or nobody's is.
func (f *Forwarder) Owner(id signing.ID) (*Published, error) {
	ordinal := id.Ordinal()
	if ordinal == f.c.Ordinal {
		return nil, nil
	}
	d, known := f.c.Source.Directory()
	if !known {
		return nil, f.nobodyKnown()
	}
	if peer, ok := d.find(ordinal); ok {
		return &peer, nil
	}
	if ordinal < max(d.Ever, d.Expected) {
		return nil, f.missing(ordinal)
	}
	return nil, nil
}

// nobodyKnown is the fault of not knowing yet whom to ask.
func (f *Forwarder) nobodyKnown() error {
	f.outcomes.WithLabelValues("silent").Inc()
	return signing.Errorf(signing.KindBusy, "which other instances there are could not be read yet").Retryable(comeAgain)
}

// missing is the fault of an instance that must be asked and cannot be.
func (f *Forwarder) missing(ordinal int) error {
	f.outcomes.WithLabelValues("silent").Inc()
	return signing.Errorf(signing.KindBusy, "instance %s does not answer", f.nameOf(ordinal)).Retryable(comeAgain)
}

// nameOf an ordinal, whether it has an address or not: instances of one set are named alike, the
// ordinal last.
func (f *Forwarder) nameOf(ordinal int) string {
	d, _ := f.c.Source.Directory()
	if p, ok := d.find(ordinal); ok {
		return p.Name
	}
	if prefix, own, ok := cutOrdinal(f.c.Name); ok && own == f.c.Ordinal {
		return fmt.Sprintf("%s%d", prefix, ordinal)
	}
	return fmt.Sprintf("with ordinal %d", ordinal)
}

// Send passes a request on and the answer back; w has been written to if answered is true. longest
// is what the request allows the peer to wait before its answer begins. KindBusy names an instance
// that did not answer, or is not the one that it should be.
//
// body, nil if there is none, is closed before w is written to: a peer that refuses a request
// answers before it has read all of it, and Close must return only when nobody reads the body any
// more.
//
// A request that changes something and has no body is sent to a peer that has proved itself; if it
// has not yet, it is probed before. One with a body is sent after KeyOwner has asked.
func (f *Forwarder) Send(w http.ResponseWriter, r Request, body io.ReadCloser, to *Published, longest time.Duration) (
	answered bool, err error,
) {
	if f.c.Mode == Redirect {
		if body != nil {
			_ = body.Close()
		}
		return f.redirect(w, r, to)
	}
	if body == nil && changes(r.Method) && !f.proved(to) {
		if err := f.probe(r, to); err != nil {
			return false, err
		}
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	q := outgoing(r, r.URL.RequestURI())
	if body != nil {
		q.body, q.length = body, r.ContentLength
	}
	a, err := f.ask(ctx, cancel, q, to, longest+answerTimeout)
	if body != nil {
		_ = body.Close()
	}
	if err != nil {
		return false, err
	}
	defer a.end()
	if a.StatusCode == http.StatusUnauthorized {
		// This instance accepts the client: the other one has not read yet what changed.
		f.outcomes.WithLabelValues("silent").Inc()
		return false, signing.Errorf(
			signing.KindBusy,
			"instance %s does not know the credential yet",
			to.Name,
		).Retryable(
			comeAgain,
		)
	}
	f.outcomes.WithLabelValues("answered").Inc()
	return true, a.relay(w)
}

func changes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// probe asks a peer something that changes nothing, so that it can prove itself.
func (f *Forwarder) probe(r Request, to *Published) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	q := outgoing(r, r.Probe)
	q.method = http.MethodGet
	a, err := f.ask(ctx, cancel, q, to, answerTimeout)
	if err != nil {
		return err
	}
	defer a.end()
	a.skip(answerTimeout)
	return nil
}

// redirect sends the client to the endpoint of another instance: 307, so that method and body stay
// (RFC 9110 15.4.8).
func (f *Forwarder) redirect(w http.ResponseWriter, r Request, to *Published) (answered bool, err error) {
	if to.Unreachable {
		return false, f.missing(to.Ordinal)
	}
	scheme := f.c.Scheme
	switch {
	case scheme != "":
	case to.Port == httpsPort:
		scheme = "https" // something in front ends TLS
	default:
		scheme = f.scheme
	}
	w.Header().Set("Location", scheme+"://"+to.endpoint().HostPort()+r.URL.RequestURI())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true, nil
}

// ask puts a question to a peer. The answer must begin within limit and be of the instance that was
// meant; whoever else answers at its address, be it a gateway or a sidecar, has said nothing. See
// checkProof for what must prove that.
func (f *Forwarder) ask(
	ctx context.Context,
	cancel func(),
	q question,
	to *Published,
	limit time.Duration,
) (*answer, error) {
	silent := func(cause error) error {
		f.outcomes.WithLabelValues("silent").Inc()
		return signing.Errorf(signing.KindBusy, "instance %s does not answer", to.Name).Because(cause).Retryable(comeAgain)
	}
	patience := newPatience(limit, cancel)
	req, pass, err := f.request(ctx, q, to, patience)
	if err != nil || to.Internal == "" {
		patience.end()
		if known := signing.AsError(err); err != nil && known.Kind == signing.KindBusy {
			f.outcomes.WithLabelValues("silent").Inc()
			return nil, known // it must not be asked
		}
		return nil, silent(err)
	}
	resp, err := f.client.Do(req)
	patience.end()
	if err != nil {
		if cause := signing.AsError(err); cause.Kind == signing.KindHungUp || cause.Kind == signing.KindTooLarge {
			return nil, cause // the client's body, not the peer
		}
		return nil, silent(err)
	}
	a := &answer{resp, patience.timer, cancel}
	switch name := resp.Header.Get(InstanceHeader); {
	case resp.StatusCode == http.StatusMisdirectedRequest:
		err = fmt.Errorf("%s is the address of another instance by now", to.Internal)
	case name != to.Name:
		err = fmt.Errorf("at %s answered %q with status %d, and not that instance", to.Internal, name, resp.StatusCode)
	case ctx.Err() != nil:
		err = ctx.Err()
	default:
		err = f.checkProof(pass, to, resp)
	}
	if err != nil {
		a.end()
		return nil, silent(err)
	}
	return a, nil
}

// request is q as it is sent, and what it is sent with.
func (f *Forwarder) request(ctx context.Context, q question, to *Published, p *patience) (*http.Request, Pass, error) {
	var body io.Reader
	if q.body != nil {
		body = io.NopCloser(&resetting{q.body, p})
	}
	req, err := http.NewRequestWithContext(ctx, q.method, f.scheme+"://"+to.Internal+q.uri, body)
	if err != nil {
		return nil, Pass{}, err
	}
	pass, err := q.authorize(Ask{Method: q.method, URL: req.URL, To: to, Proved: f.proved(to)})
	if err != nil {
		return nil, Pass{}, err
	}
	req.Header, req.ContentLength = q.header, q.length
	req.Header.Set("Authorization", pass.Authorization)
	req.Header.Set(ForwardedHeader, f.c.Name)
	if to.Instance != "" {
		req.Header.Set(TargetHeader, to.Instance)
	}
	if last, met := f.met.Swap(to.Internal, to.Instance); met && last != to.Instance {
		f.client.CloseIdleConnections() // they lead to the one before
	}
	return req, pass, nil
}
