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
	// provenanceKey is the key of the rendered Secret that holds the origin of each entry as JSON, by
	// client service id.
	provenanceKey = "provenance.json"
	// maxContentBytes is the size limit of a Secret. Only the values count (corev1.MaxSecretSize).
	maxContentBytes = 1 << 20
	// maxEntriesBytes bounds the entries. It leaves room for the token key and for the brackets around
	// the entries.
	maxEntriesBytes = maxContentBytes - tokenkey.MaxBytes - 64
)

// entries holds the client services of the rendered Secret, by id.
type entries map[string]entry

// bySecret returns the entries by the UID of the Secret that they came from. Each Secret has one
// entry.
func (e entries) bySecret() map[types.UID]entry {
	m := make(map[types.UID]entry, len(e))
	for _, one := range e {
		m[one.origin.UID] = one
	}
	return m
}

// bytes returns an upper bound of the size of the entries in the rendered Secret.
func (e entries) bytes() int {
	sum := 0
	for _, one := range e {
		sum += one.bytes
	}
	return sum
}

// encode returns the data of the rendered Secret. The same entries and key give the same bytes.
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

// decode returns the entries of a rendered Secret. It skips an entry without an origin, because the
// controller did not write it. It returns no entries if there is no data. It decodes each entry on
// its own, so that an entry that a stricter release refuses does not affect the others. The error
// describes the lost entries. The returned entries are good even if there is an error.
func decode(data map[string][]byte) (entries, error) {
	result := entries{}
	if len(data[clientservice.FileName]) == 0 {
		return result, nil
	}
	var services map[string]json.RawMessage
	if json.Unmarshal(data[clientservice.FileName], &services) != nil { // the error's own text may quote a secret
		return result, errors.New("decode rendered client services: want a JSON object")
	}
	var origins map[string]origin
	err := json.Unmarshal(data[provenanceKey], &origins) // a value of a wrong type does not prevent decoding the others
	if err != nil {
		err = fmt.Errorf("decode provenance: %w", err)
	}
	lost := 0
	for _, id := range slices.Sorted(maps.Keys(services)) { // in order, so that the same fault gives the same text
		o, ok := origins[id]
		if !ok || o.UID == "" {
			continue
		}
		one, fault := decodeEntry(id, services[id], o)
		if fault == nil {
			result[id] = one
			continue
		}
		if lost++; lost == 1 { // one example is enough
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
