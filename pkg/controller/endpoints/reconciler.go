package endpoints

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// reconciler publishes the endpoints of all pods of one StatefulSet. It has one worker. It needs no
// state of earlier runs, except that a directory that is lost meanwhile can be restored from it.
type reconciler struct {
	config  Config
	client  client.Client
	reader  client.Reader // without a cache
	events  events.EventRecorder
	metrics *metrics
	volumes *volumes
	watches *routeWatches
	undated undated

	written affinity.Directory // the last version of the directory that is known to be stored
	version string             // resourceVersion of the directory that the pods were touched for
	touched time.Time          // when they were first touched for version
}

// instance is a pod with its ordinal and its address.
type instance struct {
	*corev1.Pod
	ordinal int
	address address
}

// +kubebuilder:rbac:groups=apps,resources=statefulsets,verbs=get;list;watch,namespace=release
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;patch,namespace=release
// +kubebuilder:rbac:groups="",resources=pods/status,verbs=patch,namespace=release
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;update;delete,namespace=release
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create,namespace=release
// +kubebuilder:rbac:groups="",resources=configmaps,resourceNames=proxy-endpoints,verbs=update,namespace=release
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch,namespace=release
// Only in mode NodePort, and for the whole cluster:
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch

// Reconcile reads all objects again, whatever has changed, and publishes all endpoints.
func (r *reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	owner := &appsv1.StatefulSet{}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: r.config.Namespace, Name: r.config.StatefulSet}, owner)
	if apierrors.IsNotFound(err) || err == nil && owner.DeletionTimestamp != nil {
		return ctrl.Result{}, nil // Kubernetes deletes the objects that it owns
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("read StatefulSet: %w", err)
	}
	instances, err := r.instances(ctx, owner)
	if err != nil {
		return ctrl.Result{}, err
	}
	w, err := r.services(ctx, owner, instances)
	if err != nil {
		return ctrl.Result{}, err
	}
	look := r.routes(ctx, owner, instances, &w)
	w.node = func(name string) *corev1.Node { return r.node(ctx, name) }
	for i := range instances {
		instances[i].address = r.config.addressOf(instances[i].Pod, instances[i].ordinal, w)
	}
	r.metrics.observe(replicas(owner), instances)
	// The directory comes first, then each pod's own endpoint, and its readiness last, so that no pod
	// takes work before it knows its address.
	version, err := r.directory(ctx, owner, instances)
	if err != nil {
		return ctrl.Result{}, errors.Join(w.joined(), err)
	}
	failed := []error{w.joined()}
	for _, i := range instances {
		failed = append(failed, r.publish(ctx, i))
	}
	again, err := r.touch(ctx, instances, version)
	if err := errors.Join(append(failed, err)...); err != nil {
		return ctrl.Result{}, err // the retry touches the pods again if they still need it
	}
	if again == 0 || look > 0 && look < again {
		again = look
	}
	return ctrl.Result{RequeueAfter: again}, nil
}

// replicas returns the desired number of instances.
func replicas(owner *appsv1.StatefulSet) int {
	if owner.Spec.Replicas == nil {
		return 1
	}
	return min(int(*owner.Spec.Replicas), affinity.MaxInstances)
}

// instances returns the running and terminating pods of the StatefulSet, ordered by ordinal.
func (r *reconciler) instances(ctx context.Context, owner *appsv1.StatefulSet) ([]instance, error) {
	var pods corev1.PodList
	if err := r.client.List(ctx, &pods, client.InNamespace(r.config.Namespace)); err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	var found []instance
	for i := range pods.Items {
		p := &pods.Items[i]
		ordinal, ok := ordinalOf(p.Name, owner.Name)
		if !ok || !metav1.IsControlledBy(p, owner) || p.Status.Phase == corev1.PodFailed ||
			p.Status.Phase == corev1.PodSucceeded {
			continue
		}
		if ordinal > maxOrdinal {
			log.FromContext(ctx).Info("a pod has no endpoint because its ordinal does not fit into operation ids", "pod", p.Name)
			continue
		}
		found = append(found, instance{Pod: p, ordinal: ordinal})
	}
	slices.SortFunc(found, func(a, b instance) int { return a.ordinal - b.ordinal })
	return found, nil
}

// ordinalOf returns the ordinal in a pod's name, and false if the pod does not belong to set.
func ordinalOf(pod, set string) (int, bool) {
	text, ok := strings.CutPrefix(pod, set+"-")
	n, err := strconv.Atoi(text)
	return n, ok && err == nil && n >= 0 && strconv.Itoa(n) == text
}

// node returns a node. It returns nil if the node does not exist or cannot be read. The next
// reconciliation tries again.
func (r *reconciler) node(ctx context.Context, name string) *corev1.Node {
	node := &corev1.Node{}
	err := r.client.Get(ctx, client.ObjectKey{Name: name}, node)
	if err != nil {
		if !apierrors.IsNotFound(err) {
			log.FromContext(ctx).Error(err, "could not read a node", "node", name)
		}
		return nil
	}
	return node
}
