package endpoints

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

const (
	// parentLook is the time between two looks at the Gateways. They are read and not watched, because
	// they often belong to another namespace, and so the controller needs the right to get each of
	// them only.
	parentLook = 15 * time.Second
	// waitingLook is the time while an instance waits for a Gateway.
	waitingLook = 2 * time.Second
)

// parentRefs returns the parents as the API server completes them.
func (c *Config) parentRefs() (refs []gatewayv1.ParentReference) {
	for _, p := range c.Routes.Parents {
		group, kind := gatewayv1.Group(gatewayv1.GroupName), gatewayv1.Kind("Gateway")
		ref := gatewayv1.ParentReference{Group: &group, Kind: &kind, Name: gatewayv1.ObjectName(p.Name)}
		if p.Namespace != "" {
			namespace := gatewayv1.Namespace(p.Namespace)
			ref.Namespace = &namespace
		}
		if p.SectionName != "" {
			section := gatewayv1.SectionName(p.SectionName)
			ref.SectionName = &section
		}
		if p.Port != 0 {
			port := p.Port
			ref.Port = &port
		}
		refs = append(refs, ref)
	}
	return refs
}

// backend refers to a Service, as the API server completes it.
func backend(service string, port int32) gatewayv1.BackendRef {
	group, kind, weight, number := gatewayv1.Group(""), gatewayv1.Kind("Service"), int32(1), port
	return gatewayv1.BackendRef{
		BackendObjectReference: gatewayv1.BackendObjectReference{
			Group: &group, Kind: &kind, Name: gatewayv1.ObjectName(service), Port: &number,
		},
		Weight: &weight,
	}
}

// shapeHTTPRoute makes an HTTPRoute route all paths of a host to a Service. It keeps what others
// have set in the rule, such as time-outs.
func (c *Config) shapeHTTPRoute(spec *gatewayv1.HTTPRouteSpec, host, service string, port int32) {
	spec.ParentRefs, spec.Hostnames = c.parentRefs(), []gatewayv1.Hostname{gatewayv1.Hostname(host)}
	if len(spec.Rules) != 1 {
		spec.Rules = make([]gatewayv1.HTTPRouteRule, 1)
	}
	all, root := gatewayv1.PathMatchPathPrefix, "/"
	spec.Rules[0].Matches = []gatewayv1.HTTPRouteMatch{{Path: &gatewayv1.HTTPPathMatch{Type: &all, Value: &root}}}
	spec.Rules[0].BackendRefs = []gatewayv1.HTTPBackendRef{{BackendRef: backend(service, port)}}
}

// shapeTLSRoute makes a TLSRoute pass connections for a host on to a Service.
func (c *Config) shapeTLSRoute(spec *gatewayv1.TLSRouteSpec, host, service string, port int32) {
	spec.ParentRefs, spec.Hostnames = c.parentRefs(), []gatewayv1.Hostname{gatewayv1.Hostname(host)}
	if len(spec.Rules) != 1 {
		spec.Rules = make([]gatewayv1.TLSRouteRule, 1)
	}
	spec.Rules[0].BackendRefs = []gatewayv1.BackendRef{backend(service, port)}
}

// judgeRoute says whether every parent has accepted a route and found its Service.
func (c *Config) judgeRoute(kind string, route client.Object, statuses []gatewayv1.RouteParentStatus) verdict {
	var waits verdict
	for i, ref := range c.parentRefs() {
		v := verdict{
			why:     fmt.Sprintf("Gateway %s has not judged %s %s yet", c.Routes.Parents[i], kind, route.GetName()),
			undated: true,
		}
		for j := range statuses {
			if !sameParent(statuses[j].ParentRef, ref, c.Namespace) {
				continue
			}
			v = judgeConditions(fmt.Sprintf("Gateway %s", c.Routes.Parents[i]),
				fmt.Sprintf("%s %s", kind, route.GetName()), statuses[j].Conditions, route.GetGeneration(),
				string(gatewayv1.RouteConditionAccepted), string(gatewayv1.RouteConditionResolvedRefs))
			if v.why == "" {
				break // several controllers may write a status; one that routes is enough
			}
		}
		if v.refused {
			return v
		}
		if waits.why == "" {
			waits = v
		}
	}
	return waits
}

