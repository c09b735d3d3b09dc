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

// Settings are the settings of one SAFE account: an entry of kind safe under providers in the
// configuration file.
type Settings struct {
	// URL of the service, for example https://safe.autenticacao.gov.pt.
	URL string `yaml:"url"`
	// ClientName is the name of the invoicing software as registered with SAFE.
	ClientName string `yaml:"clientName"`
	// Username and PasswordFile belong to the integrator (HTTP Basic). The file is read for each call.
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"passwordFile"`
	// CredentialID of the account. Empty means the only one that the account has.
	CredentialID string `yaml:"credentialID"`

	// TokensFile holds the first tokens of the account, issued with its owner's consent. It is JSON
	// with accessToken and refreshToken. It also needs credentialID if the access token may have
	// expired before its first use. The content is imported if it is new: at the start, and when the
	// current tokens have expired. The file may be deleted after that.
	TokensFile string `yaml:"tokensFile"`
	// AccountFile is where the current tokens are stored, encrypted (AES-256-GCM). Its folder must
	// exist and be writable, because a lock file is created beside it. Instances that sign for the
	// same account must share the file. Otherwise a renewal by one instance makes the tokens of the
	// others invalid.
	AccountFile string `yaml:"accountFile"`
	// AccountKeyFile holds the key of AccountFile: at least 32 characters that nobody can guess
	// (openssl rand -hex 32).
	AccountKeyFile string `yaml:"accountKeyFile"`

	// MaxBatch is the largest number of digests in one call. 0 means the 10 that SAFE allows. A value
	// here may only be lower.
	MaxBatch int `yaml:"maxBatch"`
	// InFlight is how many calls may be under way at the same time. 0 = 2.
	InFlight int `yaml:"inFlight"`
}

// defaultInFlight is more than one, because each call waits some seconds for SAFE. It is not
// higher, because we do not know how many calls SAFE accepts at a time.
const defaultInFlight = 2

// Config is what a Provider needs.
type Config struct {
	// Name of the credential, unique in this proxy (signing.Credential.Name).
	Name     string
	Settings Settings
	// HTTP is the client for every call (pkg/outbound).
	HTTP *http.Client
	// Log receives messages for operators. It never gets a secret, token or hash.
	Log logr.Logger
}

// Validate returns all mistakes, joined. The errors use the names of the configuration file.
func (s Settings) Validate() error {
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
		bad = append(bad,
			fmt.Errorf("maxBatch and inFlight: must not be negative, and maxBatch at most %d", maxNumSignatures))
	}
	return errors.Join(bad...)
}

func (s Settings) withDefaults() Settings {
	s.URL = strings.TrimRight(s.URL, "/")
	s.MaxBatch = cmp.Or(s.MaxBatch, maxNumSignatures)
	s.InFlight = cmp.Or(s.InFlight, defaultInFlight)
	return s
}
