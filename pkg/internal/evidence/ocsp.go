package evidence

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"
)

// maxSkew is the largest accepted difference between other clocks and ours.
const maxSkew = 5 * time.Minute

// CheckOCSP checks that an OCSP response is about cert, which issuer signed, and that somebody who
// may answer for issuer signed the response (RFC 6960 3.2). It returns the certificate of the
// signer if that is a delegate, even one that may not answer. The certificate must be valid at the
// time at. CheckOCSP returns nil if issuer itself signed. others are searched for the certificate
// of a delegate that the response does not contain. CheckOCSP does not check the times and the
// status in the response.
func CheckOCSP(
	r *ocsp.Response, cert, issuer *x509.Certificate, at time.Time, others ...*x509.Certificate,
) (responder *x509.Certificate, err error) {
	if !names(r.TBSResponseData, cert, issuer) {
		return nil, errors.New("the answer is about another certificate")
	}
	c := r.Certificate // ParseResponse has verified the signature with it
	if c == nil || bytes.Equal(c.RawSubjectPublicKeyInfo, issuer.RawSubjectPublicKeyInfo) {
		if err = r.CheckSignatureFrom(issuer); err == nil {
			return nil, nil
		}
		if c = signerAmong(r, others); c == nil {
			return nil, err
		}
	}
	return c, checkResponder(c, issuer, at)
}

// signerAmong returns the certificate that the response names as that of its signer, if it is one
// of others. The response is verified with it.
func signerAmong(r *ocsp.Response, others []*x509.Certificate) *x509.Certificate {
	for _, c := range others {
		_, key := identify(c, oidSHA1)
		named := len(key) > 0 && bytes.Equal(key, r.ResponderKeyHash) || bytes.Equal(c.RawSubject, r.RawResponderName)
		if named && r.CheckSignatureFrom(c) == nil {
			return c
		}
	}
	return nil
}

// checkResponder checks that issuer has certified a delegate for OCSP (RFC 6960 4.2.2.2).
func checkResponder(c, issuer *x509.Certificate, at time.Time) error {
	switch {
	case !bytes.Equal(c.RawIssuer, issuer.RawSubject) || c.CheckSignatureFrom(issuer) != nil:
		return errors.New("the responder's certificate was not issued by the certificate's issuer")
	case !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning),
		c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("the responder's certificate is not for OCSP")
	case at.Before(c.NotBefore.Add(-maxSkew)), at.After(c.NotAfter):
		return errors.New("the responder's certificate was not valid when it answered")
	}
	return nil
}
