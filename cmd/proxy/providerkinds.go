package main

import (
	"errors"

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
	return csc.New(csc.Config{
		Name:     name,
		Settings: s.Settings,
		HTTP:     p.http,
		Log:      p.log.WithName("provider").WithValues("provider", name),
	})
}

// safeSettings are the settings of an entry of kind safe: all settings of package safe.
type safeSettings struct {
	safe.Settings `yaml:",inline"`
}

func (s *safeSettings) open(p *providers, name string) (signing.Provider, error) {
	return safe.New(safe.Config{
		Name:     name,
		Settings: s.Settings,
		HTTP:     p.http,
		Log:      p.log.WithName("provider").WithValues("provider", name),
	})
}

// pkcs12Settings are the settings of an entry of kind pkcs12.
type pkcs12Settings struct {
	software.PKCS12Settings `yaml:",inline"`
}

func (s *pkcs12Settings) open(p *providers, name string) (signing.Provider, error) {
	password, err := readPassword(s.PasswordFile)
	if err != nil {
		return nil, err
	}
	options := s.Options(name)
	options.Log = p.log.WithName("provider")
	return software.OpenPKCS12(s.File, password, options)
}

// embeddedSettings are the settings of an entry of kind embedded.
type embeddedSettings struct {
	software.EmbeddedSettings `yaml:",inline"`
}

func (s *embeddedSettings) open(p *providers, name string) (signing.Provider, error) {
	return p.openEmbedded("embedded-key-"+name, s.Options(name))
}

// pkcs11Settings are the settings of an entry of kind pkcs11. Programs are usually built without
// support for this kind. Such a program refuses to start with such an entry and says why.
type pkcs11Settings struct {
	pkcs11.Settings `yaml:",inline"`
}

func (s *pkcs11Settings) open(p *providers, name string) (signing.Provider, error) {
	pin, err := readPassword(s.PINFile)
	if err != nil {
		return nil, err
	}
	if p.checkOnly && pkcs11.Built {
		return unopened{}, nil // the library of an HSM in the network calls that HSM when it is loaded
	}
	module, err := pkcs11.OpenModule(s.Module)
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, module.Close)
	cfg := s.Config(name, pin)
	cfg.Log = p.log.WithName("provider").WithValues("provider", name)
	return module.Open(cfg)
}

// unopened stands for a provider whose settings were checked, and which is not opened.
type unopened struct{ signing.Provider }
