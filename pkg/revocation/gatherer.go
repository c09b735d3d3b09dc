package revocation

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/singleflight"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Config is how revocation data is gathered. The zero value is usable.
type Config struct {
	// HTTP makes the requests. It must refuse private addresses (outbound.Guard). Nil = a client of
	// its own that does.
	HTTP *http.Client
	// AllowPrivate are address ranges that may be asked although they are not public: a CA inside the
	// company.
	AllowPrivate []netip.Prefix
	// Issuers returns certificates that are known from elsewhere; nil = none. They are used where a
	// chain lacks an issuer, before that is fetched. It is called by each Gather.
	Issuers func() []*x509.Certificate
	// Local returns CRLs (DER) of an issuer that publishes none; nil = none. They are checked like any
	// other.
	Local func(ctx context.Context, issuer *x509.Certificate) ([][]byte, error)
	// Timeout bounds one request, default 10 s; Total one Gather, default 30 s.
	Timeout, Total time.Duration
	// MaxAge is how long an answer is used although it would be valid longer; default 1 h.
	MaxAge time.Duration
	// MaxCRLBytes bounds a CRL; default 4 MiB, since it goes into the document.
	MaxCRLBytes int64
	Log         logr.Logger
}

// Gatherer gathers and keeps revocation data. It is safe for concurrent use; equal requests at the
// same time are made once.
type Gatherer struct {
	cfg     Config
	http    *http.Client
	cache   cache
	flights singleflight.Group
}

// New returns a Gatherer.
func New(cfg Config) (*Gatherer, error) {
	cfg.Timeout = orDefault(cfg.Timeout, 10*time.Second)
	cfg.Total = orDefault(cfg.Total, 30*time.Second)
	cfg.MaxAge = orDefault(cfg.MaxAge, time.Hour)
	cfg.MaxCRLBytes = orDefault(cfg.MaxCRLBytes, 4<<20)
	if cfg.HTTP == nil {
		var err error
		if cfg.HTTP, err = outbound.New(outbound.Config{Guard: &outbound.Guard{Allow: cfg.AllowPrivate}}); err != nil {
			return nil, fmt.Errorf("make revocation client: %w", err)
		}
	}
	client := *cfg.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Gatherer{cfg: cfg, http: &client}, nil
}

func orDefault[T time.Duration | int64](value, otherwise T) T {
	if value <= 0 {
		return otherwise
	}
	return value
}

// evidence is what was gathered, each DER element once.
type evidence struct {
	certificates, ocsps, crls [][]byte
}

func add(list *[][]byte, der []byte) {
	for _, have := range *list {
		if bytes.Equal(have, der) {
			return
		}
	}
	*list = append(*list, der)
}

// maxChain bounds a path: no public one has more than five certificates.
const maxChain = 10

// Gather returns what a validator needs for the chain's first certificate: the certificates of its
// path that were found elsewhere and those that signed OCSP responses, OCSP responses and CRLs,
// each DER. Issuers are taken from the rest of chain, in any order, then from Config.Issuers, then
// from the addresses that certificates name. Of several paths the best is taken (certchain.Link). A
// root ends the path and needs nothing; so does an issuer that is found nowhere, since what a
// validator trusts need not be a root.
//
// Errors are KindRevocation, with Retry unless no later try can help, or KindCertificate when a
// certificate is revoked.
func (g *Gatherer) Gather(
	ctx context.Context,
	chain []*x509.Certificate,
) (certificates, ocsps, crls [][]byte, err error) {
	if len(chain) == 0 {
		return nil, nil, nil, signing.Errorf(signing.KindRevocation, "there is no certificate to gather revocation data for")
	}
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Total)
	defer cancel()
	var e evidence
	path := &path{Gatherer: g, pool: slices.Clone(chain[1:])}
	if g.cfg.Issuers != nil {
		path.pool = append(path.pool, g.cfg.Issuers()...)
	}
	cert := chain[0]
	for range maxChain {
		if certchain.IsRoot(cert) {
			return e.certificates, e.ocsps, e.crls, nil
		}
		issuer, err := path.issuer(ctx, cert)
		switch {
		case err != nil:
			return nil, nil, nil, refusal(err)
		case issuer == nil && cert == chain[0]:
			return nil, nil, nil, signing.Errorf(
				signing.KindRevocation,
				"the issuer of the certificate is not known, so its revocation data cannot be checked: %s",
				certchain.Name(cert.Issuer),
			)
		case issuer == nil:
			return e.certificates, e.ocsps, e.crls, nil
		}
		if err := g.status(ctx, cert, issuer, &e); err != nil {
			return nil, nil, nil, refusal(err)
		}
		if !contains(chain, issuer) {
			add(&e.certificates, issuer.Raw)
		}
		cert = issuer
	}
	return nil, nil, nil, signing.Errorf(signing.KindRevocation, "the certificate chain is too long")
}

