package affinity

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
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
	// ForwardedHeader of a request names the instance that forwarded it. A forwarded request is not
	// forwarded again.
	ForwardedHeader = "X-Signstash-Forwarded"
	// TargetHeader of a request is the run of the instance that the request is meant for, by the peers
	// file. Another instance may have taken over the address. It answers 421 (RFC 9110 15.5.20). A
	// later run with the same ordinal and state folder accepts the request. See Identity.
	TargetHeader = "X-Signstash-Target"
	// CreatedHeader of an answer to another instance is the creation time of the operation in the
	// answer, in CreatedFormat. See Newest.
	CreatedHeader = "X-Signstash-Created"
	CreatedFormat = time.RFC3339Nano
)

const (
	// dialTimeout bounds the time to connect to a peer. Peers are near, and clients must not wait long
	// for one that is missing.
	dialTimeout = 2 * time.Second
	// answerTimeout bounds the time until a peer's answer begins, in addition to the time that the
	// request itself allows the peer to wait.
	answerTimeout = 5 * time.Second
	// keyTimeout bounds the time in which a peer says whether it knows an Idempotency-Key. It is short
	// because a client waits for it.
	keyTimeout = time.Second
	// idleTimeout bounds a pause in the middle of a peer's answer. pkg/api allows clients the same
	// time.
	idleTimeout = 60 * time.Second
	// maxHeaderBytes bounds the headers of a peer's answer. Our own answers use a tenth of it.
	maxHeaderBytes = 64 << 10
	// httpsPort is the port where only TLS is spoken.
	httpsPort = 443
)

// Mode says what an instance does with a request for an operation of another instance.
type Mode string

const (
	Forward  Mode = "forward"  // it forwards the request and passes the answer back
	Redirect Mode = "redirect" // it sends the client to the endpoint of that instance
	Off      Mode = "off"      // it answers 404: each instance answers for its own operations only
)

// RedirectScheme is the scheme of the address to which clients are redirected.
type RedirectScheme string

const (
	// SchemeAuto is https if the published port is 443, and otherwise the scheme of the client's
	// request. It is the zero value's meaning too.
	SchemeAuto  RedirectScheme = "auto"
	SchemeHTTP  RedirectScheme = "http"
	SchemeHTTPS RedirectScheme = "https"
)

// ForwarderConfig is what a Forwarder needs.
type ForwarderConfig struct {
	Mode    Mode
	Source  Source
	Ordinal int            // of this instance
	Name    string         // of this instance
	TLS     *tls.Config    // for connections to peers; nil = without TLS
	Scheme  RedirectScheme // of redirects
	// AllowPlaintext calls a peer without TLS if the peer shows that it does not use TLS. It is for
	// the time in which instances change to TLS or back, and only right if a key is shared
	// (Certified). Without TLS it has no effect.
	AllowPlaintext bool
	// Authorities returns the certification authorities that a peer's certificate must chain to. It is
	// called for every connection. If it is nil or returns nil, the authorities of TLS apply.
	Authorities func() *x509.CertPool
	Log         logr.Logger
	Registerer  prometheus.Registerer // nil = no metrics
}

// Forwarder asks other instances on behalf of a client. It asks each instance once and streams both
// ways. It holds no document in memory and stores nothing. Safe for concurrent use.
type Forwarder struct {
	c        ForwarderConfig
	client   *http.Client
	scheme   string
	peers    peers
	proofs   proofs
	lastAt   sync.Map // by internal address: identity of the instance that was last asked there
	outcomes *prometheus.CounterVec
}

