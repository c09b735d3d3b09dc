package safe

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/lenient"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotecredential"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotefault"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Provider signs with the credential of one SAFE account. It is safe for concurrent use and starts
// no goroutine.
type Provider struct {
	name   string
	set    Settings
	log    logr.Logger
	client *client
	known  *remotecredential.Cache[*state, hint]
	pause  time.Duration // pollPause, except in tests
	chains certchain.Watch
}

var (
	_ signing.Provider  = (*Provider)(nil)
	_ signing.Resumer   = (*Provider)(nil)
	_ signing.Refresher = (*Provider)(nil)
)

// state is what we know about the credential.
type state struct {
	*signing.Credential
	id string
}

const (
	// SAFE is polled as its manual says: the first time after one second, then every second, five
	// times in all.
	pollPause = time.Second
	polls     = 5
)

// New returns a Provider. It does not call SAFE and reads no file yet. The error lists every
// mistake in cfg.
func New(cfg Config) (*Provider, error) {
	bad := []error{cfg.Settings.Validate()}
	if cfg.Name == "" {
		bad = append(bad, errors.New("name: is needed"))
	}
	if cfg.HTTP == nil {
		bad = append(bad, errors.New("an HTTP client is needed"))
	}
	if err := errors.Join(bad...); err != nil {
		return nil, err
	}
	set := cfg.Settings.withDefaults()
	api := &client{name: cfg.Name, set: set, http: cfg.HTTP, log: cfg.Log, account: newAccount(cfg.Settings, cfg.Log)}
	p := &Provider{name: cfg.Name, set: set, log: cfg.Log, client: api, pause: pollPause}
	p.known = remotecredential.New(remotecredential.Config[*state, hint]{
		Service: serviceName, Credential: cfg.Name, Log: cfg.Log, Read: p.read,
	})
	return p, nil
}

// Credential implements signing.Provider.
func (p *Provider) Credential(ctx context.Context) (*signing.Credential, error) {
	s, f := p.known.Get(ctx)
	if f != nil {
		return nil, f.Error
	}
	return s.Credential, nil
}

// Refresh implements signing.Refresher.
func (p *Provider) Refresh(ctx context.Context) (*signing.Credential, error) {
	s, f := p.known.Renew(ctx)
	if f != nil {
		return nil, f.Error
	}
	return s.Credential, nil
}

// read asks SAFE for the credential and its certificates.
func (p *Provider) read(ctx context.Context) (*state, *failure) {
	id, f := p.credentialID(ctx)
	if f != nil {
		return nil, f
	}
	body := p.client.body(id)
	body.Certificates = "chain"
	a, _, f := p.client.authorized(ctx, call{path: "/credentials/info", body: body})
	if f != nil {
		return nil, f
	}
	if strings.EqualFold(a.Key.Status, "disabled") {
		return nil, fail(signing.KindProviderAccount, "the credential is disabled at SAFE")
	}
	chain, err := lenient.Chain(a.Cert.Certificates)
	if err != nil {
		return nil, unreadable(err)
	}
	p.chains.See(p.log.WithValues("credential", p.name), chain)
	if _, ok := chain[0].PublicKey.(*rsa.PublicKey); !ok {
		return nil, unreadable(fmt.Errorf("certificate has a key of type %T", chain[0].PublicKey))
	}
	if now := time.Now(); now.After(chain[0].NotAfter) || now.Before(chain[0].NotBefore) {
		return nil, fail(signing.KindCertificate, "the signing certificate is expired or not yet valid")
	}
	return &state{id: id, Credential: &signing.Credential{
		Name: p.name, Chain: chain, Algorithm: signing.RSAPKCS1, Hash: crypto.SHA256, // whatever key/algo says
		MaxBatch: max(1, min(int(a.Multisign), p.set.MaxBatch)), InFlight: p.set.InFlight,
	}}, nil
}

// credentialID returns the configured credential, or the only one of the account.
func (p *Provider) credentialID(ctx context.Context) (string, *failure) {
	if p.set.CredentialID != "" {
		return p.set.CredentialID, nil
	}
	a, _, f := p.client.authorized(ctx, call{path: "/credentials/list", body: p.client.body("")})
	if f != nil {
		return "", f
	}
	if a.CredentialIDs == nil {
		return "", unreadable(errors.New("answer of credentials/list has no credentialIDs"))
	}
	if len(a.CredentialIDs) != 1 {
		return "", fail(signing.KindConfiguration, "credentialID: is needed, because the SAFE account has %d credentials",
			len(a.CredentialIDs))
	}
	p.client.account.rememberCredential(ctx, a.CredentialIDs[0])
	return a.CredentialIDs[0], nil
}

