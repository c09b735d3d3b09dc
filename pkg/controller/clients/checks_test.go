package clients_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
	"github.com/signstash-proxy/signstash-proxy/pkg/tokenkey"
)

var errSameSecond = errors.New("the clock stands in the same second")

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

// owned returns nil if the rendered Secret belongs to that owner alone.
func (w *world) owned(owner types.UID) error {
	s, err := w.rendered()
	if err != nil {
		return err
	}
	if len(s.OwnerReferences) != 1 || s.OwnerReferences[0].UID != owner {
		return fmt.Errorf("the owners are %v", s.OwnerReferences)
	}
	return nil
}

// same returns nil if the content of the rendered Secret is the same as before.
func (w *world) same(before *corev1.Secret) error {
	s, err := w.rendered()
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(s.Data, before.Data) {
		return errors.New("the rendered Secret has other content than before")
	}
	return nil
}

// newKey returns nil if the rendered Secret holds a valid token key that differs from old.
func (w *world) newKey(old []byte) error {
	s, err := w.rendered()
	if err != nil {
		return err
	}
	key, err := tokenkey.Parse(s.Data[tokenkey.FileName])
	if err != nil {
		return err
	}
	if bytes.Equal(key, bytes.TrimSpace(old)) {
		return errors.New("the token key is still the old one")
	}
	return nil
}

// wantWrites checks how often this controller has written. It uses the metric, because the API
// server hides writes that change nothing.
func (w *world) wantWrites(want float64) {
	w.t.Helper()
	if got := w.gauge("signstash_controller_rendered_writes_total", ""); got != want {
		w.t.Errorf("the controller has written %v times, want %v", got, want)
	}
}

// looks makes the controller reconcile once for each name, and waits until all but the last
// reconciliation have ended. Each name is that of a new broken Secret, which causes an event and no
// write.
func (w *world) looks(names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.secret(name, data{"clientId": name})
		w.wantWarning(name, "InvalidClientService", "secret: is missing or empty")
	}
}

// countOwnerReads counts the requests for the StatefulSet in ownerReads.
func (w *world) countOwnerReads(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/statefulsets/"+ownerName) {
			w.ownerReads.Add(1)
		}
		return next.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// staysAway deletes the rendered Secret, as Kubernetes does after the StatefulSet is deleted, and
// checks that a reconciliation does not create it again. Each reconciliation starts by reading the
// StatefulSet, and only one runs at a time. So when the second one starts, the first one has ended.
func (w *world) staysAway() {
	w.t.Helper()
	if _, err := w.rendered(); err == nil {
		w.delete(renderedName)
	}
	before := w.ownerReads.Load()
	testenv.Eventually(w.t, func() error {
		if w.ownerReads.Load() < before+2 {
			return errors.New("the controller does not look")
		}
		return nil
	})
	if s, err := w.rendered(); !apierrors.IsNotFound(err) {
		w.t.Errorf("the rendered Secret is back, of %v, %v", s.OwnerReferences, err)
	}
}

// eventuallyTold waits until that many events on a Secret were reported.
func (w *world) eventuallyTold(name string, want int) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		if got := w.told(name); got != want {
			return fmt.Errorf("%d events on %s were told, want %d", got, name, want)
		}
		return nil
	})
}
