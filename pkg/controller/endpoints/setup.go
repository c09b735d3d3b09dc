package endpoints

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/kube"
)

// name is the name of the controller in logs, metrics and events.
const name = "signstash-endpoints"

// Objects returns the cache options that Setup needs in addition to the pods of the proxy: two
// objects by name, and all Services of the namespace, because a Service that is not ours may have
// the name of a per-pod Service. Kinds of routes are not among them, because the API server may not
// know them yet. The default namespaces of the cache must be that of the release.
func Objects(c Config) map[client.Object]cache.ByObject {
	own := map[string]cache.Config{c.Namespace: {}}
	named := func(name string) cache.ByObject {
		return cache.ByObject{Namespaces: own, Field: fields.OneTermEqualSelector(metav1.ObjectNameField, name)}
	}
	objects := map[client.Object]cache.ByObject{
		&appsv1.StatefulSet{}: named(c.StatefulSet),
		&corev1.ConfigMap{}:   named(c.EndpointsConfigMap),
		&corev1.Service{}:     {Namespaces: own},
	}
	if c.Mode == NodePort {
		objects[&corev1.Node{}] = cache.ByObject{Transform: dropUnused}
	}
	return objects
}

// dropUnused drops the parts of a node that this package does not read, because large clusters have
// many nodes.
func dropUnused(object any) (any, error) {
	if node, ok := object.(*corev1.Node); ok {
		node.ManagedFields, node.Annotations, node.Labels, node.Spec = nil, nil, nil, corev1.NodeSpec{}
		node.Status = corev1.NodeStatus{Addresses: node.Status.Addresses}
	}
	return object, nil
}

// addressesChanged reports whether the addresses of a node have changed. Other updates are ignored,
// because kubelets write the status of a node every few seconds.
func addressesChanged(e event.UpdateEvent) bool {
	before, ok1 := e.ObjectOld.(*corev1.Node)
	now, ok2 := e.ObjectNew.(*corev1.Node)
	return !ok1 || !ok2 || !slices.Equal(before.Status.Addresses, now.Status.Addresses)
}

// Setup adds the reconciler to a manager whose cache holds the proxy's pods and was configured with
// Objects.
func Setup(mgr ctrl.Manager, c Config) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("set up endpoints: %w", err)
	}
	recorder := mgr.GetEventRecorder(name)
	r := &reconciler{
		config: c, client: mgr.GetClient(), reader: mgr.GetAPIReader(), events: recorder, metrics: newMetrics(),
		volumes: newVolumes(mgr.GetAPIReader(), c.Namespace, recorder), undated: undated{now: time.Now},
	}
	if err := r.metrics.register(c.Metrics, r.volumes.lost); err != nil {
		return fmt.Errorf("register metrics of endpoints: %w", err)
	}
	// Every change of any object queues the one StatefulSet.
	one := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: c.Namespace, Name: c.StatefulSet}}}
	})
	b := ctrl.NewControllerManagedBy(mgr).Named(name).
		Watches(&appsv1.StatefulSet{}, one).
		Watches(&corev1.Pod{}, one).
		Watches(&corev1.Service{}, one).
		Watches(&corev1.ConfigMap{}, one).
		WithOptions(controller.Options{RateLimiter: kube.RateLimiter()})
	if c.Mode == NodePort {
		b = b.Watches(&corev1.Node{}, one, builder.WithPredicates(predicate.Funcs{UpdateFunc: addressesChanged}))
	}
	built, err := b.Build(r)
	if err != nil {
		return fmt.Errorf("set up reconciler of endpoints: %w", err)
	}
	r.watches = &routeWatches{
		mapper: mgr.GetRESTMapper(), started: make(map[string]bool), missing: make(map[string]bool),
		watch: func(object client.Object) error {
			return built.Watch(source.Kind(mgr.GetCache(), object, one))
		},
	}
	return nil
}
