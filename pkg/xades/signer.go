package xades

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" // for digests of signing certificates
	"crypto/x509"
	"math/big"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// sha1URI names SHA-1, which is accepted only for the digest of the signing certificate: a second
// certificate with the same digest cannot be made, and the signature value depends on the key.
const sha1URI = dsNamespace + "sha1"

// minRSABits is the size of an RSA key below which everybody can make signatures. Nothing is known
// about a signature that such a key made, and crypto/rsa does not verify it.
const minRSABits = 1024

// certificate returns the certificate that the signed properties name, out of those in KeyInfo or
// in CertificateValues. The reason why there is none is noted.
func (j *judge) certificate() *x509.Certificate {
	f := j.found
	if len(f.certificate) == 0 {
		j.giveUp("it has no SigningCertificate property")
		return nil
	}
	hash, ok := keyOf(digestMethods, f.certificate[0].method)
	if f.certificate[0].method == sha1URI {
		hash, ok = crypto.SHA1, true
	}
	want, err := decode(f.certificate[0].value)
	if err != nil {
		j.refuse("the digest of the signing certificate is malformed")
		return nil
	}
	if !ok {
		j.giveUp("the digest method of the signing certificate is not supported")
		return nil
	}
	der := withDigest(f.certificates, hash, want)
	j.inKeyInfo = der != nil
	for _, p := range f.unsigned {
		if der == nil {
			der = withDigest(p.certificates, hash, want)
		}
	}
	if der == nil && len(f.certificates) == 0 {
		j.giveUp("it does not contain the signing certificate")
		return nil
	}
	if der == nil {
		j.refuse("no certificate in it is the one that the signed properties name")
		return nil
	}
	c, err := certchain.Parse(der)
	if err != nil {
		j.giveUp("the signing certificate cannot be read")
		return nil
	}
	return c
}

// withDigest returns the value, out of those in base64, that has the digest. It returns nil if
// there is none.
func withDigest(values []string, hash crypto.Hash, want []byte) []byte {
	for _, text := range values {
		der, err := decode(text)
		if err != nil {
			continue
		}
		h := hash.New()
		h.Write(der)
		if bytes.Equal(h.Sum(nil), want) {
			return der
		}
	}
	return nil
}

// checkValue verifies the signature value with the key of the certificate. Without a certificate
// that is named, one of those in KeyInfo must have made the value.
func (j *judge) checkValue(c *x509.Certificate) {
	value, err := decode(j.found.value)
	if err != nil {
		j.refuse("the signature value is malformed")
		return
	}
	if j.signedInfo == nil {
		return
	}
	if c != nil {
		j.checkValueOf(c, value)
		return
	}
	tried := false
	for _, text := range j.found.certificates {
		der, err := decode(text)
		if err != nil {
			return
		}
		c, err := certchain.Parse(der)
		if err != nil || j.verify(c, value) != wrong {
			return
		}
		tried = true
	}
	if tried {
		j.refuse("the signature value is wrong for each certificate in it")
	}
}

func (j *judge) checkValueOf(c *x509.Certificate, value []byte) {
	switch j.verify(c, value) {
	case wrong:
		j.refuse("the signature value is wrong")
	case otherKey:
		j.giveUp("the key of the signing certificate is not supported")
	case otherForm:
		j.giveUp("the signature value is not in the form of XML Signature")
	}
}

// match is how a signature value and a key fit together.
type match uint8

const (
	wrong     match = iota
	right           // the key made the value
	otherForm       // the key made the value, which is written in another form
	otherKey        // the key is not supported
)

// verify says whether the key of the certificate made the value.
func (j *judge) verify(c *x509.Certificate, value []byte) match {
	sum := j.signedInfo.hash.Sum(nil)
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return j.verifyRSA(key, sum, value)
	case *ecdsa.PublicKey:
		if j.method.algorithm != signing.ECDSA {
			return wrong
		}
		return verifyECDSA(key, sum, value)
	}
	return otherKey
}

func (j *judge) verifyRSA(key *rsa.PublicKey, sum, value []byte) match {
	err := rsa.ErrVerification
	switch {
	case key.N.BitLen() < minRSABits:
		return otherKey
	case j.method.algorithm == signing.RSAPKCS1:
		err = rsa.VerifyPKCS1v15(key, j.method.hash, sum, value)
	case j.method.algorithm == signing.RSAPSS:
		salt := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		err = rsa.VerifyPSS(key, j.method.hash, sum, value, salt)
	}
	if err != nil {
		return wrong
	}
	return right
}

// verifyECDSA verifies r and s, each in as many bytes as the order of the curve has. Some programs
// write them shorter or longer, or in DER (XML Signature 1.1 section 6.4.3).
func verifyECDSA(key *ecdsa.PublicKey, sum, value []byte) match {
	half := len(value) / 2
	raw := len(value)%2 == 0 &&
		ecdsa.Verify(key, sum, new(big.Int).SetBytes(value[:half]), new(big.Int).SetBytes(value[half:]))
	switch {
	case raw && half == orderSize(key.Curve):
		return right
	case raw, ecdsa.VerifyASN1(key, sum, value):
		return otherForm
	}
	return wrong
}
