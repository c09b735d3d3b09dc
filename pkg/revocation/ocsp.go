package revocation

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
)

const (
	// maxOCSPBytes is the largest answer. One with a responder's certificate has about 2 KB.
	maxOCSPBytes = 64 << 10
	// maxSkew is the largest accepted difference between other clocks and ours.
	maxSkew = 5 * time.Minute
	// openAge is how long an answer without nextUpdate is used. Such an answer says that newer
	// information is always available.
	openAge = time.Hour
)

// ocspAnswer is a checked answer with the status good.
type ocspAnswer struct {
	der       []byte
	responder *x509.Certificate // the delegated signer; nil if the issuer itself signed
}

func (a *ocspAnswer) size() int { return len(a.der) }

// ocsp asks one address about cert. It sends no nonce, because most public responders return
// prepared responses without one (RFC 5019 4). The times in the response show whether it is fresh.
func (g *Gatherer) ocsp(ctx context.Context, address string, cert, issuer *x509.Certificate) (*ocspAnswer, error) {
	// SHA-1 only names the issuer here. Responders need not support another hash (RFC 5019 2.1.1).
	request, err := ocsp.CreateRequest(cert, issuer, &ocsp.RequestOptions{Hash: crypto.SHA1})
	if err != nil {
		return nil, fmt.Errorf("make OCSP request: %w", err)
	}
	value, err := g.cached(ctx, "ocsp "+address+" "+string(request), func(ctx context.Context) (any, time.Time, error) {
		der, err := g.fetch(ctx, http.MethodPost, address, "application/ocsp-request", request, maxOCSPBytes)
		if err != nil {
			return nil, time.Time{}, err
		}
		return g.checkOCSP(der, cert, issuer, time.Now())
	})
	if err != nil {
		return nil, err
	}
	return value.(*ocspAnswer), nil
}

// checkOCSP checks an answer against RFC 6960 3.2. It returns the answer and the time until which
// it may be cached. A revoked certificate is an error too.
func (g *Gatherer) checkOCSP(der []byte, cert, issuer *x509.Certificate, now time.Time) (any, time.Time, error) {
	r, err := ocsp.ParseResponseForCert(der, cert, nil)
	if err != nil {
		return nil, time.Time{}, err
	}
	a := &ocspAnswer{der: der}
	if a.responder, err = evidence.CheckOCSP(r, cert, issuer, now); err != nil {
		return nil, time.Time{}, err
	}
	until, err := fresh(r.ThisUpdate, r.NextUpdate, now)
	if err != nil {
		return nil, time.Time{}, err
	}
	switch r.Status {
	case ocsp.Good:
		return a, earlier(until, now.Add(g.cfg.MaxAge)), nil
	case ocsp.Revoked:
		return nil, time.Time{}, errRevoked
	}
	return nil, time.Time{}, errors.New("the responder does not know the certificate")
}

// fresh checks the times of an answer or a CRL and returns until when it is valid.
func fresh(this, next, now time.Time) (until time.Time, err error) {
	if next.IsZero() {
		next = this.Add(openAge)
	}
	switch {
	case this.After(now.Add(maxSkew)):
		return next, errors.New("its time is in the future")
	case !next.After(now):
		return next, errors.New("it has expired")
	}
	return next, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
