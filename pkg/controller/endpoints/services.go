package endpoints

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/kube"
)

const (
	// perPodLabel is a label of every per-pod Service that the controller created.
	perPodLabel = "signstash.io/per-pod-service"
	// annotationsKey is the annotation that lists the other annotations that the controller wrote, so
	// that it can remove one that is no longer wanted.
	annotationsKey = "signstash.io/service-annotations"
	// podNameLabel is a label of every pod of a StatefulSet.
	podNameLabel = "statefulset.kubernetes.io/pod-name"
)

// services creates, updates and removes the per-pod Services. The StatefulSet owns them and not the
// pod, so that a node port stays while a pod is replaced. A Service is removed once its ordinal is
// not wanted any more and its pod is gone, because a load balancer costs money. If the StatefulSet
// has no replicas at all the Services stay, because that is a temporary stop, as for a backup, and
// clients know these addresses. An error for one pod is among the faults and does not affect the
// others. While a pod is published at the address of a former mode, its Service keeps that address.
func (r *reconciler) services(ctx context.Context, owner *appsv1.StatefulSet, instances []instance) (cluster, error) {
	w := cluster{
		services: make(map[string]*corev1.Service),
		foreign:  make(map[string]bool),
		faults:   make(map[string]error),
	}
	var all corev1.ServiceList
	if err := r.client.List(ctx, &all, client.InNamespace(r.config.Namespace)); err != nil {
		return w, fmt.Errorf("list Services: %w", err)
	}
	wanted, moving := r.config.wantedServices(owner, instances), r.config.moving(instances)
	stopped := r.config.perPod() && replicas(owner) == 0
	for i := range all.Items {
		s := &all.Items[i]
		_, want := wanted[s.Name]
		switch ours := isOurs(s, owner); {
		case ours && (want || moving[s.Name]):
			w.services[s.Name] = s
		case ours && !stopped:
			if err := r.client.Delete(ctx, s, client.Preconditions{UID: &s.UID}); client.IgnoreNotFound(err) != nil {
				w.faults[s.Name] = fmt.Errorf("remove Service %s: %w", s.Name, err)
			}
		case want:
			w.foreign[s.Name] = true
		}
	}
	for name, port := range wanted {
		if w.foreign[name] {
			continue
		}
		var err error
		if s := w.services[name]; moving[name] && s != nil && reach(s.Spec.Type) > reach(r.config.serviceType()) {
			err = r.addNodePort(ctx, &w, s)
		} else {
			err = r.ensure(ctx, owner, &w, name, port)
		}
		if err != nil {
			w.faults[name] = err
		}
	}
	return w, nil
}

// isOurs reports whether the controller created a Service for a pod of this StatefulSet. It also
// accepts a Service without an owner, because deleting a StatefulSet with --cascade=orphan, for
// example to grow its volumes, leaves the Services without an owner.
func isOurs(s *corev1.Service, owner *appsv1.StatefulSet) bool {
	if s.Labels[perPodLabel] == "" {
		return false
	}
	if metav1.GetControllerOf(s) != nil {
		return metav1.IsControlledBy(s, owner)
	}
	_, ok := ordinalOf(s.Name, owner.Name)
	return ok && s.Spec.Selector[podNameLabel] == s.Name
}

// wantedServices returns the REST port of each pod that needs a Service, by name of the pod. The
// port is 0 if it is not known.
func (c *Config) wantedServices(owner *appsv1.StatefulSet, instances []instance) map[string]int {
	wanted := make(map[string]int)
	if !c.perPod() {
		return wanted
	}
	template := &corev1.Pod{Spec: owner.Spec.Template.Spec}
	for ordinal := range replicas(owner) {
		wanted[fmt.Sprintf("%s-%d", owner.Name, ordinal)] = restPort(template, c.RESTPort)
	}
	for _, i := range instances {
		wanted[i.Name] = restPort(i.Pod, c.RESTPort)
	}
	return wanted
}

