package endpoints_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/endpoints"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

var server = testenv.Server{GatewayAPI: true}

func TestMain(m *testing.M) { os.Exit(server.Run(m)) }

const (
	ownerName     = "proxy"
	directoryName = "proxy-endpoints"
	restPort      = 8080
)

// world is a namespace with the proxy's StatefulSet and a controller that can be stopped and
// started. The test itself plays the StatefulSet controller, the kubelet and the cloud provider,
// because no other part of a cluster runs.
type world struct {
	t         *testing.T
	api       client.WithWatch
	namespace string
	config    endpoints.Config
	metrics   *prometheus.Registry
	stop      func()
}

// newWorld starts a controller for a StatefulSet with the given number of replicas. Its pods do not
// exist yet.
func newWorld(t *testing.T, c endpoints.Config, replicas int32) *world {
	w := emptyWorld(t, c)
	w.create(statefulSet(replicas))
	w.start()
	return w
}

// emptyWorld returns a world without a StatefulSet and without a controller.
func emptyWorld(t *testing.T, c endpoints.Config) *world {
	t.Helper()
	t.Parallel()
	w := &world{t: t, api: server.Client(t), namespace: server.Namespace(t), config: c}
	w.config.Namespace, w.config.StatefulSet, w.config.EndpointsConfigMap = w.namespace, ownerName, directoryName
	w.config.HeadlessService, w.config.RESTPort = "proxy-headless", "rest"
	return w
}

func (w *world) start() {
	w.t.Helper()
	skip := true
	objects := endpoints.Objects(w.config)
	objects[&corev1.Pod{}] = cache.ByObject{Namespaces: map[string]cache.Config{w.namespace: {}}}
	scheme, err := testenv.Scheme()
	if err != nil {
		w.t.Fatal(err)
	}
	mgr, err := ctrl.NewManager(server.Config(w.t), ctrl.Options{
		Scheme:     scheme,
		Logger:     logr.Discard(),
		Controller: config.Controller{SkipNameValidation: &skip},
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Cache:      cache.Options{DefaultNamespaces: map[string]cache.Config{w.namespace: {}}, ByObject: objects},
	})
	if err != nil {
		w.t.Fatalf("make manager: %v", err)
	}
	w.metrics = prometheus.NewRegistry()
	c := w.config
	c.Metrics = w.metrics
	if err := endpoints.Setup(mgr, c); err != nil {
		w.t.Fatalf("Setup: %v", err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("the manager ended with %v", err)
		}
	})
	w.t.Cleanup(w.stop)
}

// change stops the controller and starts it with another configuration, as a helm upgrade does. nil
// changes nothing.
func (w *world) change(change func(*endpoints.Config)) {
	w.t.Helper()
	w.stop()
	if change != nil {
		change(&w.config)
	}
	w.start()
}

func statefulSet(replicas int32) *appsv1.StatefulSet {
	labels := map[string]string{"app.kubernetes.io/name": "signstash-proxy", "app.kubernetes.io/instance": ownerName}
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: ownerName, Labels: labels},
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podSpec("")},
		},
	}
}

func podSpec(node string) corev1.PodSpec {
	return corev1.PodSpec{
		NodeName: node,
		Containers: []corev1.Container{{
			Name: "proxy", Image: "proxy", Ports: []corev1.ContainerPort{{Name: "rest", ContainerPort: restPort}},
		}},
	}
}

func (w *world) owner() *appsv1.StatefulSet {
	w.t.Helper()
	owner := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: ownerName}}
	w.get(owner)
	return owner
}

// scale sets the number of replicas. The test creates and removes the pods itself.
func (w *world) scale(replicas int32) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		owner := w.owner()
		owner.Spec.Replicas = &replicas
		return w.api.Update(w.t.Context(), owner)
	})
}

// pod creates the pod of an ordinal on a node, as the StatefulSet controller and the scheduler do.
func (w *world) pod(ordinal int, node string) *corev1.Pod {
	w.t.Helper()
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: podName(ordinal), OwnerReferences: w.ownedBy()},
		Spec:       podSpec(node),
	}
	w.create(p)
	return p
}

