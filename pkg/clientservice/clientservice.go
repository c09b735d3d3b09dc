package clientservice

import (
	"iter"
	"maps"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// ClientService is one caller of the proxy.
type ClientService struct {
	ID             string // the key of the entry, such as PRT.505767457-PRT.123654123-84dd8c
	Secret         Secret // never zero in a Services
	PreviousSecret Secret // accepted in addition to Secret; zero = none

	// Folders of the hot folder, relative to the work folder, cleaned and with a leading slash; empty
	// = none.
	InputFolder, BackupFolder, OutputFolder string

	CallbackURL          string                // is called when an operation ends; empty = no callback
	Provider             string                // names the credential that signs; empty = the proxy's default
	VisibleSignatureInfo *VisibleSignatureInfo // for files of the hot folder; nil = invisible
	SignatureInfo        *SignatureInfo        // for files of the hot folder; nil = defaults
}

// SecretMatches reports whether given is the secret or the previous secret. Its time does not
// depend on either value.
func (c *ClientService) SecretMatches(given string) bool {
	current, previous := c.Secret.Matches(given), c.PreviousSecret.Matches(given)
	return current || previous
}

// VisibleSignatureInfo is the API's visibleSignatureInfo, as written. Image is not set, because the
// file holds the image itself.
type VisibleSignatureInfo struct {
	signing.VisibleSignature
	ImageValue string `json:"imageValue,omitempty"` // base64
}

// SignatureInfo has the fields of the API's signatureInfo that a file of the hot folder can need,
// as written.
type SignatureInfo struct {
	SignatureType         string                     `json:"signatureType,omitempty"`
	Level                 string                     `json:"level,omitempty"`
	Reason                string                     `json:"reason,omitempty"`
	Location              string                     `json:"location,omitempty"`
	ApplyTimestamp        bool                       `json:"applyTimestamp,omitempty"`
	AdvancedSignatureInfo *signing.AdvancedSignature `json:"advancedSignatureInfo,omitempty"`
	Profile               string                     `json:"profile,omitempty"`
	Packaging             string                     `json:"packaging,omitempty"`
	Existing              string                     `json:"existing,omitempty"`
}

// Services holds the client services of one version of the file. It is immutable. The zero value
// holds none.
type Services struct {
	byID map[string]*ClientService
}

// NewServices validates client services and returns them as one Services. The error is an
// *InvalidError that lists every mistake.
func NewServices(services ...ClientService) (*Services, error) {
	s := &Services{byID: make(map[string]*ClientService, len(services))}
	var m mistakes
	for i := range services {
		c := services[i]
		if s.byID[c.ID] != nil {
			m.add(c.ID, "", "occurs twice")
			continue
		}
		validate(&c, &m)
		s.byID[c.ID] = &c
	}
	if err := m.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// Len returns the number of client services.
func (s *Services) Len() int { return len(s.byID) }

// Lookup returns the client service with that id, or nil. The caller must not change it.
func (s *Services) Lookup(id string) *ClientService { return s.byID[id] }

// All yields the client services, ordered by id.
func (s *Services) All() iter.Seq[*ClientService] {
	return func(yield func(*ClientService) bool) {
		for _, id := range slices.Sorted(maps.Keys(s.byID)) {
			if !yield(s.byID[id]) {
				return
			}
		}
	}
}

// Authenticate returns the client service with that id if secret is its secret or its previous
// secret. Otherwise it returns nil. An unknown id takes as long as a wrong secret, so that nobody
// can find valid ids by measuring the time.
func (s *Services) Authenticate(id, secret string) *ClientService {
	c := s.byID[id]
	if c == nil {
		(&ClientService{}).SecretMatches(secret)
		return nil
	}
	if !c.SecretMatches(secret) {
		return nil
	}
	return c
}
