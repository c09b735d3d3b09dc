//go:build pkcs11 && cgo

package pkcs11

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

// maxCertificates is the largest number of certificates that are read from a token or a file.
const maxCertificates = 64

// chain returns the certificate of the key, followed by its issuers as far as they are known.
func (c *connection) chain(cfg Config) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	var err error
	if cfg.CertificateFile != "" {
		chain, err = readChain(cfg.CertificateFile)
	} else {
		chain, err = c.tokenChain()
	}
	if err != nil {
		return nil, err
	}
	return chain, c.checkModulus(chain[0])
}

// checkModulus compares the RSA key with the key in the certificate, if the token returns the
// modulus. It makes no signature to find out, because every value is verified later anyway.
func (c *connection) checkModulus(cert *x509.Certificate) error {
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || c.kind != pkcs11.CKK_RSA {
		return nil
	}
	values, err := c.ctx.GetAttributeValue(c.sessions[0], c.key,
		[]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_MODULUS, nil)})
	if err != nil || len(values[0].Value) == 0 {
		return nil
	}
	if new(big.Int).SetBytes(values[0].Value).Cmp(public.N) != 0 {
		return errors.New("the certificate belongs to another key than the one in the token")
	}
	return nil
}

func (c *connection) tokenChain() ([]*x509.Certificate, error) {
	objects, err := c.find([]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE)},
		maxCertificates)
	if err != nil {
		return nil, fmt.Errorf("find certificates: %w", err)
	}
	var own, all []*x509.Certificate
	var unreadable []error
	for _, o := range objects {
		values, err := c.ctx.GetAttributeValue(c.sessions[0], o,
			[]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_VALUE, nil), pkcs11.NewAttribute(pkcs11.CKA_ID, nil)})
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		cert, err := certchain.Parse(values[0].Value)
		isOwn := len(c.id) > 0 && bytes.Equal(values[1].Value, c.id)
		if err != nil {
			if isOwn {
				unreadable = append(unreadable, err)
			}
			continue
		}
		all = append(all, cert)
		if isOwn {
			own = append(own, cert) // a renewed certificate may be stored beside the old one
		}
	}
	leaf := certchain.Newest(own, time.Now())
	switch {
	case leaf == nil && len(unreadable) > 0:
		return nil, fmt.Errorf("the key's certificate cannot be read: %w", errors.Join(unreadable...))
	case leaf == nil:
		return nil, errors.New("the token has no certificate with the key's id: name a certificate file")
	}
	return certchain.Link(leaf, all, time.Now()), nil
}

// maxChainBytes is the largest size of a certificate file. A chain of ten certificates takes 20 KB.
const maxChainBytes = 1 << 20

func readChain(path string) ([]*x509.Certificate, error) {
	data, err := secretfile.Bounded(path, maxChainBytes)
	if err != nil {
		return nil, fmt.Errorf("read certificate file: %w", err)
	}
	chain, err := certchain.ParsePEM(data, maxCertificates, time.Now())
	if err != nil {
		return nil, fmt.Errorf("read certificate file %s: %w", path, err)
	}
	return chain, nil
}