func (w *world) ownedBy() []metav1.OwnerReference {
	w.t.Helper()
	yes := true
	return []metav1.OwnerReference{
		{APIVersion: "apps/v1", Kind: "StatefulSet", Name: ownerName, UID: w.owner().UID, Controller: &yes},
	}
}

func podName(ordinal int) string { return fmt.Sprintf("%s-%d", ownerName, ordinal) }

// removePod deletes a pod at once, as kubectl delete --force does.
func (w *world) removePod(ordinal int) {
	w.t.Helper()
	w.remove(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: podName(ordinal)}}, client.GracePeriodSeconds(0))
}

// node creates a node with the given addresses: type, address, type, address. Its name contains
// that of the test, because nodes belong to no namespace.
func (w *world) node(addresses ...string) string {
	w.t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: w.namespace + "-"}}
	if err := w.api.Create(w.t.Context(), node); err != nil {
		w.t.Fatalf("create node: %v", err)
	}
	w.t.Cleanup(func() {
		// The node may be gone already.
		_ = w.api.Delete(context.Background(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node.Name}})
	})
	w.nodeAddresses(node.Name, addresses...)
	return node.Name
}

func (w *world) nodeAddresses(name string, addresses ...string) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		node := &corev1.Node{}
		if err := w.api.Get(w.t.Context(), types.NamespacedName{Name: name}, node); err != nil {
			return err
		}
		node.Status.Addresses = nil
		for i := 0; i < len(addresses); i += 2 {
			node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{
				Type: corev1.NodeAddressType(addresses[i]), Address: addresses[i+1],
			})
		}
		return w.api.Status().Update(w.t.Context(), node)
	})
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
	key := client.ObjectKey{Namespace: w.namespace, Name: object.GetName()}
	if err := w.api.Get(w.t.Context(), key, object); err != nil {
		w.t.Fatalf("get %s: %v", object.GetName(), err)
	}
}

func (w *world) remove(object client.Object, options ...client.DeleteOption) {
	w.t.Helper()
	object.SetNamespace(w.namespace)
	if err := w.api.Delete(w.t.Context(), object, options...); err != nil {
		w.t.Fatalf("delete %s: %v", object.GetName(), err)
	}
}

func (w *world) getPod(ordinal int) *corev1.Pod {
	w.t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: podName(ordinal)}}
	w.get(p)
	return p
}

// wantPublished waits until an instance is published at that address: in its annotation, by its
// gate and in the directory, each with the identity of the current pod.
func (w *world) wantPublished(ordinal int, host string, port int) affinity.Published {
	w.t.Helper()
	var own affinity.Published
	testenv.Eventually(w.t, func() (err error) {
		p := w.getPod(ordinal)
		if own, err = affinity.DecodePublished([]byte(p.Annotations[affinity.EndpointAnnotation])); err != nil {
			return err
		}
		if own.Host != host || own.Port != port || own.Instance != string(p.UID) || own.Ordinal != ordinal ||
			own.Name != p.Name {
			return fmt.Errorf("%s is published as %+v, want %s, port %d, and its UID %s", p.Name, own, host, port, p.UID)
		}
		if g := gate(p); g.Status != corev1.ConditionTrue || g.Reason != "EndpointPublished" {
			return fmt.Errorf("gate of %s is %+v, want true", p.Name, g)
		}
		d, err := w.directory()
		if err != nil {
			return err
		}
		for _, e := range d.Endpoints {
			if e == own {
				return nil
			}
		}
		return fmt.Errorf("directory %+v has no %+v", d, own)
	})
	return own
}

// wantClosed waits until an instance's readiness gate is false with that reason and message.
func (w *world) wantClosed(ordinal int, reason, message string) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		g := gate(w.getPod(ordinal))
		if g.Status != corev1.ConditionFalse || g.Reason != reason || g.Message != message {
			return fmt.Errorf("gate of %s is %s %s %q, want false %s %q", podName(ordinal), g.Status, g.Reason, g.Message,
				reason, message)
		}
		return nil
	})
}

func gate(p *corev1.Pod) corev1.PodCondition {
	for _, c := range p.Status.Conditions {
		if c.Type == affinity.EndpointCondition {
			return c
		}
	}
	return corev1.PodCondition{}
}

