package csc

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/keysettings"
)

// Settings are the settings of one credential: an entry of kind csc under providers in the
// configuration file. Only url is required if the service has exactly one credential for the client
// and asks for no PIN.
type Settings struct {
	// URL of the service. Either its root, to which /csc/v2 and /csc/v1 are added, or the whole base
	// path of the API, ending in a version (https://host/some/csc/v1).
	URL string `yaml:"url"`
	// CredentialID is an id from credentials/list. Empty means the only one in the list.
	CredentialID string `yaml:"credentialID"`
	// UserID is sent to credentials/list, for services that want it.
	UserID string `yaml:"userID"`

	// TokenURL is the OAuth2 token endpoint. Empty means the one from the service's info.
	TokenURL string `yaml:"tokenURL"`
	// AuthType is how we authenticate, in the words of info: oauth2 (an access token from the token
	// endpoint), basic (an access token from auth/login) or external (no token; the network or a TLS
	// client certificate authenticates us). If it is empty, info decides: OAuth2 if info offers
	// oauth2client or TokenURL is set, else auth/login if info offers basic, else no token if info
	// offers external.
	AuthType string `yaml:"authType"`
	// ClientID and ClientSecretFile authenticate us at the token endpoint. The file is read for each
	// token. With the grant password the secret may be missing, for a client that is registered as
	// public.
	ClientID         string `yaml:"clientID"`
	ClientSecretFile string `yaml:"clientSecretFile"`
	// ClientAuth is where the token endpoint expects them: basic (HTTP Basic; the default) or form
	// (client_id and client_secret).
	ClientAuth string `yaml:"clientAuth"`
	// GrantType is client_credentials (the default) or password. The grant password also sends
	// Username and the password to the token endpoint.
	GrantType string `yaml:"grantType"`
	// Username and PasswordFile are for the grant password and for auth/login. If they are missing,
	// auth/login uses ClientID and ClientSecretFile. The file is read for each token.
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"passwordFile"`

	// PINFile holds the PIN of a credential with explicit authorisation.
	PINFile string `yaml:"pinFile"`
	// OTPFile holds a one-time password that another program renews. TOTPSecretFile holds the secret
	// (base32 or base64) from which we compute it (RFC 6238, SHA-1, 6 digits, 30 s). Set at most one
	// of the two.
	OTPFile        string `yaml:"otpFile"`
	TOTPSecretFile string `yaml:"totpSecretFile"`

	// Hash is sha256, sha384 or sha512. Empty means the first of these that the credential supports.
	Hash string `yaml:"hash"`
	// Algorithm is RSA, PSS or ECDSA. Empty means RSA if the credential supports it.
	Algorithm string `yaml:"algorithm"`
	// OperationMode is S (the answer contains the values) or A (asynchronous, v2 only: an answer that
	// was lost can be fetched again). Empty means A if the service offers it; otherwise no mode is
	// sent.
	OperationMode string `yaml:"operationMode"`
	// MaxBatch is the largest number of digests in one call. 0 means the credential's multisign, but
	// at most 100: a larger batch saves little, and when an answer is lost the whole batch is at
	// stake. A value here may be above 100, but not above multisign.
	MaxBatch int `yaml:"maxBatch"`
	// InFlight is how many calls may be under way at the same time. 0 = 4.
	InFlight int `yaml:"inFlight"`
	// SignTimeout bounds signHash together with the polling after it. 0 = 100 s.
	SignTimeout time.Duration `yaml:"signTimeout"`
}

const (
	defaultMaxBatch    = 100
	defaultInFlight    = 4
	defaultSignTimeout = 100 * time.Second
)

// DomainTokenPath is the path of the token endpoint below
// --einvoice-integration-client.service.domain.
const DomainTokenPath = "/oauth2/authorization-server/oauth/token"

// ForDomain returns the settings for CSC at the documented service domain when nothing else is
// configured. The id and secret of the client service come from Config.Identity.
func ForDomain(domain string) Settings {
	domain = strings.TrimRight(domain, "/")
	return Settings{URL: domain, TokenURL: domain + DomainTokenPath}
}

// Config is what a Provider needs.
type Config struct {
	// Name of the credential, unique in this proxy (signing.Credential.Name).
	Name     string
	Settings Settings
	// Identity returns the client's current id and secrets. It is called for each token. If the first
	// secret is refused, the next one is tried, so that a secret can be changed here before or after
	// it is changed at the service. Nil means ClientID and ClientSecretFile of Settings.
	Identity func() (id string, secrets []string, err error)
	// HTTP is the client for every call (pkg/outbound).
	HTTP *http.Client
	// Log receives messages for operators. It never gets a secret, token or hash.
	Log logr.Logger
}

// Validate returns all mistakes, joined. The errors use the names of the configuration file.
func (s Settings) Validate() error {
	var bad []error
	add := func(format string, args ...any) { bad = append(bad, fmt.Errorf(format, args...)) }
	checkURL := func(name, v string) {
		u, err := url.Parse(v)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			add("%s: %q is not an http or https URL", name, v)
		} else if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			add("%s: must have no user, query or fragment", name)
		}
	}
	checkURL("url", s.URL)
	if s.TokenURL != "" {
		checkURL("tokenURL", s.TokenURL)
	}
	bad = append(bad, s.validateAccess()...)
	if s.OTPFile != "" && s.TOTPSecretFile != "" {
		add("otpFile and totpSecretFile: only one of them may be set")
	}
	_, badHash := keysettings.ParseHash(s.Hash)
	_, badAlgorithm := keysettings.ParseAlgorithm(s.Algorithm)
	bad = append(bad, badHash, badAlgorithm) // nil if they are right
	if m := s.OperationMode; m != "" && m != "S" && m != "A" {
		add("operationMode: %q is not S or A", m)
	}
	if s.MaxBatch < 0 || s.InFlight < 0 || s.SignTimeout < 0 {
		add("maxBatch, inFlight and signTimeout: must not be negative")
	}
	return errors.Join(bad...)
}

func (s Settings) withDefaults() Settings {
	s.URL = strings.TrimRight(s.URL, "/")
	s.InFlight = cmp.Or(s.InFlight, defaultInFlight)
	s.SignTimeout = cmp.Or(s.SignTimeout, defaultSignTimeout)
	return s
}