// NewForwarder returns a Forwarder. It opens no connection. The only error is that the metrics
// cannot be registered.
func NewForwarder(c ForwarderConfig) (*Forwarder, error) {
	f := &Forwarder{c: c, scheme: "http", outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signstash_forwards_total",
		Help: "Questions put to other instances, by outcome: answered, unknown (not theirs), silent.",
	}, []string{"outcome"})}
	f.proofs.folders = newFolders(c.Log)
	f.peers = peers{source: c.Source, ordinal: c.Ordinal, name: c.Name, outcomes: f.outcomes}
	if c.TLS != nil {
		f.scheme = "https"
	}
	f.client = &http.Client{
		Transport: &http.Transport{
			DialContext:    (&net.Dialer{Timeout: dialTimeout}).DialContext,
			DialTLSContext: c.dialTLS,
			// No HTTP proxy, because peers are on this side of it. No compression, because answers are
			// passed on unchanged.
			DisableCompression:     true,
			MaxIdleConnsPerHost:    32,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if c.Registerer != nil {
		if err := errors.Join(c.Registerer.Register(f.outcomes), c.Registerer.Register(f.proofs.folders.lost)); err != nil {
			return nil, fmt.Errorf("register forwarding metrics: %w", err)
		}
	}
	return f, nil
}

// Forwarded reports whether a request claims that another instance forwarded it. The claim is not
// proved, because any client can send the header.
func Forwarded(r *http.Request) bool { return r.Header.Get(ForwardedHeader) != "" }

// MayAsk reports whether other instances may be asked a request that this instance cannot
// answer.
func (f *Forwarder) MayAsk(r *http.Request) bool {
	return f != nil && f.c.Mode != Off && !Forwarded(r)
}

// Owner returns the instance that holds an operation. It returns nil if no instance can hold it, or
// if this instance does. The error has KindBusy if the instance exists or existed and its address
// is not known, or if no directory was read yet.
func (f *Forwarder) Owner(id signing.ID) (*Published, error) { return f.peers.owner(id) }

// Send forwards a request to a peer and passes the answer back. If answered is true, w was written
// to. longest is how long the request allows the peer to wait before its answer begins. An error of
// KindBusy names an instance that did not answer or did not prove to be the right one.
//
// body is nil if the request has none. Send closes it before it writes to w, because a peer that
// refuses a request answers before it has read the whole body. Close must return only when nobody
// reads the body any more.
//
// Before it sends a body, Send probes the peer, unless r.Asked is set. So no document reaches
// another instance at the peer's address, or one with another state folder, which would sign a
// repeated request again. Before a request without a body that changes something, Send probes a
// peer that has not given a proof yet.
func (f *Forwarder) Send(w http.ResponseWriter, r Request, body io.ReadCloser, to *Published, longest time.Duration) (
	answered bool, err error,
) {
	if f.c.Mode == Redirect {
		if body != nil {
			_ = body.Close()
		}
		return f.redirect(w, r, to)
	}
	if !r.Asked && (body != nil || changes(r.Method) && !f.proofs.given(to)) {
		if err := f.probe(r, to); err != nil {
			if body != nil {
				_ = body.Close()
			}
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
		// This instance accepts the client, so the other one has not read the changed client services
		// yet.
		f.outcomes.WithLabelValues("silent").Inc()
		busy := signing.Errorf(signing.KindBusy, "instance %s does not know the credential yet", to.Name)
		return false, busy.Retryable(f.peers.silences.noAnswer(to.Ordinal))
	}
	f.peers.silences.answered(to.Ordinal)
	f.outcomes.WithLabelValues("answered").Inc()
	return true, a.relay(w)
}

func changes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// probe sends a peer a request that changes nothing, so that the peer can give a proof.
func (f *Forwarder) probe(r Request, to *Published) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	q := outgoing(r, r.Probe)
	q.method = http.MethodGet
	q.header.Del("Content-Type")
	a, err := f.ask(ctx, cancel, q, to, answerTimeout)
	if err != nil {
		return err
	}
	defer a.end()
	a.skip(answerTimeout)
	return nil
}

// redirect sends the client to the endpoint of another instance. Status 307 keeps the method and
// the body (RFC 9110 15.4.8).
func (f *Forwarder) redirect(w http.ResponseWriter, r Request, to *Published) (answered bool, err error) {
	if to.Unreachable {
		return false, f.peers.missing(to.Ordinal)
	}
	scheme := cmp.Or(f.c.Scheme, SchemeAuto)
	switch {
	case scheme != SchemeAuto:
	case to.Port == httpsPort, r.TLS != nil: // at port 443 a gateway in front terminates TLS
		scheme = SchemeHTTPS
	default:
		scheme = SchemeHTTP
	}
	w.Header().Set("Location", string(scheme)+"://"+to.endpoint().HostPort()+r.URL.RequestURI())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true, nil
}

// ask sends a question to a peer. The answer must begin within limit and must come from the
// intended instance. An answer of anything else at its address, such as a gateway or a sidecar,
// counts as no answer. proofs.check decides whether the answer is believed.
func (f *Forwarder) ask(
	ctx context.Context, cancel func(), q question, to *Published, limit time.Duration,
) (*answer, error) {
	timer := newAnswerTimer(limit, cancel)
	silent := func(cause error) error {
		f.outcomes.WithLabelValues("silent").Inc()
		busy := signing.Errorf(signing.KindBusy, "instance %s does not answer", to.Name).Because(cause)
		if ctx.Err() != nil && !timer.expired.Load() { // the client is gone, which says nothing about the peer
			return busy.Retryable(minRetryAfter)
		}
		return busy.Retryable(f.peers.silences.noAnswer(to.Ordinal))
	}
	req, pass, err := f.request(ctx, q, to, timer)
	if err != nil || to.Internal == "" {
		timer.end()
		if known := signing.AsError(err); err != nil && known.Kind == signing.KindBusy {
			f.outcomes.WithLabelValues("silent").Inc()
			return nil, known // the peer must not be asked
		}
		return nil, silent(err)
	}
	resp, err := f.client.Do(req)
	timer.end()
	if err != nil {
		if cause := signing.AsError(err); cause.Kind == signing.KindHungUp || cause.Kind == signing.KindTooLarge {
			return nil, cause // the client's body failed, not the peer
		}
		return nil, silent(err)
	}
	a := &answer{resp, timer.timer, cancel}
	switch name := resp.Header.Get(InstanceHeader); {
	case resp.StatusCode == http.StatusMisdirectedRequest:
		err = fmt.Errorf("%s is now the address of another instance", to.Internal)
	case name != to.Name:
		err = fmt.Errorf("%s was answered by %q with status %d instead of that instance", to.Internal, name, resp.StatusCode)
	case ctx.Err() != nil:
		err = ctx.Err()
	default:
		err = f.proofs.check(pass, to, resp)
	}
	if err != nil {
		err = silent(err)
		a.end()
		return nil, err
	}
	return a, nil
}

// request returns the HTTP request for q and the pass that it is sent with.
func (f *Forwarder) request(ctx context.Context, q question, to *Published, timer *answerTimer) (
	*http.Request, Pass, error,
) {
	var body io.Reader
	if q.body != nil {
		left := q.length
		if left == 0 {
			left = -1 // net/http takes 0 for not known if there is a body
		}
		body = io.NopCloser(&pausingBody{ctx: ctx, r: q.body, left: left, t: timer})
	}
	req, err := f.newRequest(ctx, q.method, to, q.uri, body)
	if err != nil {
		return nil, Pass{}, err
	}
	pass, err := q.authorize(Ask{Method: q.method, URL: req.URL, To: to, Proved: f.proofs.given(to)})
	if err != nil {
		return nil, Pass{}, err
	}
	maps.Copy(req.Header, q.header)
	req.ContentLength = q.length
	req.Header.Set("Authorization", pass.Authorization)
	return req, pass, nil
}

// newRequest returns a request to a peer, with the headers that every peer gets.
func (f *Forwarder) newRequest(
	ctx context.Context, method string, to *Published, uri string, body io.Reader,
) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, f.scheme+"://"+to.Internal+uri, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set(ForwardedHeader, f.c.Name)
	if to.Instance != "" {
		req.Header.Set(TargetHeader, to.Instance)
	}
	if last, asked := f.lastAt.Swap(to.Internal, to.Instance); asked && last != to.Instance {
		f.client.CloseIdleConnections() // they lead to the instance that had this address before
	}
	return req, nil
}