func (w *world) directory() (affinity.Directory, error) {
	m := &corev1.ConfigMap{}
	if err := w.api.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: directoryName}, m); err != nil {
		return affinity.Directory{}, err
	}
	return affinity.DecodeDirectory([]byte(m.Data[affinity.DirectoryKey]))
}

// wantDirectory waits until the directory states these numbers of instances and lists these
// ordinals.
func (w *world) wantDirectory(expected, ever int, ordinals ...int) affinity.Directory {
	w.t.Helper()
	var d affinity.Directory
	testenv.Eventually(w.t, func() (err error) {
		if d, err = w.directory(); err != nil {
			return err
		}
		var got []int
		for _, e := range d.Endpoints {
			got = append(got, e.Ordinal)
		}
		if d.Expected != expected || d.Ever != ever || fmt.Sprint(got) != fmt.Sprint(ordinals) {
			return fmt.Errorf("directory has expected %d, ever %d, ordinals %v; want %d, %d, %v", d.Expected, d.Ever, got,
				expected, ever, ordinals)
		}
		return nil
	})
	return d
}

// wantService waits for the Service of an instance.
func (w *world) wantService(ordinal int) *corev1.Service {
	w.t.Helper()
	s := &corev1.Service{}
	testenv.Eventually(w.t, func() error {
		return w.api.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: podName(ordinal)}, s)
	})
	return s
}

// wantServices waits until the namespace has exactly these Services.
func (w *world) wantServices(names ...string) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		var list corev1.ServiceList
		if err := w.api.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
			return err
		}
		var got []string
		for _, s := range list.Items {
			got = append(got, s.Name)
		}
		if fmt.Sprint(got) != fmt.Sprint(names) {
			return fmt.Errorf("Services are %v, want %v", got, names)
		}
		return nil
	})
}

// wantEvent waits for an event on an instance's pod.
func (w *world) wantEvent(ordinal int, kind, reason, note string) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		var list eventsv1.EventList
		if err := w.api.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
			return err
		}
		var seen []string
		for _, e := range list.Items {
			if e.Regarding.Kind == "Pod" && e.Regarding.Name == podName(ordinal) && e.Type == kind && e.Reason == reason &&
				e.Note == note {
				return nil
			}
			seen = append(seen, fmt.Sprintf("%s: %s %s %q", e.Regarding.Name, e.Type, e.Reason, e.Note))
		}
		return fmt.Errorf("events are %v, want %s %s %q on %s", seen, kind, reason, note, podName(ordinal))
	})
}

// settled waits until an instance has been touched for the second time. Then the controller has
// nothing left to do.
func (w *world) settled(ordinal int) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		m := &corev1.ConfigMap{}
		if err := w.api.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: directoryName}, m); err != nil {
			return err
		}
		if got := w.getPod(ordinal).Annotations[affinity.PeersAnnotation]; got != m.ResourceVersion+"+" {
			return fmt.Errorf("%s was touched for %q, want %q", podName(ordinal), got, m.ResourceVersion+"+")
		}
		return nil
	})
}

// versions returns the resourceVersions of all objects that the controller writes.
func (w *world) versions() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for _, list := range []client.ObjectList{&corev1.PodList{}, &corev1.ServiceList{}, &corev1.ConfigMapList{}} {
		if err := w.api.List(w.t.Context(), list, client.InNamespace(w.namespace)); err != nil {
			w.t.Fatal(err)
		}
		err := meta.EachListItem(list, func(o runtime.Object) error {
			object := o.(client.Object)
			all[fmt.Sprintf("%T %s", o, object.GetName())] = object.GetResourceVersion()
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return all
}

// look makes the controller reconcile and waits until it has. It creates a Service that the
// controller owns and does not want, and waits until it is removed.
func (w *world) look() {
	w.t.Helper()
	stray := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name: "proxy-900", Labels: map[string]string{"signstash.io/per-pod-service": "true"}, OwnerReferences: w.ownedBy(),
		},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 1}}},
	}
	w.create(stray)
	testenv.Eventually(w.t, func() error {
		err := w.api.Get(w.t.Context(), client.ObjectKeyFromObject(stray), stray)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, errors.New("the stray Service is still there"))
	})
}