// Sign implements signing.Provider.
func (p *Provider) Sign(ctx context.Context, c signing.Call) ([][]byte, error) {
	s, f := p.known.Get(ctx)
	if f == nil {
		f = remotefault.Check[hint](s.Credential, c)
	}
	if f != nil {
		return nil, f.Error
	}
	values, f := p.sign(ctx, s, c)
	if f != nil {
		if f.Hint == readAgain {
			p.known.Forget()
		}
		return nil, f.Error
	}
	if signing.VerifyValue(s.Credential, c.Digests[0], values[0]) != nil {
		p.known.Forget() // the certificate may have been renewed since it was read
	}
	return values, nil
}

// sign makes the four calls of a signature under one processId.
func (p *Provider) sign(ctx context.Context, s *state, c signing.Call) ([][]byte, *failure) {
	body := p.client.body(s.id)
	id := body.ClientData.ProcessID
	body.NumSignatures, body.Hashes = len(c.Digests), digestInfos(c.Digests)
	body.ClientData.DocumentNames = documentNames(len(c.Digests))
	if _, _, f := p.client.authorized(ctx, call{path: "/v2/credentials/authorize", body: body}); f != nil {
		return nil, f
	}
	authorized, f := p.poll(ctx, verify("/credentials/authorize/verify", id), false)
	if f != nil {
		return nil, f
	}
	if authorized.SAD == "" {
		return nil, unreadable(errors.New("answer of authorize/verify has no sad"))
	}
	if c.Note != nil {
		// Record the processId before the hashes are sent for signing. Whatever happens after that, the
		// values can be fetched under this id.
		if err := c.Note(ctx, id); err != nil {
			return nil, fail(signing.KindStorage, "the call could not be recorded").Because(err).Retryable(0)
		}
	}
	body.NumSignatures, body.ClientData.DocumentNames = 0, nil
	body.SAD, body.SignAlgo = authorized.SAD, signAlgo
	if _, _, f := p.client.authorized(ctx, call{path: "/v2/signatures/signHash", body: body, signs: true}); f != nil {
		if !f.Unknown {
			return nil, f
		}
		p.log.Info("the answer of signHash was lost; its values are fetched anyway",
			"call", c.ID, "reason", f.Error.Error())
	}
	values, f := p.values(ctx, id)
	if f != nil {
		f.Unknown = true // the values may exist, because signHash was not refused
	}
	return values, f
}

// values fetches the signature values. The caller decides what a failure means for the outcome.
func (p *Provider) values(ctx context.Context, processID string) ([][]byte, *failure) {
	a, f := p.poll(ctx, verify("/signatures/signHash/verify", processID), true)
	if f != nil {
		return nil, f
	}
	if len(a.Signatures) == 0 {
		return nil, unusable(errors.New("answer of signHash/verify has no signatures"))
	}
	values := make([][]byte, len(a.Signatures))
	for i, text := range a.Signatures {
		value, err := lenient.Base64(text)
		if err != nil {
			return nil, unusable(fmt.Errorf("signature %d is not base64", i))
		}
		values[i] = value
	}
	return values, nil
}

// poll asks for an answer as often as SAFE allows. If persistent is true, poll goes on after
// retryable failures, because the values have been paid for.
func (p *Provider) poll(ctx context.Context, c call, persistent bool) (answer, *failure) {
	var last *failure
	for range polls {
		wait := p.pause
		if last != nil {
			wait = max(wait, last.RetryAfter)
		}
		if err := pace.Pause(ctx, wait); err != nil {
			return answer{}, fail(signing.KindProvider, "SAFE did not finish in time").Because(err).Retryable(0)
		}
		a, status, f := p.client.authorized(ctx, c)
		switch {
		case f == nil && status != http.StatusNoContent:
			return a, nil
		case f != nil && (!persistent || !f.Retry):
			return answer{}, f
		}
		last = f
	}
	if last != nil {
		return answer{}, last
	}
	return answer{}, fail(signing.KindProvider, "SAFE did not finish in time").Because(signing.ErrNothingYet).Retryable(0)
}

// processID matches a valid handle.
var processID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// Resume implements signing.Resumer. It fetches the values by the processId of an earlier call.
func (p *Provider) Resume(ctx context.Context, _ signing.Call, handle string) ([][]byte, error) {
	if !processID.MatchString(handle) {
		return nil, fail(signing.KindInternal, "").Because(errors.New("handle is not a processId")).Error
	}
	values, f := p.values(ctx, handle)
	if f != nil {
		f.Unknown = !f.Final()
		return nil, f.Error
	}
	return values, nil
}
