package service

import (
	"time"

	"github.com/go-logr/logr"
)

// Options of a Service; the zero value is polite and quick.
type Options struct {
	// Authority issues the certificates of the credentials. Nil = a new one. Tests share one, because
	// making RSA keys takes a while.
	Authority *Authority
	// PublicURL is how clients reach the service, without a trailing slash. Empty = http:// and the
	// request's Host.
	PublicURL string
	// ClientServices are the accepted OAuth2 clients: id to secret. Nil = ClientID with ClientSecret.
	ClientServices map[string]string
	// Credentials that may be used by every client service. Nil = one RSA credential.
	Credentials []Credential
	// Asynchronous says whether CSC v2 offers operationMode A with signatures/signPolling.
	Asynchronous bool
	// PendingPolls is how many polls of an asynchronous answer, or of SAFE's verify, say "not yet".
	// 0 = 1; negative = none.
	PendingPolls int
	// TokenLifetime of access tokens. 0 = 1 h.
	TokenLifetime time.Duration
	// SADLifetime of signature activation data. 0 = 5 min.
	SADLifetime time.Duration
	// Latency of every CSC and SAFE answer, beginning when the request has been read.
	Latency time.Duration
	// RatePerSecond is the largest number of requests in a second, without those of the Admin handler.
	// Further ones get 429. 0 = no limit.
	RatePerSecond int
	// Log gets one line a request, without tokens or hashes.
	Log logr.Logger

	Foreign
}

// Foreign describes how real services differ from the plain reading of the CSC and OAuth2
// standards. The zero value is the plain reading.
type Foreign struct {
	// AuthTypes is authType of info. Nil = oauth2client, and in v1 also oauth2code. If it has no
	// oauth2 type, info names no authorization server.
	AuthTypes []string
	// Specs is specs of info. Empty = the version.
	Specs string
	// OpenToAll accepts calls without an access token, like services that identify their clients by
	// TLS (authType external).
	OpenToAll bool
	// ClientAuth is how the token and introspection endpoints expect id and secret.
	ClientAuth ClientAuth
	// Users with their passwords, for the grant password and for auth/login. Nil = auth/login accepts
	// client services. A client service whose secret is empty is a public client. It may only use the
	// grant password.
	Users map[string]string
	// NoCertInfo answers credentials/info with 501 if the request has certInfo.
	NoCertInfo bool
	// PageSize of credentials/list. 0 = one page.
	PageSize int
	// OperationModeNeeded refuses signHash of v2 without operationMode.
	OperationModeNeeded bool
}

// ClientAuth says how an endpoint expects id and secret of an OAuth2 client.
type ClientAuth string

const (
	AsItIs  ClientAuth = ""        // in Basic without encoding, or in the form
	Decoded ClientAuth = "decoded" // in Basic, form-urlencoded (RFC 6749 2.3.1)
	InForm  ClientAuth = "form"    // in the form and not in Basic
)

// Defaults of Options. They are printed at the start and protect nothing.
const (
	ClientID     = "SIM.000000000-000000000-simulated"
	ClientSecret = "simulated-client-secret"
	PIN          = "246810"
	OTP          = "135791"
	SAFEUser     = "simulated-integrator"
	SAFEPassword = "simulated-integrator-password"
)

// KeyKind is the kind of a credential's key.
type KeyKind string

const (
	RSA2048   KeyKind = "rsa"      // RSASSA-PKCS1-v1_5, hash-bound and plain rsaEncryption identifiers
	RSAPlain  KeyKind = "rsaplain" // RSASSA-PKCS1-v1_5, rsaEncryption only; the request names the hash
	RSAPSS    KeyKind = "pss"      // RSASSA-PSS only
	ECDSAP256 KeyKind = "ecdsa"    // P-256 with SHA-256
	ECDSAP384 KeyKind = "ecdsa384" // P-384 with SHA-384
)

// AuthMode says how the use of a credential is authorised (CSC credentials/info).
type AuthMode string

const (
	Explicit   AuthMode = "explicit"   // PIN, OTP or both
	Implicit   AuthMode = "implicit"   // no secret is needed; v2 has no word for it and lists no authentication object
	OAuth2Code AuthMode = "oauth2code" // a token with scope credential stands for the SAD
)

// Credential is one simulated remote key.
type Credential struct {
	ID        string   // empty = sim-<Key>
	Key       KeyKind  // empty = RSA2048
	AuthMode  AuthMode // empty = Explicit
	PIN       string   // asked for with Explicit; empty = no PIN
	OTP       string   // asked for with Explicit; empty = no OTP
	OTPOnce   bool     // any OTP is accepted, but each only once
	TOTPKey   string   // the OTP is the time-based password of this key (RFC 6238, SHA-1); OTP is ignored
	SCAL      int      // 1 or 2; 0 = 2
	Multisign int      // signatures in one authorisation; 0 = 100
	Disabled  bool     // the key is disabled
	RawECDSA  bool     // values are r‖s instead of DER, always
	// Slow is how many authorizeChecks answer 202 before a person has authorised the signatures. If it
	// is not 0, credentials/authorize answers 202 with a handle. v2 only.
	Slow int
}

func (o *Options) setDefaults() error {
	if o.Authority == nil {
		a, err := NewAuthority()
		if err != nil {
			return err
		}
		o.Authority = a
	}
	if o.ClientServices == nil {
		o.ClientServices = map[string]string{ClientID: ClientSecret}
	}
	if o.Credentials == nil {
		o.Credentials = []Credential{{PIN: PIN}}
	}
	switch {
	case o.PendingPolls == 0:
		o.PendingPolls = 1
	case o.PendingPolls < 0:
		o.PendingPolls = 0
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = time.Hour
	}
	if o.SADLifetime == 0 {
		o.SADLifetime = 5 * time.Minute
	}
	return nil
}

func (c *Credential) setDefaults() {
	if c.Key == "" {
		c.Key = RSA2048
	}
	if c.ID == "" {
		c.ID = "sim-" + string(c.Key)
	}
	if c.AuthMode == "" {
		c.AuthMode = Explicit
	}
	if c.SCAL == 0 {
		c.SCAL = 2
	}
	if c.Multisign == 0 {
		c.Multisign = 100
	}
}
