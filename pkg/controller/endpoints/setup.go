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
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// name of the controller, in logs, metrics and events.
const name = "signstash-endpoints"

// Objects is what the manager's cache may hold for Setup, beside the pods of the proxy: two objects
// by name and the namespace's Services, of which one that is not ours may be in the way.
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
		objects[&corev1.Node{}] = cache.ByObject{Transform: slimNode}
	}
	return objects
}

// slimNode drops from a node what nobody here reads: kubelets write there every few seconds, and
// large clusters have many.
func slimNode(object any) (any, error) {
	if node, ok := object.(*corev1.Node); ok {
		node.ManagedFields, node.Annotations, node.Labels, node.Spec = nil, nil, nil, corev1.NodeSpec{}
		node.Status = corev1.NodeStatus{Addresses: node.Status.Addresses}
	}
	return object, nil
}

// Times after which a look that failed is tried again. What fails for one pod must not keep the
// address of another one waiting for the quarter of an hour that the default comes to.
const (
	firstRetry = 5 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// moved says whether a node has other addresses than before: kubelets write a node's status every
// few seconds.
func moved(e event.UpdateEvent) bool {
	before, ok1 := e.ObjectOld.(*corev1.Node)
	now, ok2 := e.ObjectNew.(*corev1.Node)
	return !ok1 || !ok2 || !slices.Equal(before.Status.Addresses, now.Status.Addresses)
}

// Setup adds the reconciler to a manager whose cache holds the proxy's pods and what Objects says.
func Setup(mgr ctrl.Manager, c Config) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("set up endpoints: %w", err)
	}
	r := &reconciler{config: c, client: mgr.GetClient(), events: mgr.GetEventRecorder(name), metrics: newMetrics()}
	if err := r.metrics.register(c.Metrics); err != nil {
		return fmt.Errorf("register metrics of endpoints: %w", err)
	}
	// Whatever changes leads to the one StatefulSet.
	one := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: c.Namespace, Name: c.StatefulSet}}}
	})
	b := ctrl.NewControllerManagedBy(mgr).Named(name).
		Watches(&appsv1.StatefulSet{}, one).
		Watches(&corev1.Pod{}, one).
		Watches(&corev1.Service{}, one).
		Watches(&corev1.ConfigMap{}, one).
		WithOptions(controller.Options{RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
			firstRetry, lastRetry,
		)})
	if c.Mode == NodePort {
		b = b.Watches(&corev1.Node{}, one, builder.WithPredicates(predicate.Funcs{UpdateFunc: moved}))
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("set up reconciler of endpoints: %w", err)
	}
	return nil
}
