package clients

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// typeSet is a set of Secret types that somebody may use by mistake for a client service. The
// metadata of a Secret does not hold its type, so the API server selects the Secrets.
type typeSet struct {
	fields    fields.Selector
	looksLike func(keys []string) bool // by the keys of the Secret
	eventType string
	hint      string // the note of the event
}

func (s *typeSet) selector() client.ListOption {
	return client.MatchingFieldsSelector{Selector: s.fields}
}

const retype = "The type of a Secret cannot be changed: delete the Secret and create it again with that type"

// opaque is the type that a Secret has if nobody chose one. Many programs have such Secrets with
// similar keys, so that only exactly our keys look like a client service.
var opaque = typeSet{
	fields:    fields.OneTermEqualSelector("type", string(corev1.SecretTypeOpaque)),
	looksLike: hasExactlyOurKeys,
	eventType: corev1.EventTypeNormal,
	hint: "the Secret has the keys of a client service but the type Opaque, so that it is ignored. If it is meant as a " +
		"client service, its type must be " + string(SecretType) + ". " + retype,
}

// custom has all types but ours and those that Kubernetes and Helm define.
var custom = typeSet{
	fields:    fields.AndSelectors(otherTypes()...),
	looksLike: hasSimilarKeys,
	eventType: corev1.EventTypeWarning,
	hint: "the Secret has the keys of a client service, but its type is not " + string(SecretType) +
		", so that it is ignored. " + retype,
}

// otherTypes returns selectors that exclude our own type and types with a known meaning.
func otherTypes() (all []fields.Selector) {
	for _, t := range []corev1.SecretType{
		SecretType, corev1.SecretTypeOpaque, corev1.SecretTypeServiceAccountToken, corev1.SecretTypeDockercfg,
		corev1.SecretTypeDockerConfigJson, corev1.SecretTypeBasicAuth, corev1.SecretTypeSSHAuth, corev1.SecretTypeTLS,
		corev1.SecretTypeBootstrapToken, "helm.sh/release.v1",
	} {
		all = append(all, fields.OneTermNotEqualSelector("type", string(t)))
	}
	return all
}

// hasSimilarKeys reports whether keys contain id and secret of a client service, also if they are
// misspelled as in client_id.
func hasSimilarKeys(keys []string) bool {
	var meant []string
	for _, key := range keys {
		if k, ok := known(key); ok {
			meant = append(meant, k)
		}
	}
	return slices.Contains(meant, idKey) && slices.Contains(meant, secretKey)
}

// hasExactlyOurKeys reports whether keys contain id and secret of a client service, and no keys
// that a client service does not have.
func hasExactlyOurKeys(keys []string) bool {
	for _, key := range keys {
		if !slices.Contains(secretKeys[:], key) {
			return false
		}
	}
	return slices.Contains(keys, idKey) && slices.Contains(keys, secretKey)
}

// managedKeys returns the names of the keys of a Secret. The API server records in the metadata of
// every object which fields were set by whom, without their values. The result is empty if a client
// has removed these records.
func managedKeys(managed []metav1.ManagedFieldsEntry) []string {
	keys := make(map[string]bool)
	for i := range managed {
		if managed[i].FieldsV1 == nil {
			continue
		}
		var owned struct {
			Data       map[string]json.RawMessage `json:"f:data"`
			StringData map[string]json.RawMessage `json:"f:stringData"`
		}
		if json.Unmarshal(managed[i].FieldsV1.GetRawBytes(), &owned) != nil {
			continue // of a form that a later API server uses
		}
		for _, part := range []map[string]json.RawMessage{owned.Data, owned.StringData} {
			for field := range part {
				if key, ok := strings.CutPrefix(field, "f:"); ok {
					keys[key] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}
