package clients

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	crsource "sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/kube"
)

// name is the name of the controller in logs, metrics and events.
const name = "signstash-clients"

// Config names the objects that are read and written. All fields except Metrics and Providers are
// required.
type Config struct {
	Namespace      string // of all objects below and of the Secrets of client services
	StatefulSet    string // of the proxy; it owns the rendered Secret, and its pods are touched after a write
	RenderedSecret string
	// TokenKeySecret keeps a copy of the key that signs tokens.
	TokenKeySecret string
	// Providers are the names of the configured providers. nil = not known; every name is then
	// accepted.
	Providers []string

	Metrics prometheus.Registerer // nil = none
}

// Secrets returns the cache options for Secrets: only those of client services in one namespace,
// and of each only the parts that are read here. Annotations are dropped too, because kubectl apply
// stores a copy of the whole Secret in one.
func Secrets(namespace string) cache.ByObject {
	return cache.ByObject{
		Namespaces: map[string]cache.Config{namespace: {}},
		Field:      fields.OneTermEqualSelector("type", string(SecretType)),
		Transform:  dropUnused,
	}
}

// dropUnused drops the parts of a Secret that this package does not read.
func dropUnused(object any) (any, error) {
	secret, ok := object.(*corev1.Secret)
	if !ok {
		return object, nil
	}
	secret.ManagedFields, secret.Annotations, secret.Labels = nil, nil, nil
	secret.OwnerReferences, secret.Finalizers = nil, nil
	for key := range secret.Data {
		if _, ok := known(key); !ok {
			delete(secret.Data, key)
		}
	}
	return secret, nil
}

// Setup adds the reconciler to a manager whose cache was configured with Secrets.
func Setup(mgr ctrl.Manager, config Config) error {
	queue := kube.NewEventQueue(mgr.GetEventRecorder(name))
	if err := mgr.Add(queue); err != nil {
		return fmt.Errorf("add the queue of events: %w", err)
	}
	if err := addLookalikes(mgr, config.Namespace, queue); err != nil {
		return err
	}
	r := &reconciler{
		config:   config,
		cached:   mgr.GetClient(),
		direct:   mgr.GetAPIReader(),
		reporter: reporter{events: queue},
		pods:     refresher{client: mgr.GetClient(), namespace: config.Namespace},
		metrics:  newMetrics(),
	}
	if err := r.metrics.register(config.Metrics); err != nil {
		return err
	}
	rendered, err := renderedCache(mgr, config)
	if err != nil {
		return err
	}
	err = ctrl.NewControllerManagedBy(mgr).
		Named(name).
		Watches(&corev1.Secret{}, r.handler()).
		WatchesRawSource(crsource.Kind[client.Object](rendered, metadata(), r.handler())).
		WatchesRawSource(crsource.Func(r.start)).
		WithOptions(controller.Options{RateLimiter: kube.RateLimiter()}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up reconciler of client Secrets: %w", err)
	}
	return nil
}

// addLookalikes adds the search for Secrets of a wrong type.
func addLookalikes(mgr ctrl.Manager, namespace string, recorder events.EventRecorder) error {
	c, err := client.NewWithWatch(mgr.GetConfig(), client.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
	})
	if err != nil {
		return fmt.Errorf("make client for metadata of Secrets: %w", err)
	}
	for _, set := range []typeSet{opaque, custom} {
		l := &lookalikes{client: c, namespace: namespace, types: set, events: recorder, hinted: make(map[types.UID]bool)}
		if err := mgr.Add(l); err != nil {
			return fmt.Errorf("add search for Secrets of a wrong type: %w", err)
		}
	}
	return nil
}

// renderedCache returns a cache of the metadata of the rendered Secret, so that the reconciler
// notices its changes.
func renderedCache(mgr ctrl.Manager, config Config) (cache.Cache, error) {
	c, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(),
		Scheme:     mgr.GetScheme(),
		Mapper:     mgr.GetRESTMapper(),
		ByObject: map[client.Object]cache.ByObject{metadata(): {
			Namespaces: map[string]cache.Config{config.Namespace: {}},
			Field:      fields.OneTermEqualSelector(metav1.ObjectNameField, config.RenderedSecret),
			Transform:  cache.TransformStripManagedFields(),
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("make cache of the rendered Secret: %w", err)
	}
	if err := mgr.Add(c); err != nil {
		return nil, fmt.Errorf("add cache of the rendered Secret: %w", err)
	}
	return c, nil
}

func metadata() client.Object {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return object
}

// queue is the work queue of the reconciler.
type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// start queues the first reconciliation. Without it nothing would be rendered while no Secret
// exists, because then no event comes.
func (r *reconciler) start(_ context.Context, q queue) error {
	r.changed(q)
	return nil
}

// handler maps every event of every Secret to the only request.
func (r *reconciler) handler() handler.EventHandler {
	return handler.Funcs{
		CreateFunc:  func(_ context.Context, _ event.CreateEvent, q queue) { r.changed(q) },
		UpdateFunc:  func(_ context.Context, _ event.UpdateEvent, q queue) { r.changed(q) },
		DeleteFunc:  func(_ context.Context, _ event.DeleteEvent, q queue) { r.changed(q) },
		GenericFunc: func(_ context.Context, _ event.GenericEvent, q queue) { r.changed(q) },
	}
}

// changed queues the request for the time when the series of changes may have ended. Several
// changes until then cause one reconciliation.
func (r *reconciler) changed(q queue) {
	r.debouncer.changed(time.Now())
	q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKey{
		Namespace: r.config.Namespace, Name: r.config.RenderedSecret,
	}}, quietTime)
}
