package certchain

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"errors"
)

// SignedBy reports whether c names issuer as its issuer and was signed by issuer's key. Comparing
// names is not enough, because a CA that renews its key keeps its name. SHA-1 is accepted, because
// this function decides about the order of certificates, not about trust. See Weak.
func SignedBy(c, issuer *x509.Certificate) bool {
	if !bytes.Equal(c.RawIssuer, issuer.RawSubject) {
		return false
	}
	err := c.CheckSignatureFrom(issuer)
	if errors.As(err, new(x509.InsecureAlgorithmError)) {
		return signedWithSHA1(c, issuer)
	}
	return err == nil
}

// IsRoot reports whether c is signed by its own key. A CA that renews its key also issues
// certificates under its own name that are not roots, because its other key signed them.
func IsRoot(c *x509.Certificate) bool {
	if !bytes.Equal(c.RawIssuer, c.RawSubject) {
		return false
	}
	err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	if errors.As(err, new(x509.InsecureAlgorithmError)) {
		return c.SignatureAlgorithm == x509.MD5WithRSA || signedWithSHA1(c, c)
	}
	return err == nil
}

// signedWithSHA1 verifies a SHA-1 signature, because crypto/x509 refuses to verify one.
func signedWithSHA1(c, issuer *x509.Certificate) bool {
	digest := sha1.Sum(c.RawTBSCertificate)
	switch key := issuer.PublicKey.(type) {
	case *rsa.PublicKey:
		return c.SignatureAlgorithm == x509.SHA1WithRSA &&
			rsa.VerifyPKCS1v15(key, crypto.SHA1, digest[:], c.Signature) == nil
	case *ecdsa.PublicKey:
		return c.SignatureAlgorithm == x509.ECDSAWithSHA1 && ecdsa.VerifyASN1(key, digest[:], c.Signature)
	}
	return false
}

// Weak returns the first certificate of a chain whose signature uses SHA-1 or an older hash. It
// returns nil when there is no such certificate. Roots do not count, because a root's signature
// proves nothing.
func Weak(chain []*x509.Certificate) *x509.Certificate {
	for _, c := range chain {
		switch c.SignatureAlgorithm {
		case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
			if !IsRoot(c) {
				return c
			}
		}
	}
	return nil
}
