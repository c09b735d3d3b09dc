package clients_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/clients"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

var server testenv.Server

func TestMain(m *testing.M) { os.Exit(server.Run(m)) }

const (
	renderedName = "proxy-clients"
	copyName     = "proxy-token-key"
	ownerName    = "proxy"
)

// world is a namespace with the proxy's StatefulSet, and a controller that can be stopped and
// started.
type world struct {
	t         *testing.T
	api       client.WithWatch
	namespace string
	metrics   *prometheus.Registry
	stop      func()
	providers []string // names of the configured providers; nil = not known

	ownerReads atomic.Int64 // how often the controllers have requested the StatefulSet
}

// newWorld starts a controller in its own namespace.
func newWorld(t *testing.T) *world {
	w := emptyWorld(t)
	w.createOwner()
	w.start()
	return w
}

// emptyWorld returns a world without a StatefulSet and without a controller.
func emptyWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return &world{t: t, api: server.Client(t), namespace: server.Namespace(t)}
}

func (w *world) start() {
	w.t.Helper()
	skip, none := true, "0"
	config := server.Config(w.t)
	config.Wrap(w.countOwnerReads)
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Logger:     logr.Discard(),
		Controller: crconfig.Controller{SkipNameValidation: &skip},
		Metrics:    metricsserver.Options{BindAddress: none},
		Cache: cache.Options{
			DefaultNamespaces: map[string]cache.Config{w.namespace: {}},
			ByObject:          map[client.Object]cache.ByObject{&corev1.Secret{}: clients.Secrets(w.namespace)},
		},
	})
	if err != nil {
		w.t.Fatalf("make manager: %v", err)
	}
	w.metrics = prometheus.NewRegistry()
	err = clients.Setup(mgr, clients.Config{
		Namespace: w.namespace, StatefulSet: ownerName, RenderedSecret: renderedName, TokenKeySecret: copyName,
		Providers: w.providers, Metrics: w.metrics,
	})
	if err != nil {
		w.t.Fatalf("Setup: %v", err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stopped := false
	w.stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-done; err != nil {
			w.t.Errorf("the manager ended with %v", err)
		}
	}
	w.t.Cleanup(w.stop)
}

func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start()
}

func (w *world) createOwner() {
	w.t.Helper()
	labels := map[string]string{"app": ownerName}
	w.create(&appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: ownerName},
		Spec: appsv1.StatefulSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "proxy", Image: "proxy"}}},
			},
		},
	})
}

func (w *world) owner() *appsv1.StatefulSet {
	w.t.Helper()
	owner := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: ownerName}}
	w.get(owner)
	return owner
}

func (w *world) create(object client.Object) {
	w.t.Helper()
	object.SetNamespace(w.namespace)
	if err := w.api.Create(w.t.Context(), object); err != nil {
		w.t.Fatalf("create %s: %v", object.GetName(), err)
	}
}

func (w *world) get(object client.Object) {
	w.t.Helper()
	if err := w.api.Get(w.t.Context(), w.key(object.GetName()), object); err != nil {
		w.t.Fatalf("get %s: %v", object.GetName(), err)
	}
}

func (w *world) update(object client.Object) {
	w.t.Helper()
	if err := w.api.Update(w.t.Context(), object); err != nil {
		w.t.Fatalf("update %s: %v", object.GetName(), err)
	}
}

func (w *world) delete(name string) {
	w.t.Helper()
	w.deleteObject(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}})
}

func (w *world) deleteObject(object client.Object) {
	w.t.Helper()
	if err := w.api.Delete(w.t.Context(), object); err != nil {
		w.t.Fatalf("delete %s: %v", object.GetName(), err)
	}
}

func (w *world) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: w.namespace, Name: name}
}

// data is the content of a Secret.
type data map[string]string

func (d data) bytes() map[string][]byte {
	m := make(map[string][]byte, len(d))
	for k, v := range d {
		m[k] = []byte(v)
	}
	return m
}

// secret creates a Secret of a client service.
func (w *world) secret(name string, d data) {
	w.t.Helper()
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Type: clients.SecretType, Data: d.bytes()})
}

// replace replaces the content of a Secret.
func (w *world) replace(name string, d data) {
	w.t.Helper()
	w.patch(name, func(s *corev1.Secret) { s.Data = d.bytes() })
}

