package revocation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
)

// list is a checked CRL. It keeps the DER rather than parsed entries, because there may be a
// hundred thousand entries, which would take several times the memory of their DER.
type list struct {
	der   []byte
	scope evidence.Scope
}

func (l *list) size() int { return len(l.der) }

// crlFor returns a CRL that shows that cert is not revoked. It is a local one, or it comes from an
// address in cert.
func (g *Gatherer) crlFor(ctx context.Context, cert, issuer *x509.Certificate) ([]byte, error) {
	var failures []error
	if g.cfg.Local != nil {
		local, err := g.cfg.Local(ctx, issuer)
		if err != nil {
			failures = append(failures, fmt.Errorf("read local CRL: %w", err))
		}
		for _, der := range local {
			l, _, err := g.checkCRL(der, issuer, time.Now())
			if err == nil {
				if err = l.checkNotRevoked(cert); err == nil {
					return l.der, nil
				}
			}
			if errors.Is(err, errRevoked) {
				return nil, err
			}
			failures = append(failures, fmt.Errorf("local CRL: %w", err))
		}
	}
	for _, address := range usable(cert.CRLDistributionPoints) {
		l, err := g.crl(ctx, address, issuer)
		if err == nil {
			if err = l.checkNotRevoked(cert); err == nil {
				return l.der, nil
			}
		}
		if errors.Is(err, errRevoked) {
			return nil, err
		}
		failures = append(failures, err)
	}
	if len(failures) == 0 {
		return nil, errNoSource
	}
	return nil, errors.Join(failures...)
}

// crl returns the checked CRL at an address.
func (g *Gatherer) crl(ctx context.Context, address string, issuer *x509.Certificate) (*list, error) {
	value, err := g.cached(
		ctx,
		"crl "+address+" "+string(issuer.RawSubjectPublicKeyInfo),
		func(ctx context.Context) (any, time.Time, error) {
			der, err := g.get(ctx, address, g.cfg.MaxCRLBytes)
			if err != nil {
				return nil, time.Time{}, err
			}
			l, until, err := g.checkCRL(der, issuer, time.Now())
			if err != nil {
				return nil, time.Time{}, err
			}
			return l, until, nil
		},
	)
	if err != nil {
		return nil, err
	}
	return value.(*list), nil
}

// checkCRL checks a CRL against RFC 5280 6.3.3 as far as that does not depend on the certificate.
// It returns the CRL and the time until which it may be cached. Delta and indirect CRLs are not
// used.
func (g *Gatherer) checkCRL(der []byte, issuer *x509.Certificate, now time.Time) (*list, time.Time, error) {
	crl, err := certchain.ParseCRL(der)
	if err != nil {
		return nil, time.Time{}, err
	}
	s, err := evidence.CheckCRL(crl, issuer)
	if err != nil {
		return nil, time.Time{}, err
	}
	until, err := fresh(crl.ThisUpdate, crl.NextUpdate, now)
	if err != nil {
		return nil, time.Time{}, err
	}
	return &list{crl.Raw, s}, earlier(until, now.Add(g.cfg.MaxAge)), nil
}

// checkNotRevoked returns nil if the CRL covers cert and does not list it as revoked.
func (l *list) checkNotRevoked(cert *x509.Certificate) error {
	if err := l.scope.Covers(cert); err != nil {
		return err
	}
	named, err := lists(l.der, cert.SerialNumber)
	if err == nil && named {
		err = errRevoked
	}
	return err
}

// lists reports whether a CertificateList (RFC 5280 5.1) contains a serial number.
func lists(der []byte, serial *big.Int) (bool, error) {
	malformed := errors.New("the CRL is malformed")
	in := cryptobyte.String(der)
	var outer, tbs, revoked cryptobyte.String
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !outer.ReadASN1(&tbs, cbasn1.SEQUENCE) ||
		!tbs.SkipOptionalASN1(cbasn1.INTEGER) || !tbs.SkipASN1(cbasn1.SEQUENCE) || !tbs.SkipASN1(cbasn1.SEQUENCE) {
		return false, malformed
	}
	for tbs.PeekASN1Tag(cbasn1.UTCTime) || tbs.PeekASN1Tag(cbasn1.GeneralizedTime) { // thisUpdate, nextUpdate
		if !tbs.ReadAnyASN1(&revoked, new(cbasn1.Tag)) {
			return false, malformed
		}
	}
	var has bool
	if !tbs.ReadOptionalASN1(&revoked, &has, cbasn1.SEQUENCE) {
		return false, malformed
	}
	entry := new(big.Int)
	for has && !revoked.Empty() {
		var one cryptobyte.String
		if !revoked.ReadASN1(&one, cbasn1.SEQUENCE) || !one.ReadASN1Integer(entry) {
			return false, malformed
		}
		if entry.Cmp(serial) == 0 {
			return true, nil
		}
	}
	return false, nil
}
