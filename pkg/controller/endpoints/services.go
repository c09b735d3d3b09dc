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
)

const (
	// perPodLabel is on every Service of a single pod that was made here.
	perPodLabel = "signstash.io/per-pod-service"
	// annotationsKey is an annotation that lists the others which were written here, so that one goes
	// once it is not wanted any more.
	annotationsKey = "signstash.io/service-annotations"
	// podNameLabel is on every pod of a StatefulSet.
	podNameLabel = "statefulset.kubernetes.io/pod-name"
)

// services makes the Services of single pods what they shall be. The StatefulSet owns them, not the
// pod: a node port stays while a pod is replaced. One is removed once its ordinal is not wanted any
// more and its pod is gone: a load balancer costs money. Where there shall be no instance at all
// they stay: that is a stop, as for a backup, and clients were told these addresses. What cannot be
// done for one pod is among the faults, and keeps no other one waiting.
func (r *reconciler) services(ctx context.Context, owner *appsv1.StatefulSet, instances []instance) (world, error) {
	w := world{services: make(map[string]*corev1.Service), foreign: make(map[string]bool), faults: make(map[string]error)}
	var all corev1.ServiceList
	if err := r.client.List(ctx, &all, client.InNamespace(r.config.Namespace)); err != nil {
		return w, fmt.Errorf("list Services: %w", err)
	}
	wanted := r.wantedServices(owner, instances)
	stopped := r.config.perPod() && replicas(owner) == 0
	for i := range all.Items {
		s := &all.Items[i]
		_, want := wanted[s.Name]
		switch ours := isOurs(s, owner); {
		case ours && want:
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
		if err := r.ensure(ctx, owner, &w, name, port); err != nil {
			w.faults[name] = err
		}
	}
	return w, nil
}

// isOurs says whether a Service was made here, for a pod of this StatefulSet. One that nobody owns
// is taken back: a StatefulSet that was deleted with --cascade=orphan, as to grow its volumes, and
// made anew leaves them so.
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

// wantedServices are the names of pods that need one, each with its REST port; for a pod that is
// not there yet 0.
func (r *reconciler) wantedServices(owner *appsv1.StatefulSet, instances []instance) map[string]int {
	wanted := make(map[string]int)
	if !r.config.perPod() {
		return wanted
	}
	template := &corev1.Pod{Spec: owner.Spec.Template.Spec}
	for ordinal := range replicas(owner) {
		wanted[fmt.Sprintf("%s-%d", owner.Name, ordinal)] = restPort(template, r.config.RESTPort)
	}
	for _, i := range instances {
		wanted[i.Name] = restPort(i.Pod, r.config.RESTPort)
	}
	return wanted
}

// ensure creates a Service, or mends the fields that are ours. Fields that others own stay: node
// ports, addresses, a cloud's annotations.
func (r *reconciler) ensure(ctx context.Context, owner *appsv1.StatefulSet, w *world, name string, port int) error {
	if port == 0 {
		return nil // the address says so
	}
	current := w.services[name]
	next := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: r.config.Namespace, Name: name}}
	if current != nil {
		next = current.DeepCopy()
	}
	r.shape(next, owner, port)
	switch {
	case current == nil:
		err := r.client.Create(ctx, next)
		if apierrors.IsAlreadyExists(err) {
			return nil // the cache is behind: its next event shows whose it is
		}
		if err != nil {
			return fmt.Errorf("create Service %s: %w", name, err)
		}
	case reflect.DeepEqual(current, next):
	default:
		if err := r.client.Update(ctx, next); err != nil {
			if !apierrors.IsConflict(err) && !reflect.DeepEqual(current.Spec, next.Spec) {
				delete(w.services, name) // it leads elsewhere, or nowhere
			}
			return fmt.Errorf("update Service %s: %w", name, err)
		}
	}
	w.services[name] = next
	return nil
}

// shape sets what is ours.
func (r *reconciler) shape(s *corev1.Service, owner *appsv1.StatefulSet, port int) {
	labels := maps.Clone(s.Labels)
	if labels == nil {
		labels = make(map[string]string)
	}
	for _, name := range []string{"app.kubernetes.io/name", "app.kubernetes.io/instance"} {
		if v := owner.Labels[name]; v != "" {
			labels[name] = v
		}
	}
	labels[perPodLabel] = "true"
	s.Labels = labels
	yes := true
	s.OwnerReferences = []metav1.OwnerReference{
		{
			APIVersion: appsv1.SchemeGroupVersion.String(),
			Kind:       "StatefulSet",
			Name:       owner.Name,
			UID:        owner.UID,
			Controller: &yes,
		},
	}
	r.annotateService(s, owner)
	r.shapeType(&s.Spec)
	s.Spec.Selector = map[string]string{podNameLabel: s.Name}
	s.Spec.PublishNotReadyAddresses = true // the holder of an operation answers while it is unready
	if len(s.Spec.Ports) != 1 {
		s.Spec.Ports = make([]corev1.ServicePort, 1)
	}
	p := &s.Spec.Ports[0]
	p.Name, p.Port, p.Protocol, p.TargetPort = "rest", int32(port), corev1.ProtocolTCP, intstr.FromInt32(int32(port))
}

// shapeType sets how a Service is reached.
func (r *reconciler) shapeType(spec *corev1.ServiceSpec) {
	before := spec.Type
	switch r.config.Mode {
	case NodePort:
		spec.Type = corev1.ServiceTypeNodePort
		// The published address is that of the pod's own node: no other node need lead there.
		spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	case LoadBalancer:
		spec.Type = corev1.ServiceTypeLoadBalancer
		if before != spec.Type && r.config.LoadBalancerClass != "" { // the API server lets nobody change it afterwards
			class := r.config.LoadBalancerClass
			spec.LoadBalancerClass = &class
		}
	default:
		spec.Type = corev1.ServiceTypeClusterIP // an ingress or gateway leads here
	}
}

// annotateService sets the annotations that are wanted, and removes those that were and are not.
func (r *reconciler) annotateService(s *corev1.Service, owner *appsv1.StatefulSet) {
	before := s.Annotations[annotationsKey]
	if before == "" && len(r.config.ServiceAnnotations) == 0 {
		return
	}
	annotations := maps.Clone(s.Annotations)
	if annotations == nil {
		annotations = make(map[string]string)
	}
	for key := range strings.SplitSeq(before, ",") {
		delete(annotations, key)
	}
	delete(annotations, annotationsKey)
	ordinal, _ := ordinalOf(s.Name, owner.Name)
	for key, value := range r.config.ServiceAnnotations {
		annotations[key] = expand(value, pod{s.Name, s.Namespace, ordinal})
	}
	if keys := slices.Sorted(maps.Keys(r.config.ServiceAnnotations)); len(keys) > 0 {
		annotations[annotationsKey] = strings.Join(keys, ",")
	}
	s.Annotations = annotations
}
