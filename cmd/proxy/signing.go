package main

import (
	"bufio"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/software"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// openStore opens the state folder, which is locked from here on.
func (p *proxy) openStore(ctx context.Context) (err error) {
	p.store, err = store.Open(ctx, store.Config{
		Folder:    p.cfg.StateFolder,
		Ordinal:   p.cfg.InstanceOrdinal,
		Log:       p.log.WithName("store"),
		Retention: store.Retention{Age: p.cfg.Retention.Age, MaxBytes: p.cfg.Retention.Bytes},
		Recreate:  p.cfg.ForceDatabaseRecreate,
		LockWait:  orNone(p.cfg.StateLockWait),
		MinFree:   orNone(p.cfg.Retention.MinFreeBytes),
	})
	return err
}

// orNone turns the settings' 0, which means none, into the store's negative.
func orNone[T ~int64](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

// openService makes the pipeline with the plugs that the configuration asks for.
func (p *proxy) openService(ctx context.Context) error {
	provider, err := p.openProvider()
	if err != nil {
		return err
	}
	credential, err := provider.Credential(ctx)
	if err != nil {
		return fmt.Errorf("read signing credential: %w", err)
	}
	p.log.Info("signing credential", "name", credential.Name, "algorithm", string(credential.Algorithm), "hash", credential.Hash.String(),
		"notAfter", credential.Certificate().NotAfter)
	m := newSigningMetrics(p.registry)
	s := p.cfg.Signing
	p.service = signing.New(signing.Config{
		Store:              documentLimit{p.store, p.cfg.Limits.DocumentBytes},
		Formats:            map[signing.SignatureType]signing.Format{signing.PAdES: &pades.Format{}},
		Providers:          p.providers(provider),
		Log:                p.log.WithName("signing"),
		Observer:           m.observer(func() { close(p.opened) }),
		MaxQueuedDocuments: p.cfg.Limits.QueuedDocuments,
		Tries:              s.Tries,
		Backoff:            s.Backoff,
		Deadline:           s.Deadline,
		UnknownOutcome:     signing.UnknownPolicy(s.UnknownOutcome),
		Grace:              p.signingGrace(),
		Batch: signing.BatchConfig{
			Quiet: s.Quiet, MaxWaitSync: s.MaxWaitSync, MaxWaitAsync: s.MaxWaitAsync, CallTimeout: s.CallTimeout,
		},
	})
	m.watch(p.registry, p.service, p.store)
	return nil
}

// providers gives every client service the one provider there is; one that asks for another by name is told so, not served by it.
func (p *proxy) providers(only signing.Provider) func(string) (signing.Provider, error) {
	return func(id string) (signing.Provider, error) {
		if c := p.clients.Current().Lookup(id); c != nil && c.Provider != "" {
			return nil, signing.Errorf(signing.KindConfiguration, "provider %q of the client service is not configured", c.Provider)
		}
		return only, nil
	}
}

// openProvider opens what signs.
func (p *proxy) openProvider() (signing.Provider, error) {
	if p.cfg.Remote.Domain != "" {
		// Never the embedded key in its place: the signatures would look done and be worth nothing.
		return nil, errors.New("remote signing (--einvoice-integration-client.service.domain) is not available yet; use --signing.pkcs12.file")
	}
	options := software.Options{Hash: hashOf(p.cfg.Signing.Digest)}
	if p.cfg.Signing.RSAScheme == config.PSS {
		options.Algorithm = signing.RSAPSS
	}
	if file := p.cfg.Signing.PKCS12File; file != "" {
		password, err := firstLine(p.cfg.Signing.PKCS12PasswordFile)
		if err != nil {
			return nil, err
		}
		return software.OpenPKCS12(file, password, options)
	}
	key := software.KeyType(p.cfg.Signing.EmbeddedKey)
	if strings.HasPrefix(string(key), "P-") {
		options.Algorithm = "" // the scheme is for RSA keys
	}
	folder := filepath.Join(p.cfg.StateFolder, "embedded-key")
	return software.OpenEmbedded(folder, p.log.WithName("provider"), software.EmbeddedOptions{Options: options, Key: key})
}

// hashOf is the hash of a setting; 0 = what suits the key.
func hashOf(d config.Digest) crypto.Hash {
	switch d {
	case config.SHA256:
		return crypto.SHA256
	case config.SHA384:
		return crypto.SHA384
	case config.SHA512:
		return crypto.SHA512
	}
	return 0
}

// maxPasswordBytes bounds a password file.
const maxPasswordBytes = 4096

// firstLine reads a password; no file is an empty one.
func firstLine(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read password file: %w", err)
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, maxPasswordBytes)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password file: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
