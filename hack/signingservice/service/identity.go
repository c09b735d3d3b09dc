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
