package main

import (
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/csc"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/pkcs11"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/safe"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/software"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// providerKinds maps the kinds of providers that the configuration file may name to their settings.
func providerKinds() map[string]func() config.ProviderSettings {
	return map[string]func() config.ProviderSettings{
		"csc":      func() config.ProviderSettings { return &cscSettings{} },
		"safe":     func() config.ProviderSettings { return &safeSettings{} },
		"pkcs11":   func() config.ProviderSettings { return &pkcs11Settings{} },
		"pkcs12":   func() config.ProviderSettings { return &pkcs12Settings{} },
		"embedded": func() config.ProviderSettings { return &embeddedSettings{} },
	}
}

// opener is implemented by the settings of every kind. It opens the provider under that credential
// name.
type opener interface {
	config.ProviderSettings
	open(p *providers, name string) (signing.Provider, error)
}

// cscSettings are the settings of an entry of kind csc: all settings of package csc.
type cscSettings struct {
	csc.Settings `yaml:",inline"`
}

// Validate also requires an id where one is needed. Such an entry cannot use the id of a client
// service, because it does not belong to one.
func (s *cscSettings) Validate() error {
	return errors.Join(s.Settings.Validate(), s.CheckIdentity())
}

func (s *cscSettings) open(p *providers, name string) (signing.Provider, error) {
	return csc.New(
		csc.Config{
			Name:     name,
			Settings: s.Settings,
			HTTP:     p.http,
			Log:      p.log.WithName("provider").WithValues("provider", name),
		},
	)
}

// safeSettings are the settings of an entry of kind safe: all settings of package safe.
type safeSettings struct {
	safe.Settings `yaml:",inline"`
}

func (s *safeSettings) open(p *providers, name string) (signing.Provider, error) {
	return safe.New(
		safe.Config{
			Name:     name,
			Settings: s.Settings,
			HTTP:     p.http,
			Log:      p.log.WithName("provider").WithValues("provider", name),
		},
	)
}

// keySettings are the common settings of all local keys.
type keySettings struct {
	// Hash is sha256, sha384 or sha512. Empty means the hash that suits the key.
	Hash string `yaml:"hash"`
	// Algorithm is RSA, PSS or ECDSA. Empty means RSA or ECDSA, as the key requires.
	Algorithm string `yaml:"algorithm"`
	// MaxBatch is the largest number of digests in one call. InFlight is the largest number of calls
	// at the same time. 0 means the default of the kind.
	MaxBatch int `yaml:"maxBatch"`
	InFlight int `yaml:"inFlight"`
}

var hashes = map[string]crypto.Hash{"": 0, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}

func (s *keySettings) validate() (bad []error) {
	if _, ok := hashes[strings.ToLower(s.Hash)]; !ok {
		bad = append(bad, fmt.Errorf("hash: %q is not sha256, sha384 or sha512", s.Hash))
	}
	switch signing.SignatureAlgorithm(s.Algorithm) {
	case "", signing.RSAPKCS1, signing.RSAPSS, signing.ECDSA:
	default:
		bad = append(bad, fmt.Errorf("algorithm: %q is not RSA, PSS or ECDSA", s.Algorithm))
	}
	if s.MaxBatch < 0 || s.InFlight < 0 {
		bad = append(bad, errors.New("maxBatch and inFlight: must not be negative"))
	}
	return bad
}

func (s *keySettings) options(name string) software.Options {
	return software.Options{
		Name: name, Algorithm: signing.SignatureAlgorithm(s.Algorithm), Hash: hashes[strings.ToLower(s.Hash)],
		MaxBatch: s.MaxBatch, InFlight: s.InFlight,
	}
}

// pkcs12Settings are the settings of an entry of kind pkcs12.
type pkcs12Settings struct {
	// File is the PKCS#12 file with the key and the certificate chain. PasswordFile holds its
	// password. No password file means an empty password.
	File         string `yaml:"file"`
	PasswordFile string `yaml:"passwordFile"`
	keySettings  `yaml:",inline"`
}

// Validate implements config.ProviderSettings.
func (s *pkcs12Settings) Validate() error {
	bad := s.validate()
	if s.File == "" {
		bad = append(bad, errors.New("file: is needed"))
	}
	return errors.Join(bad...)
}

func (s *pkcs12Settings) open(p *providers, name string) (signing.Provider, error) {
	password, err := firstLine(s.PasswordFile)
	if err != nil {
		return nil, err
	}
	options := s.options(name)
	options.Log = p.log.WithName("provider")
	return software.OpenPKCS12(s.File, password, options)
}

// embeddedSettings are the settings of an entry of kind embedded. Its key is made at the first
// start and is meant for trials.
type embeddedSettings struct {
	// Key is RSA-2048, RSA-3072, RSA-4096, P-256, P-384 or P-521. Empty means RSA-2048.
	Key         string `yaml:"key"`
	keySettings `yaml:",inline"`
}

// Validate implements config.ProviderSettings.
func (s *embeddedSettings) Validate() error {
	bad := s.validate()
	switch software.KeyType(s.Key) {
	case "", software.RSA2048, software.RSA3072, software.RSA4096, software.P256, software.P384, software.P521:
	default:
		bad = append(bad, fmt.Errorf("key: %q is not RSA-2048, RSA-3072, RSA-4096, P-256, P-384 or P-521", s.Key))
	}
	return errors.Join(bad...)
}

func (s *embeddedSettings) open(p *providers, name string) (signing.Provider, error) {
	return p.openEmbedded(
		"embedded-key-"+name,
		software.EmbeddedOptions{Options: s.options(name), Key: software.KeyType(s.Key)},
	)
}

// pkcs11Settings are the settings of an entry of kind pkcs11. Programs are usually built without
// this kind. They then refuse to start with such an entry and say why.
type pkcs11Settings struct {
	// Module is the path of the token's PKCS #11 library.
	Module string `yaml:"module"`
	// TokenLabel and TokenSerial select the token. At least one is required.
	TokenLabel  string `yaml:"tokenLabel"`
	TokenSerial string `yaml:"tokenSerial"`
	// KeyLabel and KeyID (hexadecimal) select the private key. At least one is required.
	KeyLabel string `yaml:"keyLabel"`
	KeyID    string `yaml:"keyID"`
	// PINFile holds the user's PIN. Empty means no login.
	PINFile string `yaml:"pinFile"`
	// CertificateFile is a PEM file with the chain, signing certificate first. Empty means the
	// certificates in the token.
	CertificateFile string `yaml:"certificateFile"`
	// Sessions is the number of signatures that are made at the same time. 0 means 4.
	Sessions    int `yaml:"sessions"`
	keySettings `yaml:",inline"`
}

// Validate implements config.ProviderSettings.
func (s *pkcs11Settings) Validate() error {
	bad := s.validate()
	if s.Module == "" {
		bad = append(bad, errors.New("module: is needed"))
	}
	if s.TokenLabel == "" && s.TokenSerial == "" {
		bad = append(bad, errors.New("tokenLabel or tokenSerial: is needed"))
	}
	if s.KeyLabel == "" && s.KeyID == "" {
		bad = append(bad, errors.New("keyLabel or keyID: is needed"))
	}
	if _, err := hex.DecodeString(s.KeyID); err != nil {
		bad = append(bad, errors.New("keyID: want hexadecimal digits"))
	}
	return errors.Join(bad...)
}

func (s *pkcs11Settings) open(p *providers, name string) (signing.Provider, error) {
	module, err := pkcs11.OpenModule(s.Module)
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, module.Close)
	c := pkcs11.Config{
		Name:            name,
		TokenLabel:      s.TokenLabel,
		TokenSerial:     s.TokenSerial,
		KeyLabel:        s.KeyLabel,
		CertificateFile: s.CertificateFile,
		Algorithm:       signing.SignatureAlgorithm(s.Algorithm),
		Hash:            hashes[strings.ToLower(s.Hash)],
		Sessions:        s.Sessions,
		MaxBatch:        s.MaxBatch,
		InFlight:        s.InFlight,
		Log:             p.log.WithName("provider").WithValues("provider", name),
	}
	c.KeyID, _ = hex.DecodeString(s.KeyID) // already validated
	if s.PINFile != "" {
		if c.PIN, err = firstLine(s.PINFile); err != nil {
			return nil, err
		}
	}
	return module.Open(c)
}
