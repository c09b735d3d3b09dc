package clients_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/clients"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

const (
	wrongType = "the Secret has the keys of a client service, but its type is not signstash.io/client-service, so that " +
		"it is ignored. The type of a Secret cannot be changed: delete the Secret and create it again with that type"
	opaqueType = "the Secret has the keys of a client service but the type Opaque, so that it is ignored. If it is " +
		"meant as a client service, its type must be signstash.io/client-service. The type of a Secret cannot be " +
		"changed: delete the Secret and create it again with that type"
)

// TestWrongType checks that a Secret with the keys of a client service and another type gets one
// event, whether it exists before the controller starts or is created later.
func TestWrongType(t *testing.T) {
	w := emptyWorld(t)
	w.createOwner()
	w.typed("early", "signstash.io/client-sevice", data{"clientId": "a", "secret": "value-of-a"})
	w.typed("early-opaque", corev1.SecretTypeOpaque, data{"clientId": "a", "secret": "value-of-a"})
	w.start()
	w.wantWarning("early", "WrongSecretType", wrongType)
	w.wantEvent("early-opaque", corev1.EventTypeNormal, "WrongSecretType", opaqueType)
	w.typed("misspelled", "signstash.io/ClientService", data{"client_ID": "b", "secret": "s", "note": "x"})
	w.wantWarning("misspelled", "WrongSecretType", wrongType)
	w.typed("filled-later", corev1.SecretTypeOpaque, data{"clientId": "c"})
	w.replace("filled-later", data{"clientId": "c", "secret": "s", "config": "{}", "previousSecret": "p"})
	w.wantEvent("filled-later", corev1.EventTypeNormal, "WrongSecretType", opaqueType)
	// Changes that leave the mistake are not reported again.
	w.patch("early", func(s *corev1.Secret) { s.Data["secret"] = []byte("other") })
	w.typed("last", "signstash.io/client-sevice", data{"clientId": "d", "secret": "s"})
	w.wantWarning("last", "WrongSecretType", wrongType)
	if n := w.told("early"); n != 1 {
		t.Errorf("%d events on the Secret, want 1", n)
	}
}

// typed creates a Secret of a type.
func (w *world) typed(name string, kind corev1.SecretType, d data) {
	w.t.Helper()
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Type: kind, Data: d.bytes()})
}

// recorder records the names of Secrets that events were written on.
type recorder struct {
	mu    sync.Mutex
	names []string
}

func (r *recorder) Eventf(on, _ kruntime.Object, _, reason, _, _ string, _ ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = append(r.names, on.(client.Object).GetName()+" "+reason)
}

func (r *recorder) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.names, ", ")
}

// TestOtherSecrets checks that no event is written on Secrets that are not meant for the
// controller, or whose keys are not known because a writer made the API server forget them. A last
// Secret shows that all were looked at.
func TestOtherSecrets(t *testing.T) {
	for _, set := range []struct {
		name, last string
		others     map[string]*corev1.Secret
	}{
		{name: "opaque", last: "Opaque", others: map[string]*corev1.Secret{
			"other-keys":     {Data: data{"clientId": "a", "secret": "b", "tenant": "c"}.bytes()},
			"similar-keys":   {Data: data{"client-id": "a", "secret": "b"}.bytes()},
			"only-id":        {Data: data{"clientId": "a"}.bytes()},
			"no-keys":        {},
			"client-service": {Type: clients.SecretType, Data: data{"clientId": "a", "secret": "b"}.bytes()},
			"unmanaged":      {Data: data{"clientId": "a", "secret": "b"}.bytes()},
		}},
		{name: "custom", last: "signstash.io/client-sevice", others: map[string]*corev1.Secret{
			"other-keys":   {Type: "example.org/oauth", Data: data{"clientId": "a", "clientSecret": "b"}.bytes()},
			"no-keys":      {Type: "example.org/oauth"},
			"helm-release": {Type: "helm.sh/release.v1", Data: data{"clientId": "a", "secret": "b"}.bytes()},
			"unmanaged":    {Type: "signstash.io/client-sevice", Data: data{"clientId": "a", "secret": "b"}.bytes()},
		}},
	} {
		t.Run(set.name, func(t *testing.T) {
			w := emptyWorld(t)
			for name, s := range set.others {
				s.Name = name
				w.create(s)
				if name == "unmanaged" {
					w.patch(name, func(s *corev1.Secret) { s.ManagedFields = []metav1.ManagedFieldsEntry{{}} })
				}
			}
			var got recorder
			defer w.look(w.api, set.name, &got)()
			for name := range set.others {
				w.patch(name, func(s *corev1.Secret) { s.Labels = map[string]string{"seen": "again"} })
			}
			w.typed("last", corev1.SecretType(set.last), data{"clientId": "a", "secret": "b"})
			testenv.Eventually(t, func() error {
				if all := got.all(); all != "last WrongSecretType" {
					return fmt.Errorf("events are %q, want one on the last Secret", all)
				}
				return nil
			})
		})
	}
}

// TestManySecrets checks that all Secrets are looked at, and that no answer of the API server holds
// more than a bounded number of them.
func TestManySecrets(t *testing.T) {
	w := emptyWorld(t)
	const many = 60
	for n := range many {
		w.typed(fmt.Sprintf("secret-%d", n), "signstash.io/client-sevice", data{"clientId": "a", "secret": "b"})
	}
	var got recorder
	pages := &pages{WithWatch: w.api}
	defer w.look(pages, "custom", &got)()
	testenv.Eventually(t, func() error {
		if n := strings.Count(got.all(), "WrongSecretType"); n != many {
			return fmt.Errorf("%d events, want %d", n, many)
		}
		return nil
	})
	if largest := pages.largest.Load(); largest > 50 {
		t.Errorf("an answer held %d Secrets, want at most 50", largest)
	}
}

// pages records the largest number of objects in one answer.
type pages struct {
	client.WithWatch

	largest atomic.Int64
}

func (p *pages) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	err := p.WithWatch.List(ctx, list, options...)
	p.largest.Store(max(p.largest.Load(), int64(len(list.(*metav1.PartialObjectMetadataList).Items))))
	return err
}

// look starts the search in one set of types.
func (w *world) look(api client.WithWatch, set string, got *recorder) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- clients.Look(ctx, api, w.namespace, set, got) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Start ended with %v", err)
		}
	}
}
