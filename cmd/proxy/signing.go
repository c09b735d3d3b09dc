package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/audit"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// openStore opens the state folder and locks it.
func (p *proxy) openStore(ctx context.Context) (err error) {
	p.store, err = store.Open(ctx, store.Config{
		Folder:    p.cfg.StateFolder,
		Ordinal:   p.cfg.InstanceOrdinal,
		Log:       p.log.WithName("store"),
		Retention: p.cfg.Retention.Retention,
		Recreate:  p.cfg.ForceDatabaseRecreate,
		LockWait:  orNone(p.cfg.StateLockWait),
		MinFree:   orNone(p.cfg.Retention.MinFreeBytes),
	})
	if err != nil || !p.cfg.Audit.Enabled {
		p.state = p.store
		return err
	}
	p.audit, err = audit.Open(audit.Config{
		Folder: filepath.Join(p.cfg.StateFolder, auditFolder), Keep: p.cfg.Audit.Keep, Log: p.log.WithName("audit"),
	})
	if err != nil {
		return err
	}
	p.state = audit.NewStore(p.store, p.audit)
	return nil
}

// auditFolder is the folder of the audit record inside the state folder. The lock of the state
// folder keeps other processes out.
const auditFolder = "audit"

// orNone converts 0, which means none in the settings, to -1, which means none in the store.
func orNone[T ~int64](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

// openService makes the signing pipeline with the implementations that the configuration selects.
func (p *proxy) openService(context.Context) error {
	if err := p.openCalls(); err != nil {
		return err
	}
	p.openCallbacks()
	if err := p.openCredentials(); err != nil {
		return err
	}
	formats, err := p.openFormats()
	if err != nil {
		return err
	}
	m := newSigningMetrics(p.registry)
	observer := m.observer(
		func() { close(p.opened) },
		p.callbacks.Wake,
		func(c *signing.Credential, id string, digests int, took time.Duration, outcome string) {
			p.credentials.RecordCall(c, outcome)
			p.tracing.called(c, id, digests, took, outcome)
		},
	)
	observer.CredentialRead = p.credentials.RecordRead
	s := p.cfg.Signing
	p.service = signing.New(signing.Config{
		Store:              p.state,
		Formats:            formats,
		Providers:          p.credentials.Provider,
		TimestampReady:     p.timestampReady,
		Log:                p.log.WithName("signing"),
		Observer:           observer,
		MaxQueuedDocuments: p.cfg.Limits.QueuedDocuments,
		Tries:              s.Tries,
		Backoff:            s.Backoff,
		Deadline:           s.Deadline,
		UnknownOutcome:     s.UnknownOutcome,
		Grace:              p.signingGrace(),
		Batch:              s.Batch,
	})
	m.watch(p.registry, p.service, p.store, p.cfg.Limits.QueuedDocuments)
	return nil
}

// maxPasswordBytes bounds the size of a password file.
const maxPasswordBytes = 4096

// firstLine reads a password from the first line of a file. Without a file the password is empty.
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
