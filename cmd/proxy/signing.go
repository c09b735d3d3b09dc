package main

import (
	"context"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// openService makes the signing pipeline with the implementations that the configuration selects.
func (p *proxy) openService(context.Context) (err error) {
	if p.calls, err = openCalls(p.cfg, p.tracing, p.log, p.registry); err != nil {
		return err
	}
	if err := p.openCallbacks(); err != nil {
		return err
	}
	if err := p.openCredentials(); err != nil {
		return err
	}
	f := &formats{
		cfg: p.cfg, log: p.log, calls: p.calls, fonts: p.fonts, profiles: p.profiles, credentials: p.credentials,
		localCRL: p.providers.localCRL,
	}
	if err := f.open(); err != nil {
		return err
	}
	p.signed = newSignedDocuments(p.registry)
	o := &observer{
		metrics: newSigningMetrics(p.registry), signed: p.signed, credentials: p.credentials, tracing: p.tracing,
		callbacks: p.callbacks, phase: &p.phase,
	}
	s := p.cfg.Signing
	p.service = signing.New(signing.Config{
		Store:              p.state.signing,
		Formats:            f.byType,
		Providers:          p.credentials.Provider,
		TimestampReady:     f.timestampReady,
		Log:                p.log.WithName("signing"),
		Observer:           o.functions(),
		MaxQueuedDocuments: p.cfg.Limits.QueuedDocuments,
		Tries:              s.Tries,
		Backoff:            s.Backoff,
		Deadline:           s.Deadline,
		UnknownOutcome:     s.UnknownOutcome,
		Grace:              signingGrace(p.cfg.ShutdownGrace),
		Batch:              s.Batch,
	})
	p.stop.service = p.service
	p.registry.MustRegister(
		&stateCollector{service: p.service, store: p.state.store, maxQueued: p.cfg.Limits.QueuedDocuments})
	return nil
}
