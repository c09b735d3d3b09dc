package timestamp

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/weburl"
)

// Settings say which authorities issue timestamps, and which tokens are accepted.
type Settings struct {
	Authorities []AuthoritySettings // in the order in which they are asked; empty = no level above B-B
	Timeout     time.Duration       // see Config
	MaxSkew     time.Duration       // see Config
	CAFile      string              // PEM bundle to which the certificates of tokens must lead; empty = any
}

// AuthoritySettings describe one RFC 3161 authority: an entry of timestamp.authorities in the
// configuration file, or one of --timestamp.urls.
type AuthoritySettings struct {
	// Name is for logs. Empty = the URL's host.
	Name string `yaml:"name"`
	// URL is http or https, without credentials.
	URL string `yaml:"url"`
	// User and PasswordFile authenticate the proxy (HTTP Basic). The file is read at the start.
	User         string `yaml:"user"`
	PasswordFile string `yaml:"passwordFile"`
	// Policy is requested, and then required in the token: an OID such as 1.2.3.4. Empty = the
	// authority chooses.
	Policy string `yaml:"policy"`
	// Budget limits the requests of this instance.
	Budget Budget `yaml:"budget"`
}

// Validate returns all mistakes, joined. The errors use the names of the configuration file.
func (s AuthoritySettings) Validate() error {
	var bad []error
	if err := weburl.Check(s.URL); err != nil {
		bad = append(bad, fmt.Errorf("url: %w, not %.80q", err, s.URL))
	}
	if (s.User == "") != (s.PasswordFile == "") {
		bad = append(bad, errors.New("user and passwordFile: one is set without the other"))
	}
	if s.Policy != "" && !oid.MatchString(s.Policy) {
		bad = append(bad, fmt.Errorf("policy: want an object identifier such as 1.2.3.4, not %.80q", s.Policy))
	}
	if b := s.Budget; b.Requests < 0 || b.Window < 0 || (b.Requests == 0) != (b.Window == 0) {
		bad = append(bad, errors.New("budget: want requests and window, such as {requests: 20, window: 20m}"))
	}
	return errors.Join(bad...)
}

// Authority returns the authority with its password, which is the content of PasswordFile. The
// settings must be valid.
func (s AuthoritySettings) Authority(password string) Authority {
	return Authority{
		Name: s.Name, URL: s.URL, User: s.User, Password: password, Policy: parseOID(s.Policy), Budget: s.Budget,
	}
}

// oid is the form of an object identifier. Each number fits into 32 bits.
var oid = regexp.MustCompile(`^[0-2](\.(0|[1-9][0-9]{0,8})){1,30}$`)

// parseOID returns the numbers of an object identifier; nil if the text is not one.
func parseOID(text string) asn1.ObjectIdentifier {
	if !oid.MatchString(text) {
		return nil
	}
	var id asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(text, ".") {
		n, _ := strconv.Atoi(arc) // oid has checked it
		id = append(id, n)
	}
	return id
}
