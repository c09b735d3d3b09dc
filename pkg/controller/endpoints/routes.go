package endpoints

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

const (
	// routeLabel is a label of every route that the controller created.
	routeLabel = "signstash.io/per-pod-route"
	// routeAnnotationsKey is for routes what annotationsKey is for Services.
	routeAnnotationsKey = "signstash.io/route-annotations"
)

// verdict says whether something routes to the Service of a pod.
type verdict struct {
	why     string // empty = it does
	refused bool   // somebody has to change something
	undated bool   // the present state has not been judged yet, so that it may be as before
}

// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=httproutes;tlsroutes,verbs=get;list;watch;create;update;delete,namespace=gateway-routes
// +kubebuilder:rbac:groups=networking.k8s.io,resources=ingresses,verbs=get;list;watch;create;update;delete,namespace=ingress-routes

// routes creates, updates and removes the routes to the per-pod Services, and judges them. The
// Service of a pod owns its route, so that Kubernetes removes the route together with the Service
// even if this controller has lost the right to. It returns how long to wait before it must be
// called again; 0 = until something changes.
func (r *reconciler) routes(
	ctx context.Context, owner *appsv1.StatefulSet, instances []instance, w *cluster,
) (again time.Duration) {
	w.verdicts = make(map[string]verdict)
	present := r.config.presentKind()
	wanted := r.config.wantedServices(owner, instances)
	for _, name := range slices.Sorted(maps.Keys(routeKinds)) {
		kind := routeKinds[name]
		if kind.mode != r.config.Mode && !slices.Contains(r.config.Routes.FormerModes, kind.mode) {
			continue
		}
		why, absent := r.watches.ready(ctx, kind)
		if why == "" {
			if err := r.syncRoutes(ctx, owner, instances, kind, w); err == nil {
				continue
			} else {
				why, w.faults[name] = err.Error(), err
			}
		}
		if name != present {
			continue // without the kind there are no routes to remove
		}
		again = kindLook
		for pod := range wanted {
			w.verdicts[pod] = verdict{why: why, refused: absent, undated: !absent}
		}
	}
	if r.config.Mode == Gateway && again == 0 {
		again = r.judgeParents(ctx, w)
	}
	r.undated.bound(w.verdicts)
	return again
}

// syncRoutes makes the routes of one kind as they should be, and judges them.
func (r *reconciler) syncRoutes(
	ctx context.Context, owner *appsv1.StatefulSet, instances []instance, kind routeKind, w *cluster,
) error {
	list := kind.list()
	if err := r.client.List(ctx, list, client.InNamespace(r.config.Namespace)); err != nil {
		return fmt.Errorf("list routes of kind %s: %w", kind.Kind, err)
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return fmt.Errorf("list routes of kind %s: %w", kind.Kind, err)
	}
	wanted, moving := map[string]int{}, r.config.moving(instances)
	if kind.Kind == r.config.presentKind() {
		wanted = r.config.wantedServices(owner, instances)
	}
	current := r.sortRoutes(ctx, owner, kind, items, wanted, moving, w)
	for name := range wanted {
		service := w.services[name]
		if _, foreign := w.verdicts[name]; foreign || service == nil || len(service.Spec.Ports) == 0 {
			continue // the address says why
		}
		route, err := r.ensureRoute(ctx, owner, kind, current[name], service)
		if err != nil {
			w.faults[kind.Kind+" "+name] = err
			w.verdicts[name] = verdict{why: err.Error(), refused: apierrors.IsInvalid(err) || apierrors.IsForbidden(err),
				undated: !apierrors.IsInvalid(err)}
			continue
		}
		w.verdicts[name] = r.config.judge(route)
	}
	return nil
}

