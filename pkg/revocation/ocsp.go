package revocation

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"
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
	if a.responder, err = responderOf(r, issuer, now); err != nil {
		return nil, time.Time{}, err
	}
	if !names(r.TBSResponseData, cert, issuer) {
		return nil, time.Time{}, errors.New("the answer is about another certificate")
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

// responderOf returns the certificate that signed the answer if it belongs to a delegate (RFC 6960
// 4.2.2.2), which the issuer itself must have certified for this purpose. It returns nil if the
// issuer signed. The signature is checked in both cases.
func responderOf(r *ocsp.Response, issuer *x509.Certificate, now time.Time) (*x509.Certificate, error) {
	c := r.Certificate // ParseResponse has verified the signature with it
	if c == nil || bytes.Equal(c.Raw, issuer.Raw) ||
		bytes.Equal(c.RawSubjectPublicKeyInfo, issuer.RawSubjectPublicKeyInfo) {
		return nil, r.CheckSignatureFrom(issuer)
	}
	if !bytes.Equal(c.RawIssuer, issuer.RawSubject) || c.CheckSignatureFrom(issuer) != nil {
		return nil, errors.New("the responder's certificate was not issued by the certificate's issuer")
	}
	purpose := false
	for _, u := range c.ExtKeyUsage {
		purpose = purpose || u == x509.ExtKeyUsageOCSPSigning
	}
	if !purpose || c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return nil, errors.New("the responder's certificate is not for OCSP")
	}
	if now.Before(c.NotBefore.Add(-maxSkew)) || now.After(c.NotAfter) {
		return nil, errors.New("the responder's certificate is not valid now")
	}
	return c, nil
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

// names reports whether one of the responses in ResponseData (RFC 6960 4.2.1) is about cert of
// issuer. This check is needed because ParseResponseForCert compares only the serial number.
func names(responseData []byte, cert, issuer *x509.Certificate) bool {
	in := cryptobyte.String(responseData)
	var data, responses cryptobyte.String
	if !in.ReadASN1(&data, cbasn1.SEQUENCE) || !data.SkipOptionalASN1(cbasn1.Tag(0).ContextSpecific().Constructed()) ||
		!data.ReadAnyASN1(new(cryptobyte.String), new(cbasn1.Tag)) || !data.SkipASN1(cbasn1.GeneralizedTime) ||
		!data.ReadASN1(&responses, cbasn1.SEQUENCE) {
		return false
	}
	for !responses.Empty() {
		var single, id, algorithm cryptobyte.String
		var name, key []byte
		serial := new(big.Int)
		var oid asn1.ObjectIdentifier
		if !responses.ReadASN1(&single, cbasn1.SEQUENCE) || !single.ReadASN1(&id, cbasn1.SEQUENCE) ||
			!id.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
			!id.ReadASN1Bytes(&name, cbasn1.OCTET_STRING) || !id.ReadASN1Bytes(&key, cbasn1.OCTET_STRING) ||
			!id.ReadASN1Integer(serial) {
			return false
		}
		if serial.Cmp(cert.SerialNumber) != 0 {
			continue
		}
		wantName, wantKey := identify(issuer, oid)
		return wantName != nil && bytes.Equal(name, wantName) && bytes.Equal(key, wantKey)
	}
	return false
}
