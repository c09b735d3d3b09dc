package credentials

import (
	"context"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// probePause is the time between two rounds. It is also the time between two attempts to read a
	// credential after an error that may pass by itself.
	probePause = time.Minute
	// refusedPause is the time between two attempts after the remote side refused our identity. It is
	// long, because each refusal may bring us nearer to a lock-out.
	refusedPause = time.Hour
)

// failedRead says when and why the last attempt to read a credential failed.
type failedRead struct {
	at        time.Time
	transient bool // the error may pass by itself
}

// due reports whether it is time to read the credential again.
func (f *failedRead) due(now time.Time) bool {
	pause := refusedPause
	if f.transient {
		pause = probePause
	}
	return now.Sub(f.at) >= pause
}

// prober reads the credential of each client service once, at the start or when the client service
// is new. So the log and the metrics show a fault before the first document fails. It retries
// credentials that could not be read, so that the log and the metrics also show when the fault is
// over.
//
// An unreachable remote side stops nothing: accepted operations are on disk and are signed when the
// remote side is reachable again. For the same reason the proxy is ready meanwhile, and /readyz
// does not ask the remote side.
type prober struct {
	set *Set
	// read holds, for each credential, the client services at the time of its last read. If the client
	// services have changed since then, a refused secret may have changed too.
	read map[string]*clientservice.Services
}

// run probes until ctx is done.
func (p *prober) run(ctx context.Context) {
	tick := time.NewTicker(probePause)
	defer tick.Stop()
	for {
		p.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round reads the credentials that are due now, and forgets those that no client service uses.
func (p *prober) round(ctx context.Context) {
	services := p.set.selection.services.Current()
	read := make(map[string]*clientservice.Services)
	for c := range services.All() {
		name := p.set.selection.credentialName(c.ID)
		if ctx.Err() != nil || read[name] != nil {
			continue
		}
		last := p.read[name]
		failed, expired := p.set.health.lastRead(name, time.Now())
		if last == nil || p.due(failed, expired, last != services) {
			last = services
			p.probe(ctx, c.ID, failed == nil)
		}
		read[name] = last
	}
	p.read = read
}

// due reports whether a credential that was read before is read again. After a failed read it is
// read at once if the client services have changed, and after a pause otherwise. After a successful
// read it is read again only if its certificate has expired.
func (p *prober) due(failed *failedRead, expired, changed bool) bool {
	if failed == nil {
		return expired
	}
	return changed || failed.due(time.Now())
}

// probe reads the credential of one client service. first says that the read before did not fail;
// only then probe logs an error.
func (p *prober) probe(ctx context.Context, id string, first bool) {
	c, err := p.credential(ctx, id)
	if err == nil {
		err = c.CheckValidity(time.Now())
	}
	switch {
	case signing.KindOf(err) == signing.KindCertificate:
		p.set.RecordRead(id, c, signing.AsError(err)) // logs the error
	case err == nil:
		p.set.RecordRead(id, c, nil)
		p.set.log.Info("read the signing credential", "name", c.Name, "algorithm", string(c.Algorithm),
			"hash", c.Hash.String(), "maxBatch", c.MaxBatch, "inFlight", c.InFlight, "notAfter", c.Certificate().NotAfter)
	case ctx.Err() == nil:
		p.set.RecordRead(id, nil, signing.AsError(err))
		if first {
			p.set.log.Error(err, "could not read the signing credential; requests are still accepted", "clientService", id)
		}
	}
}

func (p *prober) credential(ctx context.Context, id string) (*signing.Credential, error) {
	provider, err := p.set.Provider(id)
	if err != nil {
		return nil, err
	}
	return provider.Credential(ctx)
}
