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
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/kube"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/suggest"
)

// SecretType is the type of a Secret that holds one client service.
const SecretType corev1.SecretType = "signstash.io/client-service"

// Keys of such a Secret.
const (
	idKey             = "clientId"
	secretKey         = "secret"
	previousSecretKey = "previousSecret"
	configKey         = "config"
)

var secretKeys = [...]string{idKey, secretKey, previousSecretKey, configKey}

// known returns the key that is meant by key: the one that is equal when the case of letters,
// dashes, underscores and dots are ignored. It returns false if there is none.
func known(key string) (string, bool) {
	plain := strings.NewReplacer("-", "", "_", "", ".", "").Replace(key)
	for _, k := range secretKeys {
		if strings.EqualFold(k, plain) {
			return k, true
		}
	}
	return "", false
}

// fault says why a Secret is not rendered with its current content. It holds no value of the
// Secret. The zero fault means that there is no fault.
type fault struct{ reason, text string }

// same reports whether f is reported already if other was. How many bytes are missing changes with
// every other Secret and is not reported again.
func (f fault) same(other fault) bool {
	return f == other || f.reason == reasonTooLarge && other.reason == reasonTooLarge
}

// Reasons of events.
const (
	reasonInvalid   = "InvalidClientService"
	reasonDuplicate = "DuplicateClientID"
	reasonTooLarge  = "TooLarge"
	reasonProvider  = "UnknownProvider"
	reasonAccepted  = "Accepted"
	reasonType      = "WrongSecretType"
)

// source is one Secret of a client service.
type source struct {
	object *corev1.Secret // from the cache; must not be changed
	client *clientservice.ClientService
	fault  fault // why client is nil
}

func (s *source) uid() types.UID { return s.object.UID }

// byAge orders Secrets, the older one first. The name decides between Secrets that were created in
// the same second.
func byAge(a, b *source) int {
	return cmp.Or(a.object.CreationTimestamp.Compare(b.object.CreationTimestamp.Time),
		strings.Compare(a.object.Name, b.object.Name))
}

// newSources reads Secrets and returns them with the oldest first. It skips Secrets that are being
// deleted. providers are the names of the configured providers; nil = not known.
func newSources(secrets []corev1.Secret, providers []string) []*source {
	sources := make([]*source, 0, len(secrets))
	for i := range secrets {
		if secrets[i].DeletionTimestamp.IsZero() {
			sources = append(sources, newSource(&secrets[i], providers))
		}
	}
	slices.SortFunc(sources, byAge)
	return sources
}

func newSource(object *corev1.Secret, providers []string) *source {
	client, fault := read(object.Data, providers)
	return &source{object: object, client: client, fault: fault}
}

// Check returns the fault of a Secret with these data, or an empty text. providers are the names of
// the configured providers; nil = not known. The text shows no value of the Secret.
func Check(data map[string][]byte, providers []string) string {
	_, fault := read(data, providers)
	return fault.text
}

// read returns the client service that data describes, or the fault of the data.
func read(data map[string][]byte, providers []string) (*clientservice.ClientService, fault) {
	client, err := parse(data)
	if err != nil {
		return nil, fault{reasonInvalid, kube.Note(describe(err))}
	}
	if providers != nil && client.Provider != "" && !slices.Contains(providers, client.Provider) {
		text := "config.provider: no provider of this name is configured; there is none"
		if len(providers) > 0 {
			text = "config.provider: no provider of this name is configured; there are " + strings.Join(providers, ", ")
		}
		return nil, fault{reasonProvider, kube.Note(text)}
	}
	return client, fault{}
}

// parse returns the client service that data describes. The error is the fault of the data.
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

// checkKeys refuses data without an id, and keys that differ from one of ours only in the case of
// letters, dashes, underscores or dots. It ignores other keys, because they belong to somebody
// else.
func checkKeys(data map[string][]byte) error {
	for _, key := range slices.Sorted(maps.Keys(data)) { // in order, so that the same fault gives the same text
		if meant, ok := known(key); ok && meant != key {
			return fmt.Errorf("%s: unknown key%s", key, suggest.Text(meant))
		}
	}
	if len(data[idKey]) == 0 {
		return errors.New("clientId: is missing or empty")
	}
	if !utf8.Valid(data[idKey]) {
		return errors.New("clientId: is not UTF-8")
	}
	return nil
}

// configError is a mistake in the value of the key config.
type configError struct{ error }

func (e configError) Unwrap() error { return e.error }

// describe returns the text of a fault. It names keys but no client service, because an id may be a
// secret that somebody put under the wrong key.
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

// fieldName returns the name of an entry's field in a Secret.
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
	return configKey + "." + field // validation of the whole client service found it
}

// entry is one client service in the rendered Secret.
type entry struct {
	client *clientservice.ClientService
	origin origin
	bytes  int // size in the rendered Secret
}

// origin identifies the Secret that an entry came from.
type origin struct {
	Name string    `json:"name"`
	UID  types.UID `json:"uid"`
}

// newEntry returns c as an entry. It measures the size with the same encoding that encode uses.
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

// entry returns the entry that the Secret describes, and false if the Secret is broken.
func (s *source) entry() (entry, bool) {
	if s.client == nil {
		return entry{}, false
	}
	e, err := newEntry(s.client, origin{s.object.Name, s.object.UID})
	return e, err == nil // newSource has validated the client
}
