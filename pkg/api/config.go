package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// DefaultBasePath is where the original product serves its API.
const DefaultBasePath = "/signstash/einvoice-integration-client-ws"

// Config holds the dependencies and settings of an API. New replaces zero values of settings by the
// defaults named beside them.
type Config struct {
	Service        *signing.Service
	ClientServices func() *clientservice.Services // returns the current client services; called once per request
	// Endpoint returns the address where clients reach this instance. It is called for every answer
	// that contains the address.
	Endpoint func() affinity.Endpoint
	// Published reports whether the address of Endpoint is known. While it is not known, async
	// requests are refused with 503. Nil = the address is known.
	Published func() bool
	// Forwarder asks other instances for operations that this one does not hold. Nil = no other
	// instance is asked.
	Forwarder *affinity.Forwarder
	// KeyHomes decides which instance may create the operation of an Idempotency-Key. Nil = if
	// Forwarder is not nil, all other instances are asked for the key.
	KeyHomes KeyHomes
	// Messenger authenticates the messages that other instances send to KeyHomes. Required with
	// KeyHomes.
	Messenger *affinity.Messenger
	// Identity tells this instance from the others. Nil = requests that were sent to the wrong
	// instance are not detected.
	Identity *affinity.Identity

	// Reading is called before an operation's documents are read. done is called when they have been
	// read. Between the two calls only the owner of the operation may remove the documents. Nil =
	// nobody but the owner removes documents.
	Reading func(id signing.ID) (done func())

	// Refusal returns why no new operation is accepted; nil = it is accepted, unless Service refuses
	// it. Requests that repeat an Idempotency-Key of this instance are still answered. Nil = nothing
	// is refused.
	Refusal func() error

	Log        logr.Logger
	Registerer prometheus.Registerer // nil = no metrics

	// TokenKey signs and verifies the tokens of the token endpoint (HMAC-SHA256): at least 32 bytes.
	// Instances accept each other's tokens if they have the same key.
	TokenKey []byte
	// SharedTokenKey says that all other instances hold TokenKey too, and that nobody else does.
	// Instances then use it to prove to each other who they are. forwardtoken.go describes what
	// happens if the key is not shared.
	SharedTokenKey bool
	// TokenLifetime is how long a token of the token endpoint is valid. 0 = 1 hour. If the secret of a
	// client service changes, its tokens remain valid for at most this time.
	TokenLifetime time.Duration
	// RemoteTokens verifies bearer tokens that this proxy did not issue. Nil = such tokens are
	// refused.
	RemoteTokens RemoteTokens

	// HotFolders receives notifications of new files. Nil = hot folders are not enabled.
	HotFolders HotFolders

	// SignatureTypes are the forms of signature that can be asked for. Nil = all.
	SignatureTypes []signing.SignatureType

	// BasePath is the part of every path before /api/v0/. Empty = DefaultBasePath.
	BasePath string
	// SyncWait is how long a sync request waits for its operation. 0 = 60 s; negative = not at all.
	SyncWait time.Duration
	// IdleTimeout bounds how long a client may be silent in the middle of a body that it sends or
	// reads. 0 = 60 s. It replaces ReadTimeout and WriteTimeout of the http.Server. Those must be 0,
	// because they would bound a whole upload or download.
	IdleTimeout time.Duration

	limits.Settings

	// StrictVendorStatus answers with the HTTP status of the original product where this project chose
	// a better one by default.
	StrictVendorStatus bool
	// Version of the proxy, for the API documentation. Empty = "dev".
	Version string
}

// RemoteTokens verifies bearer tokens issued by the remote signing service. Implementations are
// safe for concurrent use.
type RemoteTokens interface {
	// Verify returns the id of the client service that token was issued to. The error is a
	// *signing.Error: KindUnauthenticated if the token is not valid, KindBusy if the service that can
	// verify it is not reachable.
	Verify(ctx context.Context, token string) (clientServiceID string, err error)
}

// minTokenKeyBytes is the output size of SHA-256. RFC 7518 3.2 requires a key of at least that
// size.
const minTokenKeyBytes = 32

func (c *Config) setDefaults() {
	c.TokenLifetime = cmp.Or(c.TokenLifetime, time.Hour)
	c.BasePath = cmp.Or(c.BasePath, DefaultBasePath)
	c.SyncWait = cmp.Or(c.SyncWait, 60*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 60*time.Second)
	c.Settings = c.Settings.WithDefaults()
	c.Version = cmp.Or(c.Version, "dev")
	c.BasePath = "/" + strings.Trim(c.BasePath, "/")
	if c.SignatureTypes == nil {
		c.SignatureTypes = []signing.SignatureType{signing.PAdES, signing.XAdES, signing.CAdES}
	}
}

// validate returns all mistakes in c, joined.
func (c *Config) validate() error {
	var errs []error
	if c.Service == nil || c.ClientServices == nil || c.Endpoint == nil {
		errs = append(errs, errors.New("one of Service, ClientServices and Endpoint is not set"))
	}
	if c.KeyHomes != nil && (c.Messenger == nil || c.Forwarder == nil) {
		errs = append(errs, errors.New("KeyHomes is set without Messenger and Forwarder"))
	}
	if n := len(c.TokenKey); n < minTokenKeyBytes {
		errs = append(errs, fmt.Errorf("the token key has %d bytes, at least %d are needed", n, minTokenKeyBytes))
	}
	if strings.ContainsAny(c.BasePath, ":*%?# ") || strings.Contains(c.BasePath, "//") || c.BasePath == "/" ||
		strings.HasPrefix(c.BasePath, "/oauth2") {
		errs = append(errs,
			errors.New("the base path must be one or more plain segments, and must not begin with /oauth2"))
	}
	if c.IdleTimeout < 0 || c.TokenLifetime < 0 {
		errs = append(errs, errors.New("IdleTimeout or TokenLifetime is negative"))
	}
	errs = append(errs, c.Settings.Validate())
	return errors.Join(errs...)
}
