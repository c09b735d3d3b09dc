package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/api"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
	"github.com/signstash-proxy/signstash-proxy/pkg/remotetoken"
	"github.com/signstash-proxy/signstash-proxy/pkg/revocation"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/timestamp"
)

// openFormats makes the signature formats. Without a timestamp authority, a document that asks for
// a level above B-B is refused with TIMESTAMP_SIGN_ERROR. It is never signed at a lower level.
func (p *proxy) openFormats() (map[signing.SignatureType]signing.Format, error) {
	format := &pades.Format{Fonts: p.fonts, AllowClipping: p.cfg.Visible.AllowClipping}
	trusted, err := p.timestampCAs()
	if err != nil {
		return nil, err
	}
	if len(p.cfg.Timestamp.Authorities) > 0 {
		t, err := p.openTimestamper(trusted)
		if err != nil {
			return nil, err
		}
		format.Timestamper, p.timestampReady = t, t.Ready
	}
	gatherer, err := revocation.New(revocation.Config{
		Settings: p.cfg.Revocation, HTTP: p.calls.revocation, Local: p.providers.localCRL,
		Issuers: p.issuers(trusted), Log: p.log.WithName("revocation"),
	})
	if err != nil {
		return nil, err
	}
	format.Revocation = gatherer
	return map[signing.SignatureType]signing.Format{signing.PAdES: format}, nil
}

// readFonts reads the operator's own fonts for visible signatures. It reads nothing if no folder is
// set.
func (p *proxy) readFonts() (err error) {
	if p.cfg.Visible.Fonts == "" {
		return nil
	}
	if p.fonts, err = font.OpenLibrary(p.cfg.Visible.Fonts); err != nil {
		return fmt.Errorf("read --visible.fonts:\n%w", err)
	}
	for _, f := range p.fonts.Faces() {
		p.log.Info("font for visible signatures", "file", f.File(), "name", f.Name())
	}
	return nil
}

// issuers returns a function that returns the trusted certificates together with the CA certificates
// that are known at the time of the call.
func (p *proxy) issuers(trusted []*x509.Certificate) func() []*x509.Certificate {
	return func() []*x509.Certificate { return slices.Concat(trusted, p.credentials.Issuers()) }
}

// budgetFile is in the state folder, because the count of requests to an authority must survive a
// restart.
const budgetFile = "timestamp-budget.json"

// timestampCAs reads the certificates of --timestamp.ca-file. It returns nil if no file is set.
func (p *proxy) timestampCAs() ([]*x509.Certificate, error) {
	file := p.cfg.Timestamp.CAFile
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read --timestamp.ca-file: %w", err)
	}
	list, err := timestamp.ParseTrusted(pem)
	if err != nil {
		return nil, fmt.Errorf("read --timestamp.ca-file: %s: %w", file, err)
	}
	return list, nil
}

func (p *proxy) openTimestamper(trusted []*x509.Certificate) (*timestamp.Client, error) {
	t := p.cfg.Timestamp
	cfg := timestamp.Config{
		HTTP:       p.calls.timestamp,
		Timeout:    t.Timeout,
		MaxSkew:    t.MaxSkew,
		BudgetFile: filepath.Join(p.cfg.StateFolder, budgetFile),
		Trusted:    trusted,
		Issuers:    p.credentials.Issuers,
		Log:        p.log.WithName("timestamp"),
	}
	for _, a := range t.Authorities {
		password, err := firstLine(a.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("open timestamp authority %s: %w", a.URL, err)
		}
		cfg.Authorities = append(cfg.Authorities, a.Authority(password))
		p.log.Info("timestamp authority", "name", a.Name, "url", a.URL,
			"budget", a.Budget.Requests, "window", a.Budget.Window.String())
	}
	return timestamp.New(cfg)
}

// remoteTokens makes the verifier of bearer tokens that the remote service issued. It returns nil
// if the configuration does not say how to verify them.
func (p *proxy) remoteTokens() (api.RemoteTokens, error) {
	t := p.cfg.Remote.Token
	if t.JWKSURL == "" && t.IntrospectionURL == "" {
		return nil, nil
	}
	return remotetoken.New(remotetoken.Config{
		Settings: t,
		HTTP:     p.calls.token, Log: p.log.WithName("token"),
	})
}