// sameParent reports whether two references in a namespace name the same parent.
func sameParent(a, b gatewayv1.ParentReference, namespace string) bool {
	return value(a.Group, gatewayv1.GroupName) == value(b.Group, gatewayv1.GroupName) &&
		value(a.Kind, "Gateway") == value(b.Kind, "Gateway") && a.Name == b.Name &&
		value(a.Namespace, gatewayv1.Namespace(namespace)) == value(b.Namespace, gatewayv1.Namespace(namespace)) &&
		value(a.SectionName, "") == value(b.SectionName, "") && value(a.Port, 0) == value(b.Port, 0)
}

// value returns what p points to, or other if p is nil.
func value[T any](p *T, other T) T {
	if p == nil {
		return other
	}
	return *p
}

// judgeConditions says whether each of the named conditions of object is true for its present
// generation. The argument who names the object that has set them.
func judgeConditions(who, object string, all []metav1.Condition, generation int64, names ...string) verdict {
	for _, name := range names {
		c := meta.FindStatusCondition(all, name)
		switch {
		case c == nil:
			return verdict{why: fmt.Sprintf("%s has not set the condition %s of %s yet", who, name, object), undated: true}
		case c.ObservedGeneration < generation:
			return verdict{why: fmt.Sprintf("%s has not judged the present state of %s yet", who, object), undated: true}
		case c.Status != metav1.ConditionTrue:
			why := fmt.Sprintf("%s: the condition %s of %s is %s because of %s", who, name, object, c.Status, c.Reason)
			if c.Message != "" {
				why += ": " + c.Message
			}
			return verdict{refused: true, why: why}
		}
	}
	return verdict{}
}

// judgeParents says of every route that works whether its parents do too. It returns when to look
// at them again.
func (r *reconciler) judgeParents(ctx context.Context, w *cluster) time.Duration {
	var parents verdict
	for _, p := range r.config.Routes.Parents {
		if parents = r.parent(ctx, p); parents.why != "" {
			break
		}
	}
	again := parentLook
	for name, v := range w.verdicts {
		if v.why == "" {
			v = parents
			w.verdicts[name] = v
		}
		if v.why != "" {
			again = waitingLook
		}
	}
	return again
}

// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=gateways,verbs=get,namespace=gateway-parents

// parent says whether a Gateway, and the listener that is named, are ready for traffic.
func (r *reconciler) parent(ctx context.Context, p Parent) verdict {
	who, g := "Gateway "+p.String(), &gatewayv1.Gateway{}
	key := client.ObjectKey{Namespace: p.Namespace, Name: p.Name}
	if key.Namespace == "" {
		key.Namespace = r.config.Namespace
	}
	err := r.reader.Get(ctx, key, g)
	switch {
	case apierrors.IsNotFound(err) || meta.IsNoMatchError(err):
		return verdict{refused: true, why: who + " does not exist"}
	case err != nil:
		return verdict{undated: true, refused: apierrors.IsForbidden(err), why: fmt.Sprintf("read %s: %v", who, err)}
	}
	programmed := string(gatewayv1.GatewayConditionProgrammed)
	v := judgeConditions(who, "the Gateway", g.Status.Conditions, g.Generation, programmed)
	if v.why != "" || p.SectionName == "" && p.Port == 0 {
		return v
	}
	i := slices.IndexFunc(g.Spec.Listeners, func(l gatewayv1.Listener) bool {
		return (p.SectionName == "" || string(l.Name) == p.SectionName) && (p.Port == 0 || l.Port == p.Port)
	})
	if i < 0 {
		return verdict{refused: true, why: who + ": the Gateway has no such listener"}
	}
	name := g.Spec.Listeners[i].Name
	for j := range g.Status.Listeners {
		if g.Status.Listeners[j].Name == name {
			return judgeConditions(who, "listener "+string(name), g.Status.Listeners[j].Conditions, g.Generation, programmed)
		}
	}
	return verdict{undated: true, why: fmt.Sprintf("%s: listener %s has no status yet", who, name)}
}
