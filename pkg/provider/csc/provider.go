package csc

import (
	"context"
	"errors"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotecredential"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotefault"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Provider signs with one credential at a CSC service. It is safe for concurrent use and starts no
// goroutine.
type Provider struct {
	set    Settings
	known  *remotecredential.Cache[*state, hint]
	access *authorizer
	signer *signer
}

var (
	_ signing.Provider  = (*Provider)(nil)
	_ signing.Resumer   = (*Provider)(nil)
	_ signing.Refresher = (*Provider)(nil)
)

// New returns a Provider. It does not call the service yet. The error lists every mistake in cfg.
func New(cfg Config) (*Provider, error) {
	bad := []error{cfg.Settings.Validate()}
	if cfg.Name == "" {
		bad = append(bad, errors.New("name: is needed"))
	}
	if cfg.Identity == nil {
		bad = append(bad, cfg.Settings.CheckIdentity())
	}
	if cfg.HTTP == nil {
		bad = append(bad, errors.New("an HTTP client is needed"))
	}
	if err := errors.Join(bad...); err != nil {
		return nil, err
	}
	identified := cfg.Identity != nil || cfg.Settings.ClientID != ""
	if cfg.Identity == nil {
		cfg.Identity = cfg.Settings.identity
	}
	set := cfg.Settings.withDefaults()
	api := &client{http: cfg.HTTP, tokens: newTokens(cfg.HTTP, cfg.Settings, cfg.Identity)}
	r := &reader{
		name: cfg.Name, set: set, log: cfg.Log, client: api,
		discovery: discovery{set: set, identified: identified, client: api},
	}
	return &Provider{
		set:    set,
		known:  r.cache(),
		access: &authorizer{set: set, client: api, guard: newGuard()},
		signer: &signer{name: cfg.Name, set: set, log: cfg.Log, client: api},
	}, nil
}

// Credential implements signing.Provider.
func (p *Provider) Credential(ctx context.Context) (*signing.Credential, error) {
	s, f := p.known.Get(ctx)
	if f != nil {
		return nil, f.Error
	}
	return s.Credential, nil
}

// Sign implements signing.Provider.
func (p *Provider) Sign(ctx context.Context, call signing.Call) ([][]byte, error) {
	s, f := p.known.Get(ctx)
	if f == nil {
		f = remotefault.Check[hint](s.Credential, call)
	}
	if f != nil {
		return nil, f.Error
	}
	values, f := p.signOnce(ctx, s, call)
	if f == nil {
		p.inspect(s, call, values)
		return values, nil
	}
	if f.Hint == readAgain {
		p.known.Forget()
	}
	return nil, f.Error
}

func (p *Provider) signOnce(ctx context.Context, s *state, call signing.Call) ([][]byte, *failure) {
	sad, f := p.access.authorize(ctx, s, call)
	if f != nil {
		return nil, f
	}
	ctx, cancel := context.WithTimeout(ctx, p.set.SignTimeout)
	defer cancel()
	return p.signer.signHash(ctx, s, call, sad)
}

// inspect makes the provider read the credential again when a value was not made by its key. The
// certificate may have been renewed since it was read, and then every further call would be paid
// for in vain.
func (p *Provider) inspect(s *state, call signing.Call, values [][]byte) {
	if signing.VerifyValue(s.Credential, call.Digests[0], values[0]) != nil {
		p.known.Forget()
	}
}

// Resume implements signing.Resumer. It fetches the values of an asynchronous signHash by its
// responseID.
func (p *Provider) Resume(ctx context.Context, call signing.Call, handle string) ([][]byte, error) {
	s, f := p.known.Get(ctx)
	if f != nil {
		f.Unknown = true
		return nil, f.Error
	}
	ctx, cancel := context.WithTimeout(ctx, p.set.SignTimeout)
	defer cancel()
	values, f := p.signer.poll(ctx, s, len(call.Digests), handle)
	if f != nil {
		f.Unknown = !f.Final()
		return nil, f.Error
	}
	return values, nil
}

// Refresh implements signing.Refresher.
func (p *Provider) Refresh(ctx context.Context) (*signing.Credential, error) {
	s, f := p.known.Renew(ctx)
	if f != nil {
		return nil, f.Error
	}
	return s.Credential, nil
}
