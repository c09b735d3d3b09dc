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

// SignedBy reports whether issuer has the name that c gives and its key signed c. Names alone are
// not enough, because a CA that renews its key keeps its name. SHA-1 is accepted: this is about the
// order of certificates, not about trust. See Weak.
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

// IsRoot reports whether c signed itself. A CA that renews its key issues certificates under its
// own name that are not roots: those carry the signature of its other key.
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

// signedWithSHA1 verifies a SHA-1 signature, which crypto/x509 refuses to do.
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

// Weak returns the first certificate of a chain whose signature uses SHA-1 or an older hash, nil
// where there is none. A root's signature proves nothing, so it does not count.
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
