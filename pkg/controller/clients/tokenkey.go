package clients

import (
	"context"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/kube"
	"github.com/signstash-proxy/signstash-proxy/pkg/tokenkey"
)

// RotateAnnotation on the rendered Secret, with any value, asks for a new token key. The controller
// removes it together with the write of the new key.
const RotateAnnotation = "signstash.io/rotate-token-key"

// +kubebuilder:rbac:groups="",resources=secrets,resourceNames=proxy-token-key,verbs=update,namespace=release

// tokenKey returns the key that signs tokens. A Secret of its own keeps a copy, so that a deleted
// or changed rendered Secret gets the same key again. The copy takes precedence. A new key is made
// only on request, or if there is none in either Secret. It is in the copy before it is rendered.
// If the controller ends in between, the request is still there, and the next controller makes
// another key that no instance has seen.
func (r *reconciler) tokenKey(ctx context.Context, owner client.Object, current *corev1.Secret) ([]byte, error) {
	kept, err := r.read(ctx, r.config.TokenKeySecret)
	if err != nil {
		return nil, err
	}
	key := usableKey(kept.Data[tokenkey.FileName], current.Data[tokenkey.FileName])
	if key == nil || rotates(current) {
		log.FromContext(ctx).Info("made a token signing key; " +
			"running instances accept tokens of the previous key until they expire")
		key = tokenkey.New()
	}
	data, owners := map[string][]byte{tokenkey.FileName: key}, kube.OwnedBy(owner)
	if reflect.DeepEqual(kept.Data, data) && reflect.DeepEqual(kept.OwnerReferences, owners) {
		return key, nil
	}
	kept.Data, kept.OwnerReferences = data, owners
	if err := r.put(ctx, kept); err != nil {
		return nil, fmt.Errorf("write copy of the token key: %w", err)
	}
	return key, nil
}

// usableKey returns the first of the contents that is a valid key, or nil.
func usableKey(contents ...[]byte) []byte {
	for _, content := range contents {
		if _, err := tokenkey.Parse(content); err == nil {
			return content
		}
	}
	return nil
}

// rotates reports whether somebody has asked for a new token key.
func rotates(rendered *corev1.Secret) bool {
	_, asked := rendered.Annotations[RotateAnnotation]
	return asked
}

// put creates or updates a Secret.
func (r *reconciler) put(ctx context.Context, s *corev1.Secret) error {
	if s.ResourceVersion != "" {
		return r.cached.Update(ctx, s)
	}
	s.Type = corev1.SecretTypeOpaque
	return r.cached.Create(ctx, s)
}