// ensure creates a Service or corrects the fields that we own. It does not change fields that
// others own: node ports, addresses, annotations of a cloud provider.
func (r *reconciler) ensure(ctx context.Context, owner *appsv1.StatefulSet, w *cluster, name string, port int) error {
	if port == 0 {
		return nil // the address reports it
	}
	current := w.services[name]
	next := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: r.config.Namespace, Name: name}}
	if current != nil {
		next = current.DeepCopy()
	}
	r.config.shape(next, owner, port)
	switch {
	case current == nil:
		err := r.client.Create(ctx, next)
		if apierrors.IsAlreadyExists(err) {
			return nil // the cache is stale; its next event shows who owns the Service
		}
		if err != nil {
			return fmt.Errorf("create Service %s: %w", name, err)
		}
	case reflect.DeepEqual(current, next):
	default:
		if err := r.client.Update(ctx, next); err != nil {
			if !apierrors.IsConflict(err) && !reflect.DeepEqual(current.Spec, next.Spec) {
				delete(w.services, name) // it does not route to the pod
			}
			return fmt.Errorf("update Service %s: %w", name, err)
		}
	}
	w.services[name] = next
	return nil
}

// shape sets the fields that we own.
func (c *Config) shape(s *corev1.Service, owner *appsv1.StatefulSet, port int) {
	setLabels(s, owner, perPodLabel)
	s.OwnerReferences = kube.OwnedBy(owner)
	ordinal, _ := ordinalOf(s.Name, owner.Name)
	setAnnotations(s, annotationsKey, c.ServiceAnnotations, pod{s.Name, s.Namespace, ordinal})
	c.shapeType(&s.Spec)
	s.Spec.Selector = map[string]string{podNameLabel: s.Name}
	s.Spec.PublishNotReadyAddresses = true // an instance answers for its operations while it is unready
	if len(s.Spec.Ports) != 1 {
		s.Spec.Ports = make([]corev1.ServicePort, 1)
	}
	p := &s.Spec.Ports[0]
	p.Name, p.Port, p.Protocol, p.TargetPort = "rest", int32(port), corev1.ProtocolTCP, intstr.FromInt32(int32(port))
	c.setNodePort(s)
}

// setLabels gives an object the labels of the release and the label mine.
func setLabels(o client.Object, owner *appsv1.StatefulSet, mine string) {
	labels := maps.Clone(o.GetLabels())
	if labels == nil {
		labels = make(map[string]string)
	}
	for _, name := range []string{"app.kubernetes.io/name", "app.kubernetes.io/instance"} {
		if v := owner.Labels[name]; v != "" {
			labels[name] = v
		}
	}
	labels[mine] = "true"
	o.SetLabels(labels)
}

// shapeType sets the type of a Service for the mode.
func (c *Config) shapeType(spec *corev1.ServiceSpec) {
	before := spec.Type
	spec.Type = c.serviceType()
	switch c.Mode {
	case NodePort:
		// The published address is that of the pod's own node, so no other node needs to route to the
		// pod.
		spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	case LoadBalancer:
		if before != spec.Type && c.LoadBalancerClass != "" { // the API server refuses later changes
			class := c.LoadBalancerClass
			spec.LoadBalancerClass = &class
		}
	}
}

// setAnnotations sets the wanted annotations of an object and removes those that are no longer
// wanted. The annotation list names them.
func setAnnotations(o client.Object, list string, wanted map[string]string, p pod) {
	before := o.GetAnnotations()[list]
	if before == "" && len(wanted) == 0 {
		return
	}
	annotations := maps.Clone(o.GetAnnotations())
	if annotations == nil {
		annotations = make(map[string]string)
	}
	for key := range strings.SplitSeq(before, ",") {
		delete(annotations, key)
	}
	delete(annotations, list)
	for key, value := range wanted {
		annotations[key] = expand(value, p)
	}
	if keys := slices.Sorted(maps.Keys(wanted)); len(keys) > 0 {
		annotations[list] = strings.Join(keys, ",")
	}
	o.SetAnnotations(annotations)
}
