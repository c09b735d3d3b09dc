package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// DefaultBasePath is where the original product serves its API.
const DefaultBasePath = "/signstash/einvoice-integration-client-ws"

// Config is what an API is made of. Zero values of the settings are replaced by the defaults named
// beside them.
type Config struct {
	Service        *signing.Service
	ClientServices func() *clientservice.Services // those in force; asked once per request
	Endpoint       func() affinity.Endpoint       // where clients reach this instance; asked once per answer that names it
	// Published says whether that address is known; until then async requests are refused. Nil = it
	// is.
	Published func() bool
	// Forwarder asks other instances for what this one does not hold. Nil = nobody is asked.
	Forwarder *affinity.Forwarder
	// Identity of this instance towards the others. Empty = requests that are meant for another are
	// not noticed.
	Identity affinity.Identity

	// Reading is called before an operation's documents are read, and done after it: nothing but its
	// owner removes them in between. Nil = nobody else does.
	Reading func(id signing.ID) (done func())

	Log        logr.Logger
	Registerer prometheus.Registerer // nil = no metrics

	// TokenKey signs and verifies the tokens of the token endpoint (HMAC-SHA256): at least 32 bytes,
	// the same on all instances that shall accept each other's tokens.
	TokenKey []byte
	// SharedTokenKey says that the other instances hold TokenKey too, and nobody else does: instances
	// then prove to each other with it who they are. See forwardtoken.go for what happens where it is
	// not shared.
	SharedTokenKey bool
	// TokenLifetime is how long such a token is good. 0 = 1 hour: a token outlives a changed secret by
	// no more than that, and making a new one costs nothing.
	TokenLifetime time.Duration
	// RemoteTokens verifies bearer tokens that this proxy did not issue. Nil = they are refused.
	RemoteTokens RemoteTokens

	// SignatureTypes are the forms of signature that can be asked for. Nil = PAdES.
	SignatureTypes []signing.SignatureType

	// BasePath is what stands before api/v0/, without a slash at the end. Empty = DefaultBasePath.
	BasePath string
	// SyncWait is how long a sync request waits for its operation. 0 = 60 s; negative = not at all.
	SyncWait time.Duration
	// IdleTimeout bounds the silence of a client in the middle of a body, sent or received. 0 = 60 s.
	// It replaces ReadTimeout and WriteTimeout of the http.Server, which must be 0: they would bound a
	// whole upload or download.
	IdleTimeout time.Duration

	// MaxBodyBytes bounds a request's body, as sent. 0 = 2 GiB: the largest documented request, 25 x
	// 20 MB, is 667 MB in base64.
	MaxBodyBytes int64
	// MaxDocumentBytes bounds a document's content, decoded. 0 = 1 GiB.
	MaxDocumentBytes int64
	// MaxDocuments bounds the documents of one request. 0 = 10,000: four times the largest documented
	// number.
	MaxDocuments int
	// MaxMetadataBytes bounds what a request says beside the content of documents and images: it is
	// held in memory. 0 = 16 MiB.
	MaxMetadataBytes int64
	// MaxTextBytes bounds what all requests that are being read hold of that together, and half of it
	// what those of one client service do. 0 = 64 MiB. A request that would pass it is answered 503.
	MaxTextBytes int64
	// MaxImageBytes bounds the image of a visible signature, decoded. 0 = 4 MiB, as much as the
	// drawing takes.
	MaxImageBytes int64
	// MaxUploads bounds the request bodies that are read at a time. 0 = 256. One more is answered 429.
	MaxUploads int
	// ClientUploads bounds those of one client service. 0 = half of MaxUploads, so that none takes all
	// places.
	ClientUploads int
	// MaxDownloads bounds the answers with documents that are sent at a time, and half of it those of
	// one client service. 0 = 128: each costs some 100 KB. One more is answered 429.
	MaxDownloads int
	// MaxWaiting bounds the sync requests, which wait for their results: each costs a goroutine and a
	// connection, some 30 KB. Half of them may be one client service's. 0 = 2000. One more is answered
	// 503 before its body is read.
	MaxWaiting int
	// MaxPolls bounds the status calls that wait, likewise. 0 = 1000. One more is answered at once, as
	// if it had not asked to wait.
	MaxPolls int
	// ClientRate bounds the requests a second of one client service; after a pause twice as many may
	// come at once. More are answered 429 before the body is read. 0 = no bound.
	ClientRate int
	// ClientFailures bounds the different wrong secrets of one client service that one address may
	// send in a second, ten times as many after a pause. Beyond it no secret of theirs is looked at,
	// also not the right one: 429. 0 = no bound.
	ClientFailures int

	// StrictVendorStatus answers with the original's HTTP status where the documented one was chosen
	// to be better.
	StrictVendorStatus bool
	// Version of the proxy, for the API documentation. Empty = "dev".
	Version string
}

