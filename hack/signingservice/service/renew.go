package service

import (
	"crypto"
	"crypto/x509"
)

// identity is the key that a credential has at a time, and its certificates, the signing
// certificate first.
type identity struct {
	key   crypto.Signer
	chain []*x509.Certificate
}

// certify gives the credential a key, with a new certificate.
func (c *credential) certify(a *Authority, key crypto.Signer) error {
	leaf, err := a.Issue("Seal "+c.ID, key.Public(), nil)
	if err != nil {
		return err
	}
	c.held.Store(&identity{key: key, chain: []*x509.Certificate{leaf, a.issuing, a.root}})
	return nil
}

// RenewCredentials gives every credential a new random key and certificate under its old id, as a
// service does whose certificates end. After a restart a Seed brings the first ones back.
func (s *Service) RenewCredentials() error {
	for _, c := range append(s.credentials[:len(s.credentials):len(s.credentials)], s.safe.credential) {
		key, err := makeKey(c.Key, nil)
		if err != nil {
			return err
		}
		if err := c.certify(s.opts.Authority, key); err != nil {
			return err
		}
	}
	return nil
}

// Chains are the certificates of the credentials as they are now.
func (s *Service) Chains() [][]*x509.Certificate {
	var all [][]*x509.Certificate
	for _, c := range s.credentials {
		all = append(all, c.held.Load().chain)
	}
	return all
}
