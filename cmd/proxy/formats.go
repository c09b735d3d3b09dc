package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/cades"
	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
	"github.com/signstash-proxy/signstash-proxy/pkg/revocation"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/timestamp"
	"github.com/signstash-proxy/signstash-proxy/pkg/xades"
)

// formats makes the signature formats.
type formats struct {
	cfg         config.Config
	log         logr.Logger
	calls       *calls
	fonts       *font.Library // nil = only the built-in fonts
	profiles    *xades.Profiles
	credentials *credentials.Set
	localCRL    func(context.Context, *x509.Certificate) ([][]byte, error)

	byType map[signing.SignatureType]signing.Format // set by open
	// timestampReady returns an error while no timestamp authority is reachable; nil = none is
	// configured. It is set by open.
	timestampReady func(context.Context) error
}

// open makes the formats. Without a timestamp authority, a document that asks for a level above B-B
// is refused with TIMESTAMP_SIGN_ERROR. It is never signed at a lower level.
func (f *formats) open() error {
	trusted, err := readTimestampCAs(f.cfg.Timestamp.CAFile)
	if err != nil {
		return err
	}
	var stamps signing.Timestamper // stays nil without an authority, so that formats see that there is none
	if len(f.cfg.Timestamp.Authorities) > 0 {
		t, err := f.openTimestamper(trusted)
		if err != nil {
			return err
		}
		stamps, f.timestampReady = t, t.Ready
	}
	revocations, err := revocation.New(revocation.Config{
		Settings: f.cfg.Revocation,
		HTTP:     f.calls.revocation,
		Local:    f.localCRL,
		Issuers:  func() []*x509.Certificate { return slices.Concat(trusted, f.credentials.Issuers()) },
		Log:      f.log.WithName("revocation"),
	})
	if err != nil {
		return err
	}
	f.byType = map[signing.SignatureType]signing.Format{
		signing.PAdES: &pades.Format{
			Fonts: f.fonts, AllowClipping: f.cfg.Visible.AllowClipping, Timestamper: stamps, Revocation: revocations,
		},
		signing.XAdES: &xades.Format{Profiles: f.profiles, Timestamper: stamps, Revocation: revocations},
		signing.CAdES: &cades.Format{Timestamper: stamps, Revocation: revocations},
	}
	return nil
}

// readFonts reads the operator's own fonts for visible signatures. It returns nil if no folder is
// set.
func readFonts(folder string, log logr.Logger) (*font.Library, error) {
	if folder == "" {
		return nil, nil
	}
	fonts, err := font.OpenLibrary(folder)
	if err != nil {
		return nil, fmt.Errorf("read --visible.fonts:\n%w", err)
	}
	for _, f := range fonts.Faces() {
		log.Info("font for visible signatures", "file", f.File(), "name", f.Name())
	}
	return fonts, nil
}

// readProfiles reads the operator's own profiles of XAdES signatures. It returns nil, which means
// the embedded ones, if no file is set.
func readProfiles(file string) (*xades.Profiles, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read --xades.profiles: %w", err)
	}
	profiles, err := xades.ParseProfiles(text)
	if err != nil {
		return nil, fmt.Errorf("read --xades.profiles: %s:\n%w", file, err)
	}
	return profiles, nil
}

// budgetFile is in the state folder, because the count of requests to an authority must survive a
// restart.
const budgetFile = "timestamp-budget.json"

// readTimestampCAs reads the certificates of --timestamp.ca-file. It returns nil if no file is set.
func readTimestampCAs(file string) ([]*x509.Certificate, error) {
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

func (f *formats) openTimestamper(trusted []*x509.Certificate) (*timestamp.Client, error) {
	t := f.cfg.Timestamp
	cfg := timestamp.Config{
		HTTP:       f.calls.timestamp,
		Timeout:    t.Timeout,
		MaxSkew:    t.MaxSkew,
		BudgetFile: filepath.Join(f.cfg.StateFolder, budgetFile),
		Trusted:    trusted,
		Issuers:    f.credentials.Issuers,
		Log:        f.log.WithName("timestamp"),
	}
	for _, a := range t.Authorities {
		password, err := readPassword(a.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("open timestamp authority %s: %w", a.URL, err)
		}
		cfg.Authorities = append(cfg.Authorities, a.Authority(password))
		f.log.Info("timestamp authority", "name", a.Name, "url", a.URL,
			"budget", a.Budget.Requests, "window", a.Budget.Window.String())
	}
	return timestamp.New(cfg)
}
