package clients

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/tokenkey"
)

const (
	// provenanceKey of the rendered Secret holds the origin of each entry, by client service id, as
	// JSON.
	provenanceKey = "provenance.json"
	// maxContentBytes is what a Secret may hold (corev1.MaxSecretSize counts the values alone).
	maxContentBytes = 1 << 20
	// maxEntriesBytes leaves room for the token key and for the brackets around the entries.
	maxEntriesBytes = maxContentBytes - tokenkey.MaxBytes - 64
)

// entries are the client services in the rendered Secret, by their id.
type entries map[string]entry

// bySecret returns the entries by the Secret they came from; it is one each.
func (e entries) bySecret() map[types.UID]entry {
	m := make(map[types.UID]entry, len(e))
	for _, one := range e {
		m[one.origin.UID] = one
	}
	return m
}

// bytes is an upper bound of what the entries take in the rendered Secret.
func (e entries) bytes() int {
	sum := 0
	for _, one := range e {
		sum += one.bytes
	}
	return sum
}

// encode returns the data of the rendered Secret: the same bytes for the same entries and key.
func encode(e entries, key []byte) (map[string][]byte, error) {
	list := make([]clientservice.ClientService, 0, len(e))
	origins := make(map[string]origin, len(e))
	for id, one := range e {
		list = append(list, *one.client)
		origins[id] = one.origin
	}
	services, err := clientservice.NewServices(list...)
	if err != nil {
		return nil, fmt.Errorf("encode client services: %w", err)
	}
	config, err := clientservice.Encode(services)
	if err != nil {
		return nil, err
	}
	provenance, err := json.Marshal(origins)
	if err != nil {
		return nil, fmt.Errorf("encode provenance: %w", err)
	}
	return map[string][]byte{clientservice.FileName: config, provenanceKey: provenance, tokenkey.FileName: key}, nil
}

// decode returns the entries of a rendered Secret. What has no origin is not from here and left
// out. Without data there are none. Each entry is read on its own: one that a stricter release
// refuses does not lose the others. The error tells of what was lost; the entries beside it are
// good.
func decode(data map[string][]byte) (entries, error) {
	result := entries{}
	if len(data[clientservice.FileName]) == 0 {
		return result, nil
	}
	var services map[string]json.RawMessage
	if json.Unmarshal(data[clientservice.FileName], &services) != nil { // its own words may quote a secret
		return result, errors.New("decode rendered client services: want a JSON object")
	}
	var origins map[string]origin
	err := json.Unmarshal(data[provenanceKey], &origins) // of the wrong type is one value alone
	if err != nil {
		err = fmt.Errorf("decode provenance: %w", err)
	}
	lost := 0
	for _, id := range slices.Sorted(maps.Keys(services)) { // in order, so that the same fault has the same words
		o, ok := origins[id]
		if !ok || o.UID == "" {
			continue
		}
		one, fault := decodeEntry(id, services[id], o)
		if fault == nil {
			result[id] = one
			continue
		}
		if lost++; lost == 1 { // one is enough to see what is wrong
			err = errors.Join(err, fault)
		}
	}
	if lost > 1 {
		err = errors.Join(err, fmt.Errorf("and %d more", lost-1))
	}
	return result, err
}

func decodeEntry(id string, config json.RawMessage, o origin) (entry, error) {
	file, err := json.Marshal(map[string]json.RawMessage{id: config})
	if err != nil {
		return entry{}, fmt.Errorf("decode rendered client service: %w", err)
	}
	services, err := clientservice.Decode(file)
	if err != nil {
		return entry{}, fmt.Errorf("decode rendered client service: %w", err)
	}
	return newEntry(services.Lookup(id), o)
}
