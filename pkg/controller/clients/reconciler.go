package clients

import (
	"context"
	"fmt"
	"reflect"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/kube"
)

// awaitOwner is the time between look-ups of the StatefulSet that will own the rendered Secret.
// Controller and StatefulSet are installed at the same moment, so the StatefulSet may appear a
// little later.
const awaitOwner = 2 * time.Second

// reconciler renders all Secrets of client services into one. Its only request is the rendered
// Secret. It has one worker.
//
// A Role cannot restrict Secrets by type, so list and watch are allowed for the whole namespace.
// The cache asks for the one type only.
type reconciler struct {
	config    Config
	cached    client.Client // reads Secrets of client services and pods from the cache
	direct    client.Reader // reads the rendered Secret and its owner by name, without the cache
	debouncer debouncer
	reporter  reporter
	pods      refresher
	metrics   *metrics

	// last is what was rendered last. At the start it is nil and is read from the rendered Secret.
	// From then on only last counts, so that a manual change of the rendered Secret is undone.
	last entries
}

// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create,namespace=release
// +kubebuilder:rbac:groups="",resources=secrets,resourceNames=proxy-clients,verbs=update,namespace=release
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;patch,namespace=release
// +kubebuilder:rbac:groups=apps,resources=statefulsets,verbs=get,namespace=release
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch,namespace=release

// Reconcile reads all objects again, whatever has changed, and renders the Secret.
func (r *reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	if wait := r.debouncer.start(time.Now()); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	owner, err := r.owner(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	if owner == nil {
		log.FromContext(ctx).V(1).Info("waiting for the StatefulSet", "statefulset", r.config.StatefulSet)
		return ctrl.Result{RequeueAfter: awaitOwner}, nil
	}
	version, err := r.render(ctx, owner)
	if err != nil {
		return ctrl.Result{}, err
	}
	again, err := r.pods.refresh(ctx, owner.UID, version)
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: again}, nil
}

// owner returns the StatefulSet of the proxy. It returns nil if the StatefulSet does not exist or
// is being deleted, because the objects that it owns must not be created again then.
func (r *reconciler) owner(ctx context.Context) (*metav1.PartialObjectMetadata, error) {
	owner := &metav1.PartialObjectMetadata{}
	owner.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("StatefulSet"))
	err := r.direct.Get(ctx, client.ObjectKey{Namespace: r.config.Namespace, Name: r.config.StatefulSet}, owner)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read StatefulSet: %w", err)
	case owner.DeletionTimestamp != nil:
		return nil, nil
	}
	return owner, nil
}

// render updates the rendered Secret and returns its resourceVersion.
func (r *reconciler) render(ctx context.Context, owner *metav1.PartialObjectMetadata) (string, error) {
	logger := log.FromContext(ctx)
	current, err := r.read(ctx, r.config.RenderedSecret)
	if err != nil {
		return "", err
	}
	if r.last == nil {
		if r.last, err = decode(current.Data); err != nil {
			logger.Error(err, "the rendered Secret is damaged; its unreadable entries are lost for broken client Secrets")
		}
	}
	var secrets corev1.SecretList
	here := client.InNamespace(r.config.Namespace)
	if err := r.cached.List(ctx, &secrets, here, client.UnsafeDisableDeepCopy); err != nil {
		return "", fmt.Errorf("list Secrets of client services: %w", err)
	}
	sources := newSources(secrets.Items, r.config.Providers)
	p := newPlan(sources, r.last, maxEntriesBytes)
	r.reporter.report(sources, p.faults)
	key, err := r.tokenKey(ctx, owner, current)
	if err != nil {
		return "", err
	}
	data, err := encode(p.entries, key)
	if err != nil {
		return "", err
	}
	version, err := r.write(ctx, owner, current, data)
	if err != nil {
		return "", err
	}
	r.reporter.accept(sources, p, r.last)
	r.last = p.entries
	r.metrics.rendered(len(p.entries), data, p.faults)
	return version, nil
}

// read reads one of the Secrets that this controller writes. If it does not exist, the result has
// only namespace and name.
func (r *reconciler) read(ctx context.Context, name string) (*corev1.Secret, error) {
	key := client.ObjectKey{Namespace: r.config.Namespace, Name: name}
	secret := &corev1.Secret{}
	err := r.direct.Get(ctx, key, secret)
	if apierrors.IsNotFound(err) {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %s: %w", name, err)
	}
	return secret, nil
}

// write creates or updates the rendered Secret if it differs from data and owner, and returns its
// resourceVersion. A conflict is an error. The next attempt then reads the Secret again.
func (r *reconciler) write(
	ctx context.Context, owner client.Object, current *corev1.Secret, data map[string][]byte,
) (string, error) {
	owners := kube.OwnedBy(owner)
	if reflect.DeepEqual(current.Data, data) && reflect.DeepEqual(current.OwnerReferences, owners) && !rotates(current) {
		return current.ResourceVersion, nil
	}
	next := current.DeepCopy()
	next.Data, next.OwnerReferences = data, owners
	delete(next.Annotations, RotateAnnotation)
	if err := r.put(ctx, next); err != nil {
		return "", fmt.Errorf("write rendered Secret: %w", err)
	}
	r.metrics.writes.Inc()
	log.FromContext(ctx).Info("wrote the rendered Secret", "resourceVersion", next.ResourceVersion)
	return next.ResourceVersion, nil
}
