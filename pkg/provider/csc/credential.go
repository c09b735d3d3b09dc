package csc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/keysettings"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/lenient"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotecredential"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotefault"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// state is what we know about the credential. It is immutable and is replaced as a whole.
type state struct {
	*signing.Credential
	at        *serviceInfo
	id        string
	algorithm algorithm
	mode      string // explicit, implicit, oauth2code
	pin, otp  need   // v1
	objects   []authObject
	any       bool // one of objects is enough to authorise
}

// need says whether a v1 service wants a PIN or an OTP.
type need int

const (
	optional need = iota // also when the service does not say
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

// reader reads the description of the credential from the service.
type reader struct {
	name      string // of the credential
	set       Settings
	log       logr.Logger
	client    *client
	discovery discovery
	chains    certchain.Watch
}

// cache returns an empty cache of the credential's state.
func (r *reader) cache() *remotecredential.Cache[*state, hint] {
	return remotecredential.New(remotecredential.Config[*state, hint]{
		Service: serviceName, Credential: r.name, Log: r.log, Read: r.read,
	})
}

// read asks the service for the description and the credential.
func (r *reader) read(ctx context.Context) (*state, *failure) {
	at, f := r.discovery.find(ctx)
	if f != nil {
		return nil, f
	}
	id, f := r.chooseCredential(ctx, at)
	if f != nil {
		return nil, f
	}
	a, f := r.credentialInfo(ctx, at, id)
	if f != nil {
		return nil, f
	}
	return r.describe(at, id, a)
}

// describe converts the service's description into a state, or returns a failure that says why the
// credential cannot sign.
func (r *reader) describe(at *serviceInfo, id string, a credentialAnswer) (*state, *failure) {
	switch {
	case strings.EqualFold(a.Key.Status, "disabled"):
		return nil, fail(signing.KindProviderAccount, "the credential is disabled at the signing service")
	case a.Cert.Status != "" && !strings.EqualFold(a.Cert.Status, "valid"):
		return nil, fail(signing.KindCertificate, "the signing certificate is expired, suspended or revoked").
			Because(fmt.Errorf("status is %q", remotefault.Text(a.Cert.Status)))
	}
	chain, err := lenient.Chain(a.Cert.Certificates)
	if err != nil {
		return nil, unreadable(err, false)
	}
	r.chains.See(r.log.WithValues("credential", r.name), chain)
	now := time.Now()
	if now.After(chain[0].NotAfter) || now.Before(chain[0].NotBefore) {
		return nil, fail(signing.KindCertificate, "the signing certificate is expired or not yet valid")
	}
	hash, _ := keysettings.ParseHash(r.set.Hash) // validated before
	alg, f := choose(a.Key.Algo, chain[0].PublicKey, hash, signing.SignatureAlgorithm(r.set.Algorithm))
	if f != nil {
		return nil, f
	}
	s := &state{
		at: at, id: id, algorithm: alg,
		mode: strings.ToLower(a.AuthMode), pin: a.PIN.need(), otp: a.OTP.need(),
		Credential: &signing.Credential{
			Name: r.name, Chain: chain, Algorithm: alg.SignatureAlgorithm, Hash: alg.hash,
			MaxBatch: r.maxBatch(int(a.Multisign)), InFlight: r.set.InFlight,
		},
	}
	if !at.v1 {
		s.mode = strings.ToLower(a.Auth.Mode)
		_ = json.Unmarshal(a.Auth.Objects, &s.objects) // absent or another structure: no secret is asked for
		s.any = strings.Contains(strings.ToUpper(a.Auth.Expression), "OR")
	}
	return s, nil
}

// maxBatch returns the largest number of digests in a call.
func (r *reader) maxBatch(multisign int) int {
	multisign = max(1, multisign)
	if r.set.MaxBatch > 0 {
		return min(multisign, r.set.MaxBatch)
	}
	return min(multisign, defaultMaxBatch)
}

// encode returns the digests in standard base64, which every service accepts.
func encode(digests [][]byte) []string {
	out := make([]string, len(digests))
	for i, d := range digests {
		out[i] = base64.StdEncoding.EncodeToString(d)
	}
	return out
}
