package csc

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// state is what is known of the credential: immutable, replaced as a whole.
type state struct {
	*signing.Credential
	at        *place
	id        string
	algorithm algorithm
	mode      string // explicit, implicit, oauth2code
	pin, otp  need   // v1
	objects   []authObject
	any       bool // one of objects is enough
	fetched   time.Time
}

// need is whether v1 wants a PIN or an OTP.
type need int

const (
	optional need = iota // also where the service does not say
	wanted
	unwanted
)

func (p presence) need() need {
	switch strings.ToLower(string(p.Presence)) {
	case "true":
		return wanted
	case "false":
		return unwanted
	}
	return optional
}

const (
	// refreshAfter is how long a credential is believed: a renewed certificate is used at the latest then.
	refreshAfter = 10 * time.Minute
	// staleFor is how long an old one is used when the service does not say anew. Its certificate must still be valid.
	staleFor = 24 * time.Hour
	// refreshPause is the time between two tries to refresh while an old one is used.
	refreshPause = 30 * time.Second
	// maxChain bounds a certificate chain.
	maxChain = 10
)

// state returns what is known, asking the service first where that is too old. One question is under way at a time.
func (p *Provider) state(ctx context.Context) (*state, *failure) {
	p.mu.Lock()
	known, again := p.known, p.refreshAt
	p.mu.Unlock()
	if known != nil && time.Now().Before(again) {
		return known, nil
	}
	select {
	case p.reading <- struct{}{}:
		defer func() { <-p.reading }()
	case <-ctx.Done():
		return nil, fail(signing.KindProvider, "the signing service did not describe the credential in time").because(ctx.Err()).retryable(0)
	}
	p.mu.Lock()
	known, again = p.known, p.refreshAt
	p.mu.Unlock()
	now := time.Now()
	if known != nil && now.Before(again) {
		return known, nil
	}
	fresh, f := p.read(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case f == nil:
		p.known, p.refreshAt = fresh, now.Add(refreshAfter)
	case known != nil && f.Retry && now.Before(known.fetched.Add(staleFor)) && now.Before(known.Certificate().NotAfter):
		p.log.Info("credential could not be refreshed", "credential", p.name, "reason", f.Error.Error())
		p.refreshAt = now.Add(refreshPause)
	default:
		return nil, f
	}
	return p.known, nil
}

// forget makes the next use ask the service.
func (p *Provider) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshAt = time.Time{}
}

// read asks the service for everything.
func (p *Provider) read(ctx context.Context) (*state, *failure) {
	at, f := p.find(ctx)
	if f != nil {
		return nil, f
	}
	id, f := p.chooseCredential(ctx, at)
	if f != nil {
		return nil, f
	}
	var a credentialAnswer
	if _, f := p.authorized(ctx, at, methodCredential, credentialRequest{CredentialID: id, Certificates: "chain", CertInfo: true, AuthInfo: true}, &a); f != nil {
		return nil, f
	}
	return p.describe(at, id, a)
}

// chooseCredential returns the configured credential, or the only one there is: whose seal goes on an invoice is not ours to guess.
func (p *Provider) chooseCredential(ctx context.Context, at *place) (string, *failure) {
	if p.set.CredentialID != "" {
		return p.set.CredentialID, nil
	}
	var a listAnswer
	if _, f := p.authorized(ctx, at, methodList, listRequest{UserID: p.set.UserID}, &a); f != nil {
		return "", f
	}
	switch len(a.CredentialIDs) {
	case 0:
		return "", fail(signing.KindProviderAccount, "the signing service has no credential for us")
	case 1:
		return a.CredentialIDs[0], nil
	}
	return "", fail(signing.KindConfiguration, "credentialID: is needed, since the signing service has %d credentials for us", len(a.CredentialIDs)).
		because(fmt.Errorf("they are %.500q", a.CredentialIDs))
}

