package revocation

import (
	"bytes"
	"cmp"
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

// Settings say how OCSP responses and CRLs are collected. Zero values mean the defaults.
type Settings struct {
	// AllowPrivate lists address ranges that may be called although they are not public, for example
	// for a CA inside the company.
	AllowPrivate []netip.Prefix
	// Hosts are endings of host names for which an HTTP proxy is asked without resolving them here
	// (outbound.Guard).
	Hosts []string
	// Timeout bounds one request, default 10 s; Total one Gather, default 30 s.
	Timeout, Total time.Duration
	// MaxAge is the longest time for which an answer is cached, even if it is valid longer; default
	// 1 h.
	MaxAge time.Duration
	// MaxCRLBytes is the largest size of a CRL; default 4 MiB, because the CRL goes into the document.
	MaxCRLBytes int64
}

// Config is what a Gatherer needs. The zero value is usable.
type Config struct {
	Settings
	// HTTP makes the requests. It must refuse private addresses (Settings.Guard). Nil means a new
	// client that does.
	HTTP *http.Client
	// Issuers returns certificates that are known from other sources; it may be nil. They are used if
	// a chain lacks an issuer, before the issuer is fetched. Each Gather calls it.
	Issuers func() []*x509.Certificate
	// Local returns the CRLs (DER) of an issuer that publishes none; it may be nil. They are checked
	// like any other CRL.
	Local func(ctx context.Context, issuer *x509.Certificate) ([][]byte, error)
	Log   logr.Logger
}

// Guard returns the guard for the HTTP client that makes the requests, because certificates choose
// their addresses.
func (s Settings) Guard() *outbound.Guard {
	return &outbound.Guard{Allow: s.AllowPrivate, Hosts: s.Hosts, Setting: "--revocation.hosts"}
}

// Gatherer gathers and caches revocation data. It is safe for concurrent use. Equal requests at the
// same time are sent once.
type Gatherer struct {
	cfg     Config
	http    *http.Client
	cache   cache
	flights singleflight.Group
}

// New returns a Gatherer.
func New(cfg Config) (*Gatherer, error) {
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.Total = cmp.Or(cfg.Total, 30*time.Second)
	cfg.MaxAge = cmp.Or(cfg.MaxAge, time.Hour)
	cfg.MaxCRLBytes = cmp.Or(cfg.MaxCRLBytes, 4<<20)
	if cfg.HTTP == nil {
		var err error
		if cfg.HTTP, err = outbound.New(outbound.Config{Guard: cfg.Guard()}); err != nil {
			return nil, fmt.Errorf("make revocation client: %w", err)
		}
	}
	client := *cfg.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Gatherer{cfg: cfg, http: &client}, nil
}

// gathered is the data gathered so far. It holds each DER element once.
type gathered struct {
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

// maxChain is the largest number of certificates in a path. Public paths have at most five.
const maxChain = 10

// Gather returns what a validator needs for the first certificate of chain, each element in DER:
// the certificates of its path that are not in chain, the certificates that signed OCSP responses,
// the OCSP responses, and the CRLs. It takes issuers from the rest of chain, in any order, then
// from Config.Issuers, then from the addresses in the certificates. Of several paths it takes the
// best one (certchain.Link). A root ends the path and needs no revocation data. An issuer that
// cannot be found also ends the path, because the certificate that a validator trusts need not be a
// root.
//
// Errors are KindRevocation, with Retry unless no later attempt can help, or KindCertificate when a
// certificate is revoked.
func (g *Gatherer) Gather(
	ctx context.Context, chain []*x509.Certificate,
) (certificates, ocsps, crls [][]byte, err error) {
	if len(chain) == 0 {
		return nil, nil, nil, signing.Errorf(signing.KindRevocation, "there is no certificate to gather revocation data for")
	}
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Total)
	defer cancel()
	var e gathered
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
				signing.KindRevocation, "the issuer of the certificate is not known, so its revocation data cannot be checked: %s",
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

// errRevoked is the only failure after which no other source is asked.
var errRevoked = errors.New("the certificate is revoked")

// errNoSource says that a certificate names no address to ask.
var errNoSource = errors.New("the certificate names no usable source of revocation data")

func refusal(err error) error {
	switch {
	case errors.Is(err, errRevoked):
		return signing.Errorf(signing.KindCertificate, "a certificate of the chain is revoked").Because(err)
	case errors.Is(err, errNoSource):
		return signing.Errorf(signing.KindRevocation, "a certificate of the chain names no usable source of revocation data").
			Because(err)
	}
	return signing.Errorf(signing.KindRevocation, "no usable revocation data for a certificate of the chain").
		Because(err).Retryable(0)
}

// status adds the evidence for one certificate: an OCSP response, or else a CRL.
func (g *Gatherer) status(ctx context.Context, cert, issuer *x509.Certificate, e *gathered) error {
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

// addResponder adds the certificate that signed an OCSP response. It also adds revocation data for
// that certificate, unless the certificate says that none is needed (RFC 6960 4.2.2.2.1). Only
// strict validators need that data, so a failure to get it is ignored.
func (g *Gatherer) addResponder(ctx context.Context, responder, issuer *x509.Certificate, e *gathered) {
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

// maxSources is the largest number of addresses of one kind that are used from a certificate.
const maxSources = 3

// usable returns the addresses that can be used.
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
