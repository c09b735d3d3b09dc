package csc

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/fresh"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotefault"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Provider signs with one credential at a CSC service. It is safe for concurrent use and starts no
// goroutine.
type Provider struct {
	name       string
	set        Settings
	identified bool // a client id is configured
	http       *http.Client
	log        logr.Logger
	tokens     *tokens
	known      *fresh.Value[*state]
	guard      guard
	chains     certchain.Watch
}

var (
	_ signing.Provider = (*Provider)(nil)
	_ signing.Resumer  = (*Provider)(nil)
)

// New returns a Provider. It does not call the service yet. The error lists every mistake in c.
func New(c Config) (*Provider, error) {
	bad := c.Settings.Validate()
	if c.Name == "" {
		bad = append(bad, errors.New("name: is needed"))
	}
	if c.Identity == nil {
		bad = append(bad, c.Settings.CheckIdentity())
	}
	if c.HTTP == nil {
		bad = append(bad, errors.New("an HTTP client is needed"))
	}
	if err := errors.Join(bad...); err != nil {
		return nil, err
	}
	identified := c.Identity != nil || c.Settings.ClientID != ""
	if c.Identity == nil {
		c.Identity = c.Settings.identity
	}
	p := &Provider{
		name: c.Name, set: c.Settings.withDefaults(), identified: identified, http: c.HTTP, log: c.Log,
		tokens: newTokens(c.HTTP, c.Settings, c.Identity),
	}
	p.guard.trying = make(chan struct{}, 1)
	p.known = p.keep()
	return p, nil
}

// Credential implements signing.Provider.
func (p *Provider) Credential(ctx context.Context) (*signing.Credential, error) {
	s, f := p.state(ctx)
	if f != nil {
		return nil, f.Error
	}
	return s.Credential, nil
}

// Sign implements signing.Provider.
func (p *Provider) Sign(ctx context.Context, call signing.Call) ([][]byte, error) {
	s, f := p.state(ctx)
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
	sad, f := p.authorize(ctx, s, call)
	if f != nil {
		return nil, f
	}
	ctx, cancel := context.WithTimeout(ctx, p.set.SignTimeout)
	defer cancel()
	return p.signHash(ctx, s, call, sad)
}

// signHash makes the call that costs money. Its failures say whether the call may have been carried
// out.
func (p *Provider) signHash(ctx context.Context, s *state, call signing.Call, sad string) ([][]byte, *failure) {
	r := signRequest{
		CredentialID:   s.id,
		SAD:            sad,
		SignAlgo:       s.algorithm.oid,
		SignAlgoParams: s.algorithm.params,
		ClientData:     call.ID,
	}
	hashOID := s.algorithm.hashOID
	if s.algorithm.implied {
		hashOID = ""
	}
	if s.at.v1 {
		r.Hash, r.HashAlgo = encode(call.Digests), hashOID
	} else {
		r.Hashes, r.HashAlgorithmOID = encode(call.Digests), hashOID
		if r.OperationMode = p.set.OperationMode; s.at.asynchronous {
			r.OperationMode = "A"
		}
	}
	var a signAnswer
	if _, f := p.authorized(ctx, s.at, methodSign(len(call.Digests)), r, &a); f != nil {
		if (f.Hint == renewSAD || f.Hint == renewToken) && !f.Unknown {
			// The next call has a new token and new activation data. The caller makes that call and counts
			// it.
			f.Because(fmt.Errorf("%w: %w", signing.ErrRenewed, f.Err))
		}
		return nil, f
	}
	if s.at.asynchronous && len(a.Signatures) == 0 {
		return p.await(ctx, s, call, a.ResponseID)
	}
	return p.values(a, s.Certificate().PublicKey)
}

// values reads the signature values from an answer. The caller must verify that they fit the
// digests. A wrong number of values is passed on unchanged.
func (p *Provider) values(a signAnswer, key crypto.PublicKey) ([][]byte, *failure) {
	if len(a.Signatures) == 0 {
		return nil, unusable(errors.New("answer has no signatures"))
	}
	values, err := decodeValues(a.Signatures, key)
	if err != nil {
		return nil, unusable(err)
	}
	return values, nil
}

// inspect makes the provider read the credential again when a value was not made by its key. The
// certificate may have been renewed since it was read, and then every further call would be paid
// for in vain.
func (p *Provider) inspect(s *state, call signing.Call, values [][]byte) {
	if signing.VerifyValue(s.Credential, call.Digests[0], values[0]) != nil {
		p.known.Forget()
	}
}

const (
	// maxHandle is the largest size of a responseID in bytes, because it is stored.
	maxHandle = 1 << 10
	// Polling starts firstPoll after signHash. Each pause is twice as long as the one before, up to
	// maxPoll.
	firstPoll = 250 * time.Millisecond
	maxPoll   = 2 * time.Second
)

// await records the responseID and polls for the values.
func (p *Provider) await(ctx context.Context, s *state, call signing.Call, handle string) ([][]byte, *failure) {
	if handle == "" || len(handle) > maxHandle {
		return nil, unusable(errors.New("answer has neither signatures nor a usable responseID"))
	}
	if call.Note != nil {
		// Wait for the paid signatures even if the handle could not be stored.
		if err := call.Note(ctx, handle); err != nil {
			p.log.Error(err, "responseID could not be noted", "call", call.ID, "credential", p.name)
		}
	}
	if err := pace.Pause(ctx, firstPoll); err != nil {
		return nil, late(err)
	}
	values, f := p.poll(ctx, s, len(call.Digests), handle)
	if f != nil {
		f.Unknown = true // signHash was accepted, whatever the polling returned
	}
	return values, f
}

// Resume implements signing.Resumer. It fetches the values of an asynchronous signHash by its
// responseID.
func (p *Provider) Resume(ctx context.Context, call signing.Call, handle string) ([][]byte, error) {
	s, f := p.state(ctx)
	if f != nil {
		f.Unknown = true
		return nil, f.Error
	}
	ctx, cancel := context.WithTimeout(ctx, p.set.SignTimeout)
	defer cancel()
	values, f := p.poll(ctx, s, len(call.Digests), handle)
	if f != nil {
		f.Unknown = !f.Final()
		return nil, f.Error
	}
	return values, nil
}

// poll calls signPolling until the values arrive, the service refuses, or ctx ends. The caller
// decides what a failure means for the outcome.
func (p *Provider) poll(ctx context.Context, s *state, n int, handle string) ([][]byte, *failure) {
	wait := firstPoll
	for {
		var a signAnswer
		status, f := p.authorized(ctx, s.at, methodPolling(n), map[string]string{"requestID": handle}, &a)
		if f == nil && status == http.StatusOK {
			return p.values(a, s.Certificate().PublicKey)
		}
		if f != nil && !f.Retry {
			return nil, f
		}
		if f != nil {
			wait = max(wait, f.RetryAfter)
		}
		if err := pace.Pause(ctx, wait); err != nil {
			return nil, late(err)
		}
		wait = min(2*wait, maxPoll)
	}
}

// late returns the failure for values that did not arrive in time but may still arrive.
func late(err error) *failure {
	f := fail(signing.KindProvider, "the signing service did not finish in time").Because(err).Retryable(0)
	f.Unknown = true
	return f
}
