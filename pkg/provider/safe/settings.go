package safe

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-logr/logr"
)

// Settings of one SAFE account, an entry of kind safe under providers in the configuration file.
type Settings struct {
	// URL of the service, for example https://safe.autenticacao.gov.pt.
	URL string `yaml:"url"`
	// ClientName is the name of the invoicing software as registered with SAFE.
	ClientName string `yaml:"clientName"`
	// Username and PasswordFile are the integrator's (HTTP Basic). The file is read for each call.
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"passwordFile"`
	// CredentialID of the account. Empty = the only one there: an account has one.
	CredentialID string `yaml:"credentialID"`

	// TokensFile holds the account's first tokens, as its owner's consent gave them: JSON with
	// accessToken and refreshToken, and with credentialID if the access token may have ended before
	// its first use. Its content is taken over when it is new, at the start and when the tokens that
	// are kept have ended. It may be deleted after that.
	TokensFile string `yaml:"tokensFile"`
	// AccountFile is where the current tokens are kept, encrypted (AES-256-GCM). Its folder must exist
	// and be writable; a lock file stands beside it. Instances that sign for one account must share
	// it, or renewals of one shut the others out.
	AccountFile string `yaml:"accountFile"`
	// AccountKeyFile holds the key of AccountFile: at least 32 characters that nobody can guess
	// (openssl rand -hex 32).
	AccountKeyFile string `yaml:"accountKeyFile"`

	// MaxBatch is the most digests in one call. 0 = what SAFE allows, 10; a value here may only be
	// lower.
	MaxBatch int `yaml:"maxBatch"`
	// InFlight is how many calls may be under way at a time. 0 = 2.
	InFlight int `yaml:"inFlight"`
}

// defaultInFlight: each call waits some seconds for SAFE, so that one alone would be slow; what
// SAFE would say to more is not known.
const defaultInFlight = 2

// Config is what a Provider needs.
type Config struct {
	// Name of the credential among all of this proxy (signing.Credential.Name).
	Name     string
	Settings Settings
	// HTTP is the client for every call (pkg/outbound).
	HTTP *http.Client
	// Log gets what an operator wants to know; no secret, token or hash.
	Log logr.Logger
}

// Validate returns every mistake in s, in the words of the configuration file.
func (s Settings) Validate() []error {
	var bad []error
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		bad = append(bad, fmt.Errorf("url: %q is not an http or https URL", s.URL))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		bad = append(bad, errors.New("url: must have no user, query or fragment"))
	}
	for _, needed := range []struct{ name, value string }{
		{"clientName", s.ClientName}, {"username", s.Username}, {"passwordFile", s.PasswordFile},
		{"accountFile", s.AccountFile}, {"accountKeyFile", s.AccountKeyFile},
	} {
		if needed.value == "" {
			bad = append(bad, fmt.Errorf("%s: is needed", needed.name))
		}
	}
	if s.MaxBatch < 0 || s.MaxBatch > maxNumSignatures || s.InFlight < 0 {
		bad = append(
			bad,
			fmt.Errorf("maxBatch and inFlight: must not be negative, and maxBatch at most %d", maxNumSignatures),
		)
	}
	return bad
}

func (s Settings) withDefaults() Settings {
	s.URL = strings.TrimRight(s.URL, "/")
	s.MaxBatch = cmp.Or(s.MaxBatch, maxNumSignatures)
	s.InFlight = cmp.Or(s.InFlight, defaultInFlight)
	return s
}
