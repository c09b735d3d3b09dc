package main

import (
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/csc"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/pkcs11"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/safe"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/software"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// providerKinds are the kinds of providers that the configuration file may name, each with its
// settings.
func providerKinds() map[string]func() config.ProviderSettings {
	return map[string]func() config.ProviderSettings{
		"csc":      func() config.ProviderSettings { return &cscSettings{} },
		"safe":     func() config.ProviderSettings { return &safeSettings{} },
		"pkcs11":   func() config.ProviderSettings { return &pkcs11Settings{} },
		"pkcs12":   func() config.ProviderSettings { return &pkcs12Settings{} },
		"embedded": func() config.ProviderSettings { return &embeddedSettings{} },
	}
}

// opener is what the settings of every kind can do: open the provider with that credential name.
type opener interface {
	config.ProviderSettings
	open(p *proxy, name string) (signing.Provider, error)
}

// cscSettings are an entry of kind csc: all of package csc's settings.
type cscSettings struct {
	csc.Settings `yaml:",inline"`
}

// Validate wants an id too where one is needed: an entry has no client service of its own to borrow
// one from.
func (s *cscSettings) Validate() []error {
	bad := s.Settings.Validate()
	if err := s.CheckIdentity(); err != nil {
		bad = append(bad, err)
	}
	return bad
}

func (s *cscSettings) open(p *proxy, name string) (signing.Provider, error) {
	return csc.New(
		csc.Config{
			Name:     name,
			Settings: s.Settings,
			HTTP:     p.calls.remote,
			Log:      p.log.WithName("provider").WithValues("provider", name),
		},
	)
}

// safeSettings are an entry of kind safe: all of package safe's settings.
type safeSettings struct {
	safe.Settings `yaml:",inline"`
}

func (s *safeSettings) open(p *proxy, name string) (signing.Provider, error) {
	return safe.New(
		safe.Config{
			Name:     name,
			Settings: s.Settings,
			HTTP:     p.calls.remote,
			Log:      p.log.WithName("provider").WithValues("provider", name),
		},
	)
}

// keySettings are what all keys on the premises have.
type keySettings struct {
	// Hash is sha256, sha384 or sha512. Empty = what suits the key.
	Hash string `yaml:"hash"`
	// Algorithm is RSA, PSS or ECDSA. Empty = RSA or ECDSA, as the key is.
	Algorithm string `yaml:"algorithm"`
	// MaxBatch is the most digests in one call, InFlight the calls at a time. 0 = the kind's own
	// default.
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

// pkcs12Settings are an entry of kind pkcs12.
type pkcs12Settings struct {
	// File is the PKCS#12 file with key and certificate chain; PasswordFile holds its password. No
	// file = an empty password.
	File         string `yaml:"file"`
	PasswordFile string `yaml:"passwordFile"`
	keySettings  `yaml:",inline"`
}

// Validate implements config.ProviderSettings.
func (s *pkcs12Settings) Validate() []error {
	bad := s.validate()
	if s.File == "" {
		bad = append(bad, errors.New("file: is needed"))
	}
	return bad
}

func (s *pkcs12Settings) open(p *proxy, name string) (signing.Provider, error) {
	password, err := firstLine(s.PasswordFile)
	if err != nil {
		return nil, err
	}
	options := s.options(name)
	options.Log = p.log.WithName("provider")
	return software.OpenPKCS12(s.File, password, options)
}

// embeddedSettings are an entry of kind embedded: a key made at the first start, for trying out.
type embeddedSettings struct {
	// Key is RSA-2048, RSA-3072, RSA-4096, P-256, P-384 or P-521. Empty = RSA-2048.
	Key         string `yaml:"key"`
	keySettings `yaml:",inline"`
}

// Validate implements config.ProviderSettings.
func (s *embeddedSettings) Validate() []error {
	bad := s.validate()
	switch software.KeyType(s.Key) {
	case "", software.RSA2048, software.RSA3072, software.RSA4096, software.P256, software.P384, software.P521:
	default:
		bad = append(bad, fmt.Errorf("key: %q is not RSA-2048, RSA-3072, RSA-4096, P-256, P-384 or P-521", s.Key))
	}
	return bad
}

func (s *embeddedSettings) open(p *proxy, name string) (signing.Provider, error) {
	return p.openEmbedded(
		"embedded-key-"+name,
		software.EmbeddedOptions{Options: s.options(name), Key: software.KeyType(s.Key)},
	)
}

// openEmbedded opens an embedded key in a folder of the state folder.
func (p *proxy) openEmbedded(folder string, o software.EmbeddedOptions) (signing.Provider, error) {
	provider, err := software.OpenEmbedded(filepath.Join(p.cfg.StateFolder, folder), p.log.WithName("provider"), o)
	if err != nil {
		return nil, err
	}
	p.localCRLs = append(p.localCRLs, provider.CRLs)
	return provider, nil
}

// pkcs11Settings are an entry of kind pkcs11. Programs are usually built without it; they say so at
// the start.
type pkcs11Settings struct {
	// Module is the path of the token's PKCS #11 library.
	Module string `yaml:"module"`
	// TokenLabel and TokenSerial choose the token; at least one.
	TokenLabel  string `yaml:"tokenLabel"`
	TokenSerial string `yaml:"tokenSerial"`
	// KeyLabel and KeyID (hexadecimal) choose the private key; at least one.
	KeyLabel string `yaml:"keyLabel"`
	KeyID    string `yaml:"keyID"`
	// PINFile holds the user's PIN. Empty = no login.
	PINFile string `yaml:"pinFile"`
	// CertificateFile is a PEM file with the chain, signing certificate first. Empty = the
	// certificates in the token.
	CertificateFile string `yaml:"certificateFile"`
	// Sessions is how many signatures are made at a time. 0 = 4.
	Sessions    int `yaml:"sessions"`
	keySettings `yaml:",inline"`
}

// Validate implements config.ProviderSettings.
func (s *pkcs11Settings) Validate() []error {
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
	return bad
}

func (s *pkcs11Settings) open(p *proxy, name string) (signing.Provider, error) {
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
	c.KeyID, _ = hex.DecodeString(s.KeyID) // validated
	if s.PINFile != "" {
		if c.PIN, err = firstLine(s.PINFile); err != nil {
			return nil, err
		}
	}
	return module.Open(c)
}
