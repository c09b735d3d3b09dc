package main

import (
	"context"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// rereadPause is the time between two attempts to read a credential after an error that may pass
	// by itself.
	rereadPause = time.Minute
	// rereadRefused is the time between two attempts after the remote side refused our identity. It is
	// long, because each refusal may bring us nearer to a lock-out.
	rereadRefused = time.Hour
)

// unread says why the last attempt to read a credential failed.
type unread struct {
	at     time.Time
	passes bool // the error may pass by itself
}

func (u *unread) due(now time.Time) bool {
	pause := rereadRefused
	if u.passes {
		pause = rereadPause
	}
	return now.Sub(u.at) >= pause
}

// watchCredentials reads the credential of each client service once, at the start or when the
// client service is new. So the log and the metrics show a fault before the first document fails.
// It retries credentials that could not be read, so that the log and the metrics also show when the
// fault is over. An unreachable remote side stops nothing: accepted operations are on disk and are
// signed when the remote side is reachable again. For the same reason the proxy is ready meanwhile,
// and /readyz does not ask the remote side. It returns when ctx is done.
func (s *providers) watchCredentials(ctx context.Context) {
	tick := time.NewTicker(rereadPause)
	defer tick.Stop()
	asked := make(map[string]*clientservice.Services)
	for {
		asked = s.readCredentials(ctx, asked)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// readCredentials reads the credentials that are due now. asked holds, for each credential, the
// client services at the time of its last read. If the client services have changed since then, a
// refused secret may have changed too, so the credential is read again at once. It returns the new
// value of asked.
func (s *providers) readCredentials(
	ctx context.Context,
	asked map[string]*clientservice.Services,
) map[string]*clientservice.Services {
	services := s.clients()
	now := make(map[string]*clientservice.Services)
	for c := range services.All() {
		name := s.credentialName(c.ID)
		if ctx.Err() != nil || now[name] != nil {
			continue
		}
		last, bad := asked[name], s.unreadable(name)
		again := bad != nil && (last != services || bad.due(time.Now())) || bad == nil && s.lapsed(name)
		if now[name] = last; last == nil || again {
			now[name] = services
			s.readCredential(ctx, c.ID, bad == nil)
		}
	}
	return now
}

// readCredential reads the credential of one client service. It logs an error only if news is true.
func (s *providers) readCredential(ctx context.Context, id string, news bool) {
	p, err := s.forClient(id)
	var c *signing.Credential
	if err == nil {
		c, err = p.Credential(ctx)
	}
	if err == nil {
		err = c.CheckValidity(time.Now())
	}
	switch {
	case signing.KindOf(err) == signing.KindCertificate:
		s.wasRead(id, c, signing.AsError(err)) // which logs the error
	case err == nil:
		s.wasRead(id, c, nil)
		s.log.Info("signing credential", "name", c.Name, "algorithm", string(c.Algorithm), "hash", c.Hash.String(),
			"maxBatch", c.MaxBatch, "inFlight", c.InFlight, "notAfter", c.Certificate().NotAfter)
	case ctx.Err() == nil:
		s.wasRead(id, nil, signing.AsError(err))
		if news {
			s.log.Error(err, "signing credential cannot be read; requests are accepted all the same", "clientService", id)
		}
	}
}
