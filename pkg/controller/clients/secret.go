package clients

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
)

// SecretType is the type of Secrets that hold a client service each.
const SecretType corev1.SecretType = "signstash.io/client-service"

// Keys of such a Secret.
const (
	idKey             = "clientId"
	secretKey         = "secret"
	previousSecretKey = "previousSecret"
	configKey         = "config"
)

var secretKeys = [...]string{idKey, secretKey, previousSecretKey, configKey}

// known returns which of the keys is meant, in whatever case it is written; false if none is.
func known(key string) (string, bool) {
	for _, k := range secretKeys {
		if strings.EqualFold(k, key) {
			return k, true
		}
	}
	return "", false
}

// maxFaultBytes bounds the words for a fault: the API server takes notes of at most 1 kB
// (events.k8s.io/v1).
const maxFaultBytes = 800

// fault is why a Secret is not rendered as it stands. It holds no value of the Secret. The zero
// fault is none.
type fault struct{ reason, text string }

// Reasons of events.
const (
	reasonInvalid   = "InvalidClientService"
	reasonDuplicate = "DuplicateClientID"
	reasonTooLarge  = "TooLarge"
	reasonAccepted  = "Accepted"
)

// source is one Secret of a client service.
type source struct {
	object *corev1.Secret // from the cache: not to be changed
	client *clientservice.ClientService
	fault  fault // why there is no client
}

func (s *source) uid() types.UID { return s.object.UID }

// byAge orders Secrets: the older one first. Many can be created in the same second, so that the
// name decides.
func byAge(a, b *source) int {
	return cmp.Or(
		a.object.CreationTimestamp.Compare(b.object.CreationTimestamp.Time),
		strings.Compare(a.object.Name, b.object.Name),
	)
}

// newSources reads Secrets, and returns the oldest first. Those being deleted are gone already.
func newSources(secrets []corev1.Secret) []*source {
	sources := make([]*source, 0, len(secrets))
	for i := range secrets {
		if secrets[i].DeletionTimestamp.IsZero() {
			sources = append(sources, newSource(&secrets[i]))
		}
	}
	slices.SortFunc(sources, byAge)
	return sources
}

func newSource(object *corev1.Secret) *source {
	client, err := parse(object.Data)
	if err != nil {
		return &source{object: object, fault: fault{reasonInvalid, clip(describe(err))}}
	}
	return &source{object: object, client: client}
}

// parse returns the client service that data describes, or why it does not.
func parse(data map[string][]byte) (*clientservice.ClientService, error) {
	if err := checkKeys(data); err != nil {
		return nil, err
	}
	c := clientservice.ClientService{ID: string(data[idKey])}
	if config := data[configKey]; len(config) > 0 {
		var err error
		if c, err = clientservice.DecodeSettings(c.ID, config); err != nil {
			return nil, configError{err}
		}
	}
	c.Secret = clientservice.NewSecret(string(data[secretKey]))
	c.PreviousSecret = clientservice.NewSecret(string(data[previousSecretKey]))
	services, err := clientservice.NewServices(c)
	if err != nil {
		return nil, err
	}
	return services.Lookup(c.ID), nil
}

// checkKeys refuses data without an id, and keys that are one of ours but for their case. Other
// keys belong to whoever wrote them.
func checkKeys(data map[string][]byte) error {
	if len(data[idKey]) == 0 {
		return errors.New("clientId: is missing or empty")
	}
	if !utf8.Valid(data[idKey]) {
		return errors.New("clientId: is not UTF-8")
	}
	for _, key := range slices.Sorted(maps.Keys(data)) { // in order, so that the same fault has the same words
		if meant, ok := known(key); ok && meant != key {
			return fmt.Errorf("%s: unknown key; did you mean %s?", key, meant)
		}
	}
	return nil
}

// configError is a fault inside the key config.
type configError struct{ error }

func (e configError) Unwrap() error { return e.error }

// describe puts a fault in words that name keys but no client service: an id may be a secret that
// somebody put in the wrong key.
func describe(err error) string {
	var invalid *clientservice.InvalidError
	if !errors.As(err, &invalid) {
		return err.Error()
	}
	inConfig := errors.As(err, new(configError))
	texts := make([]string, len(invalid.Mistakes))
	for i, m := range invalid.Mistakes {
		texts[i] = fieldName(m.Field, inConfig) + ": " + m.Text
	}
	return strings.Join(texts, "; ")
}

// fieldName is where the field of an entry stands in a Secret.
func fieldName(field string, inConfig bool) string {
	switch {
	case inConfig && field == "":
		return configKey
	case inConfig:
		return configKey + "." + field
	case field == "":
		return idKey
	case field == secretKey, field == previousSecretKey:
		return field
	}
	return configKey + "." + field // found when the client service was looked at as a whole
}

// clip cuts text where it is too long for an event.
func clip(text string) string {
	if len(text) <= maxFaultBytes {
		return text
	}
	return strings.ToValidUTF8(text[:maxFaultBytes], "") + "…"
}

// entry is one client service in the rendered Secret.
type entry struct {
	client *clientservice.ClientService
	origin origin
	bytes  int // what it takes in the rendered Secret
}

// origin is the Secret that an entry came from.
type origin struct {
	Name string    `json:"name"`
	UID  types.UID `json:"uid"`
}

// newEntry returns c as an entry; it is as large as what content.go writes of it.
func newEntry(c *clientservice.ClientService, o origin) (entry, error) {
	one, err := clientservice.NewServices(*c)
	if err != nil {
		return entry{}, fmt.Errorf("measure client service: %w", err)
	}
	config, err := clientservice.Encode(one)
	if err != nil {
		return entry{}, fmt.Errorf("measure client service: %w", err)
	}
	provenance, err := json.Marshal(map[string]origin{c.ID: o})
	if err != nil {
		return entry{}, fmt.Errorf("measure client service: %w", err)
	}
	return entry{client: c, origin: o, bytes: len(config) + len(provenance)}, nil
}

// entry returns what the Secret says; false if it is broken.
func (s *source) entry() (entry, bool) {
	if s.client == nil {
		return entry{}, false
	}
	e, err := newEntry(s.client, origin{s.object.Name, s.object.UID})
	return e, err == nil // newSource has validated the client
}
