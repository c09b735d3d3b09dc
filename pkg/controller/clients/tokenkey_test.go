package clients_test

import (
	"bytes"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/clients"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
	"github.com/signstash-proxy/signstash-proxy/pkg/tokenkey"
)

// wantKey waits until the rendered Secret and the copy hold that token key.
func (w *world) wantKey(want []byte) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		for _, name := range []string{renderedName, copyName} {
			s := &corev1.Secret{}
			if err := w.api.Get(w.t.Context(), w.key(name), s); err != nil {
				return err
			}
			if !bytes.Equal(s.Data[tokenkey.FileName], want) || len(s.OwnerReferences) != 1 {
				return fmt.Errorf("%s holds another token key, or belongs to %v", name, s.OwnerReferences)
			}
		}
		return nil
	})
}

// TestTokenKey checks that the token key is made once for each release. It survives a restart of
// the controller, and the loss or damage of either Secret that holds it.
func TestTokenKey(t *testing.T) {
	w := newWorld(t)
	key := w.want(data{}).Data[tokenkey.FileName]
	if _, err := tokenkey.Parse(key); err != nil {
		t.Fatalf("the token key: %v", err)
	}
	w.wantKey(key)
	w.delete(renderedName)
	w.wantKey(key)
	w.patch(renderedName, func(s *corev1.Secret) { s.Data[tokenkey.FileName] = []byte("short") })
	w.wantKey(key)
	w.patch(renderedName, func(s *corev1.Secret) { s.Data[tokenkey.FileName] = tokenkey.New() })
	w.wantKey(key)
	w.delete(copyName)
	w.restart()
	w.wantKey(key)
	w.patch(copyName, func(s *corev1.Secret) { s.Data = nil })
	w.restart()
	w.wantKey(key)
}

// TestRotateTokenKey checks that an annotation on the rendered Secret makes a new token key once.
func TestRotateTokenKey(t *testing.T) {
	w := newWorld(t)
	old := w.want(data{}).Data[tokenkey.FileName]
	w.wantKey(old)
	w.patch(renderedName, func(s *corev1.Secret) { s.Annotations = map[string]string{clients.RotateAnnotation: ""} })
	testenv.Eventually(t, func() error { return w.newKey(old) })
	s := w.want(data{})
	if _, asked := s.Annotations[clients.RotateAnnotation]; asked {
		t.Error("the annotation is still there")
	}
	w.wantKey(s.Data[tokenkey.FileName])
	if now := w.stays(data{}); !bytes.Equal(now.Data[tokenkey.FileName], s.Data[tokenkey.FileName]) {
		t.Error("the token key was made twice")
	}
	w.delete(renderedName)
	w.wantKey(s.Data[tokenkey.FileName])
}
