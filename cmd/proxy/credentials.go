package main

import (
	"context"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// rereadPause is the time between two questions for a credential that could not be read for a
	// reason that may pass.
	rereadPause = time.Minute
	// rereadRefused is that time where the remote side refused us: each refusal may bring us nearer to
	// being locked out.
	rereadRefused = time.Hour
)

// unread is why a credential could not be read when it was last asked for.
type unread struct {
	at     time.Time
	passes bool // it may do so by itself
}

func (u *unread) due(now time.Time) bool {
	pause := rereadRefused
	if u.passes {
		pause = rereadPause
	}
	return now.Sub(u.at) >= pause
}

// watchCredentials reads the credential of each client service once, at the start or when it is
// new, so that log and metrics say what is wrong before the first document does; and it reads anew
// what could not be read, so that they say when that is over. A remote side that is out of reach
// stops nothing: what is accepted is on disk and signed when it is back, so the proxy is ready all
// the same, and /readyz does not ask.
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

// readCredentials reads what is to be read now. asked says, by credential, what the client services
// were when it was last read here: where they have changed, so may have a secret that was refused.
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

// readCredential reads one. What is wrong is logged when it is news.
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
		s.wasRead(id, c, signing.AsError(err)) // which logs it
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
