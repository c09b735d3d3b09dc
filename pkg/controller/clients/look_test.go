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

// owned is nil if the rendered Secret belongs to that owner alone.
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

// same is nil if the rendered Secret holds what it held before.
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

// newKey is nil if the rendered Secret holds a good token key that is not old.
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

// wantWrites checks how often this controller has written: the API server itself hides writes that
// change nothing.
func (w *world) wantWrites(want float64) {
	w.t.Helper()
	if got := w.gauge("signstash_controller_rendered_writes_total", ""); got != want {
		w.t.Errorf("the controller has written %v times, want %v", got, want)
	}
}

// looks makes the controller look at everything once for each name, and end all looks but the last:
// a broken Secret of that name causes an event and no write.
func (w *world) looks(names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.secret(name, data{"clientId": name})
		w.wantWarning(name, "InvalidClientService", "secret: is missing or empty")
	}
}

// countOwnerReads counts as ownerReads says.
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

// staysAway deletes the rendered Secret, if it is there, as Kubernetes does when the StatefulSet
// goes, and wants none after a look at everything. Each look begins with the StatefulSet, and there
// is one at a time: when a second one begins the first has ended.
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