// patch changes a Secret.
func (w *world) patch(name string, change func(*corev1.Secret)) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error { // the controller may write at the same time
		s := &corev1.Secret{}
		if err := w.api.Get(w.t.Context(), w.key(name), s); err != nil {
			return err
		}
		change(s)
		return w.api.Update(w.t.Context(), s)
	})
}

// rendered reads the rendered Secret.
func (w *world) rendered() (*corev1.Secret, error) {
	s := &corev1.Secret{}
	return s, w.api.Get(w.t.Context(), w.key(renderedName), s)
}

// want waits until exactly the given client services are rendered, which are secrets by id, and
// returns the Secret.
func (w *world) want(secrets data) *corev1.Secret {
	w.t.Helper()
	var s *corev1.Secret
	testenv.Eventually(w.t, func() (err error) {
		if s, err = w.rendered(); err != nil {
			return err
		}
		services, err := clientservice.Decode(s.Data[clientservice.FileName])
		if err != nil {
			return err
		}
		got := data{}
		for c := range services.All() {
			got[c.ID] = c.Secret.Reveal()
		}
		if !maps.Equal(got, secrets) {
			return fmt.Errorf("rendered are %v, want %v", got, secrets)
		}
		return nil
	})
	return s
}

// stays creates a further client service, so that the controller reconciles, and checks that the
// others stay as they are.
func (w *world) stays(secrets data) *corev1.Secret {
	w.t.Helper()
	marker := fmt.Sprintf("marker-%d", len(w.secretNames()))
	w.secret(marker, data{"clientId": marker, "secret": "m"})
	with := maps.Clone(secrets)
	with[marker] = "m"
	w.want(with)
	w.delete(marker)
	return w.want(secrets)
}

func (w *world) secretNames() []string {
	w.t.Helper()
	var list corev1.SecretList
	if err := w.api.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatalf("list Secrets: %v", err)
	}
	var names []string
	for _, s := range list.Items {
		names = append(names, s.Name)
	}
	return names
}

// origins returns the provenance in the rendered Secret: the name and UID of the Secret, by client
// service id.
func origins(t *testing.T, s *corev1.Secret) map[string]struct {
	Name string
	UID  types.UID
} {
	t.Helper()
	var m map[string]struct {
		Name string
		UID  types.UID
	}
	if err := json.Unmarshal(s.Data["provenance.json"], &m); err != nil {
		t.Fatalf("provenance: %v", err)
	}
	return m
}

// events returns the events on a Secret, the oldest first.
func (w *world) events(name string) ([]eventsv1.Event, error) {
	var list, found eventsv1.EventList
	if err := w.api.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		return nil, err
	}
	for _, e := range list.Items {
		if e.Regarding.Kind == "Secret" && e.Regarding.Name == name {
			found.Items = append(found.Items, e)
		}
	}
	return found.Items, nil
}

// wantEvent waits for an event with that type, reason and note on a Secret.
func (w *world) wantEvent(name, kind, reason, note string) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		events, err := w.events(name)
		if err != nil {
			return err
		}
		var seen []string
		for _, e := range events {
			if e.Type == kind && e.Reason == reason && e.Note == note {
				return nil
			}
			seen = append(seen, fmt.Sprintf("%s %s %q", e.Type, e.Reason, e.Note))
		}
		return fmt.Errorf("events on %s are %v, want %s %s %q", name, seen, kind, reason, note)
	})
}

// wantWarning waits for a Warning event.
func (w *world) wantWarning(name, reason, note string) {
	w.t.Helper()
	w.wantEvent(name, corev1.EventTypeWarning, reason, note)
}

// told returns how often events on a Secret were reported, including repetitions.
func (w *world) told(name string) int {
	w.t.Helper()
	events, err := w.events(name)
	if err != nil {
		w.t.Fatalf("list events: %v", err)
	}
	sum := 0
	for _, e := range events {
		sum++
		if e.Series != nil {
			sum += int(e.Series.Count) - 1
		}
	}
	return sum
}

// gauge returns the sum of the values of a metric that have the given label value. An empty label
// value matches all.
func (w *world) gauge(name, label string) float64 {
	w.t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatalf("gather metrics: %v", err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label == "" || len(m.GetLabel()) > 0 && m.GetLabel()[0].GetValue() == label {
				sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return sum
}
