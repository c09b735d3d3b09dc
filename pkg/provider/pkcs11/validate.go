//go:build pkcs11 && cgo

package pkcs11

import (
	"crypto"
	"errors"
)

func (c *Config) setDefaults() {
	if c.Name == "" {
		c.Name = "pkcs11"
	}
	if c.Hash == 0 {
		c.Hash = crypto.SHA256
	}
	if c.Sessions < 1 {
		c.Sessions = 4
	}
	if c.MaxBatch < 1 {
		c.MaxBatch = 50
	}
	if c.InFlight < 1 {
		c.InFlight = 1
	}
}

func (c *Config) validate() error {
	var bad []error
	if c.TokenLabel == "" && c.TokenSerial == "" {
		bad = append(bad, errors.New("no token label or serial number"))
	}
	if c.KeyLabel == "" && len(c.KeyID) == 0 {
		bad = append(bad, errors.New("no key label or id"))
	}
	if c.Hash != crypto.SHA256 && c.Hash != crypto.SHA384 && c.Hash != crypto.SHA512 {
		bad = append(bad, errors.New("the hash is not SHA-256, SHA-384 or SHA-512"))
	}
	const most = 256 // tokens have tens of sessions
	if c.Sessions > most {
		bad = append(bad, errors.New("more than 256 sessions"))
	}
	return errors.Join(bad...)
}