// RemoteTokens verifies bearer tokens issued by the remote signing service. Implementations are
// safe for concurrent use.
type RemoteTokens interface {
	// Verify returns the id of the client service that token was issued to. The error is a
	// *signing.Error: KindUnauthenticated where the token is not good, KindBusy where the service that
	// would know is out of reach.
	Verify(ctx context.Context, token string) (clientServiceID string, err error)
}

// minTokenKeyBytes is the output size of SHA-256: RFC 7518 3.2 wants no shorter key.
const minTokenKeyBytes = 32

func (c *Config) setDefaults() {
	setDefault(&c.TokenLifetime, time.Hour)
	setDefault(&c.BasePath, DefaultBasePath)
	setDefault(&c.SyncWait, 60*time.Second)
	setDefault(&c.IdleTimeout, 60*time.Second)
	setDefault(&c.MaxBodyBytes, 2<<30)
	setDefault(&c.MaxDocumentBytes, 1<<30)
	setDefault(&c.MaxDocuments, 10_000)
	setDefault(&c.MaxMetadataBytes, 16<<20)
	setDefault(&c.MaxTextBytes, 64<<20)
	setDefault(&c.MaxImageBytes, 4<<20)
	setDefault(&c.MaxUploads, 256)
	setDefault(&c.ClientUploads, max(c.MaxUploads/2, 1))
	setDefault(&c.MaxDownloads, 128)
	setDefault(&c.MaxWaiting, 2000)
	setDefault(&c.MaxPolls, 1000)
	setDefault(&c.Version, "dev")
	c.BasePath = "/" + strings.Trim(c.BasePath, "/")
	if c.SignatureTypes == nil {
		c.SignatureTypes = []signing.SignatureType{signing.PAdES}
	}
}

// validate returns all mistakes at once.
func (c *Config) validate() error {
	var errs []error
	if c.Service == nil || c.ClientServices == nil || c.Endpoint == nil {
		errs = append(errs, errors.New("one of Service, ClientServices and Endpoint is not set"))
	}
	if len(c.TokenKey) < minTokenKeyBytes {
		errs = append(
			errs,
			fmt.Errorf("the token key has %d bytes, at least %d are needed", len(c.TokenKey), minTokenKeyBytes),
		)
	}
	if strings.ContainsAny(c.BasePath, ":*%?# ") || strings.Contains(c.BasePath, "//") || c.BasePath == "/" ||
		strings.HasPrefix(c.BasePath, "/oauth2") {
		errs = append(
			errs,
			errors.New("the base path must be one or more plain segments, and not that of the token endpoint"),
		)
	}
	for name, v := range map[string]int64{
		"MaxBodyBytes": c.MaxBodyBytes, "MaxDocuments": int64(c.MaxDocuments), "MaxMetadataBytes": c.MaxMetadataBytes,
		"MaxDocumentBytes": c.MaxDocumentBytes, "MaxImageBytes": c.MaxImageBytes, "MaxUploads": int64(c.MaxUploads),
		"ClientUploads": int64(c.ClientUploads), "ClientRate": int64(c.ClientRate), "ClientFailures": int64(c.ClientFailures),
		"MaxTextBytes": c.MaxTextBytes, "MaxWaiting": int64(c.MaxWaiting), "MaxPolls": int64(c.MaxPolls), "MaxDownloads": int64(c.MaxDownloads),
		"IdleTimeout": int64(c.IdleTimeout), "TokenLifetime": int64(c.TokenLifetime),
	} {
		if v < 0 {
			errs = append(errs, fmt.Errorf("%s is negative", name))
		}
	}
	return errors.Join(errs...)
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