// sortRoutes returns our wanted routes by name, and removes those that nobody wants. A wanted route
// of somebody else gets a verdict.
func (r *reconciler) sortRoutes(
	ctx context.Context, owner *appsv1.StatefulSet, kind routeKind, items []runtime.Object, wanted map[string]int,
	moving map[string]bool, w *cluster,
) map[string]client.Object {
	current := make(map[string]client.Object)
	stopped := kind.Kind == r.config.presentKind() && replicas(owner) == 0
	for _, item := range items {
		route := item.(client.Object)
		name, uid := route.GetName(), route.GetUID()
		_, want := wanted[name]
		switch ours := isOurRoute(route, owner); {
		case ours && want:
			current[name] = route
		case want:
			w.verdicts[name] = verdict{refused: true, why: fmt.Sprintf(
				"%s %s exists, and the controller does not own it", kind.Kind, name)}
		case ours && !stopped && !moving[name]:
			if err := r.client.Delete(ctx, route, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
				w.faults[kind.Kind+" "+name] = fmt.Errorf("remove %s %s: %w", kind.Kind, name, err)
			}
		}
	}
	return current
}

// isOurRoute reports whether the controller created a route for a pod of this StatefulSet.
func isOurRoute(route client.Object, owner *appsv1.StatefulSet) bool {
	_, ok := ordinalOf(route.GetName(), owner.Name)
	if !ok || route.GetLabels()[routeLabel] == "" {
		return false
	}
	controller := metav1.GetControllerOf(route)
	return controller == nil || controller.Kind == "Service" && controller.Name == route.GetName()
}

// ensureRoute creates a route or corrects the fields that we own, and returns it.
func (r *reconciler) ensureRoute(
	ctx context.Context, owner *appsv1.StatefulSet, kind routeKind, current client.Object, service *corev1.Service,
) (client.Object, error) {
	next := kind.object()
	if current != nil {
		next = current.DeepCopyObject().(client.Object)
	}
	next.SetNamespace(service.Namespace)
	next.SetName(service.Name)
	if err := r.config.shapeRoute(next, owner, service); err != nil {
		return nil, err
	}
	if current != nil && reflect.DeepEqual(current, next) {
		return next, nil
	}
	verb, err := "update", error(nil)
	if current == nil {
		verb, err = "create", r.client.Create(ctx, next)
	} else {
		err = r.client.Update(ctx, next)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s %s: %w", verb, kind.Kind, service.Name, err)
	}
	return next, nil
}

// shapeRoute sets the fields that we own.
func (c *Config) shapeRoute(route client.Object, owner *appsv1.StatefulSet, service *corev1.Service) error {
	ordinal, _ := ordinalOf(service.Name, owner.Name)
	p := pod{service.Name, service.Namespace, ordinal}
	host, err := expandHost(c.HostTemplate, p)
	if err != nil {
		return err
	}
	setLabels(route, owner, routeLabel)
	setAnnotations(route, routeAnnotationsKey, c.Routes.Annotations, p)
	yes := true
	route.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Service", Name: service.Name, UID: service.UID,
		Controller: &yes,
	}})
	port := service.Spec.Ports[0].Port
	switch route := route.(type) {
	case *gatewayv1.HTTPRoute:
		c.shapeHTTPRoute(&route.Spec, host, service.Name, port)
	case *gatewayv1.TLSRoute:
		c.shapeTLSRoute(&route.Spec, host, service.Name, port)
	case *networkingv1.Ingress:
		c.shapeIngress(&route.Spec, host, port, p)
	}
	return nil
}

// judge says whether a route works, as far as its own status says.
func (c *Config) judge(route client.Object) verdict {
	switch route := route.(type) {
	case *gatewayv1.HTTPRoute:
		return c.judgeRoute(httpRoute, route, route.Status.Parents)
	case *gatewayv1.TLSRoute:
		return c.judgeRoute(tlsRoute, route, route.Status.Parents)
	case *networkingv1.Ingress:
		return c.judgeIngress(route)
	}
	return verdict{why: "the kind of the route is not known"}
}