// errRevoked is the one answer that no other source can heal.
var errRevoked = errors.New("the certificate is revoked")

// errNoSource says that a certificate names no place to ask at.
var errNoSource = errors.New("the certificate names no usable source of revocation data")

func refusal(err error) error {
	switch {
	case errors.Is(err, errRevoked):
		return signing.Errorf(signing.KindCertificate, "a certificate of the chain is revoked").Because(err)
	case errors.Is(err, errNoSource):
		return signing.Errorf(
			signing.KindRevocation,
			"a certificate of the chain names no usable source of revocation data",
		).Because(
			err,
		)
	}
	return signing.Errorf(
		signing.KindRevocation,
		"no usable revocation data for a certificate of the chain",
	).Because(
		err,
	).Retryable(
		0,
	)
}

// status adds the evidence for one certificate: OCSP, or else a CRL.
func (g *Gatherer) status(ctx context.Context, cert, issuer *x509.Certificate, e *evidence) error {
	var failures []error
	for _, address := range usable(cert.OCSPServer) {
		a, err := g.ocsp(ctx, address, cert, issuer)
		if err == nil {
			add(&e.ocsps, a.der)
			if a.responder != nil {
				g.addResponder(ctx, a.responder, issuer, e)
			}
			return nil
		}
		if errors.Is(err, errRevoked) {
			return err
		}
		failures = append(failures, fmt.Errorf("OCSP: %w", err))
	}
	crl, err := g.crlFor(ctx, cert, issuer)
	if err == nil {
		add(&e.crls, crl)
		return nil
	}
	if errors.Is(err, errRevoked) || len(failures) == 0 {
		return err
	}
	if !errors.Is(err, errNoSource) {
		failures = append(failures, fmt.Errorf("CRL: %w", err))
	}
	return errors.Join(failures...)
}

// addResponder adds the certificate that signed an OCSP response, and revocation data for it unless
// it says that none is needed (RFC 6960 4.2.2.2.1). That data is for strict validators: failing to
// get it fails nothing.
func (g *Gatherer) addResponder(ctx context.Context, responder, issuer *x509.Certificate, e *evidence) {
	add(&e.certificates, responder.Raw)
	if hasExtension(responder, oidNoCheck) {
		return
	}
	if crl, err := g.crlFor(ctx, responder, issuer); err == nil {
		add(&e.crls, crl)
	} else if !errors.Is(err, errNoSource) {
		g.cfg.Log.V(1).Info("no revocation data for an OCSP responder", "reason", err.Error())
	}
}

// maxSources bounds the places of one kind that a certificate may send us to.
const maxSources = 3

// usable returns the addresses that can be asked at all.
func usable(addresses []string) []string {
	var list []string
	for _, a := range addresses {
		if checkURL(a) == nil && len(list) < maxSources {
			list = append(list, a)
		}
	}
	return list
}

func contains(chain []*x509.Certificate, c *x509.Certificate) bool {
	for _, have := range chain {
		if have.Equal(c) {
			return true
		}
	}
	return false
}
