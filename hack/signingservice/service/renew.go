package service

import (
	"crypto"
	"crypto/x509"
)

// identity is the current key of a credential with its certificates, the signing certificate first.
type identity struct {
	key   crypto.Signer
	chain []*x509.Certificate
}

// certify gives the credential a key and a new certificate for it.
func (c *credential) certify(a *Authority, key crypto.Signer) error {
	leaf, err := a.Issue("Seal "+c.ID, key.Public(), nil)
	if err != nil {
		return err
	}
	c.held.Store(&identity{key: key, chain: []*x509.Certificate{leaf, a.issuing, a.root}})
	return nil
}

// RenewCredentials gives every credential a new random key and certificate under its old id, as a
// real service does before certificates expire. After a restart with a Seed the first keys and
// certificates are back.
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

// Chains returns the current certificates of the credentials.
func (s *Service) Chains() [][]*x509.Certificate {
	var all [][]*x509.Certificate
	for _, c := range s.credentials {
		all = append(all, c.held.Load().chain)
	}
	return all
}