// describe makes a state of the service's description, or says why it cannot sign.
func (p *Provider) describe(at *place, id string, a credentialAnswer) (*state, *failure) {
	switch {
	case strings.EqualFold(a.Key.Status, "disabled"):
		return nil, fail(signing.KindProviderAccount, "the credential is disabled at the signing service")
	case a.Cert.Status != "" && !strings.EqualFold(a.Cert.Status, "valid"):
		return nil, fail(signing.KindCertificate, "the signing certificate is expired, suspended or revoked").because(fmt.Errorf("status is %q", remoteText(a.Cert.Status)))
	}
	chain, err := parseChain(a.Cert.Certificates)
	if err != nil {
		return nil, unreadable(err, false)
	}
	now := time.Now()
	if now.After(chain[0].NotAfter) || now.Before(chain[0].NotBefore) {
		return nil, fail(signing.KindCertificate, "the signing certificate is expired or not yet valid")
	}
	alg, f := choose(a.Key.Algo, chain[0].PublicKey, hashes[strings.ToLower(p.set.Hash)], signing.SignatureAlgorithm(p.set.Algorithm))
	if f != nil {
		return nil, f
	}
	s := &state{
		at: at, id: id, algorithm: alg, fetched: now,
		mode: strings.ToLower(a.AuthMode), pin: a.PIN.need(), otp: a.OTP.need(),
		Credential: &signing.Credential{
			Name: p.name, Chain: chain, Algorithm: alg.SignatureAlgorithm, Hash: alg.hash,
			MaxBatch: p.maxBatch(int(a.Multisign)), InFlight: p.set.InFlight,
		},
	}
	if !at.v1 {
		s.mode = strings.ToLower(a.Auth.Mode)
		_ = json.Unmarshal(a.Auth.Objects, &s.objects) // absent or of another form: nothing is asked for
		s.any = strings.Contains(strings.ToUpper(a.Auth.Expression), "OR")
	}
	return s, nil
}

// maxBatch is how many digests a call may have.
func (p *Provider) maxBatch(multisign int) int {
	multisign = max(1, multisign)
	if p.set.MaxBatch > 0 {
		return min(multisign, p.set.MaxBatch)
	}
	return min(multisign, defaultMaxBatch)
}

// parseChain reads the certificates and puts each issuer after its subject. The first must be the signer's (CSC 11.5); what does not
// belong to its chain is left out.
func parseChain(texts []string) ([]*x509.Certificate, error) {
	if len(texts) == 0 {
		return nil, errors.New("credential has no certificate")
	}
	var all []*x509.Certificate
	for i, text := range texts[:min(len(texts), maxChain)] {
		c, err := parseCertificate(text)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the credential: %w", i, err)
		}
		all = append(all, c)
	}
	chain := all[:1:1]
	for len(chain) <= len(all) {
		last := chain[len(chain)-1]
		next := issuerOf(last, all)
		if next == nil || next == last {
			break
		}
		chain = append(chain, next)
	}
	return chain, nil
}

// issuerOf returns the certificate in all that signed c; c itself where it is self-signed.
func issuerOf(c *x509.Certificate, all []*x509.Certificate) *x509.Certificate {
	for _, candidate := range all {
		if string(candidate.RawSubject) == string(c.RawIssuer) && c.CheckSignatureFrom(candidate) == nil {
			return candidate
		}
	}
	return nil
}

// parseCertificate reads base64 of DER, PEM, or base64 of either once more.
func parseCertificate(text string) (*x509.Certificate, error) {
	for range 2 {
		if block, _ := pem.Decode([]byte(text)); block != nil {
			return x509.ParseCertificate(block.Bytes)
		}
		data, err := decode(text)
		if err != nil {
			return nil, errors.New("not base64")
		}
		if len(data) > 0 && data[0] == 0x30 { // SEQUENCE: DER at last
			return x509.ParseCertificate(data)
		}
		text = string(data)
	}
	return nil, errors.New("not a certificate")
}

// encode is base64 as every service reads it.
func encode(digests [][]byte) []string {
	out := make([]string, len(digests))
	for i, d := range digests {
		out[i] = base64.StdEncoding.EncodeToString(d)
	}
	return out
}
