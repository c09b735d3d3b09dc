package endpoints_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/endpoints"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// gatewayConfig is mode Gateway with a Gateway named public in the same namespace.
func gatewayConfig(kind string) endpoints.Config {
	return endpoints.Config{
		Mode: endpoints.Gateway, HostTemplate: "sign-{ordinal}.example.org", PortTemplate: "443",
		Routes: endpoints.Routes{
			Kind: kind, Parents: []endpoints.Parent{{Name: "public", SectionName: "web"}},
			Annotations: map[string]string{"dns.example.org/host": "sign-{ordinal}"},
		},
	}
}

func newRoute(kind string) client.Object {
	if kind == "TLSRoute" {
		return &gatewayv1.TLSRoute{}
	}
	return &gatewayv1.HTTPRoute{}
}

// gateway creates the Gateway with a listener, not yet programmed.
func (w *world) gateway() {
	w.t.Helper()
	w.create(&gatewayv1.Gateway{
		ObjectMeta: metav1.ObjectMeta{Name: "public"},
		Spec: gatewayv1.GatewaySpec{GatewayClassName: "test", Listeners: []gatewayv1.Listener{
			{Name: "web", Port: 443, Protocol: gatewayv1.HTTPProtocolType},
		}},
	})
}

func conditionOf(name string, status metav1.ConditionStatus, reason string, generation int64) metav1.Condition {
	return metav1.Condition{
		Type: name, Status: status, Reason: reason, Message: "said by the test", ObservedGeneration: generation,
		LastTransitionTime: metav1.Now(),
	}
}

// program acts as the Gateway's controller: it sets the condition Programmed of the Gateway and of
// its listener.
func (w *world) program(status metav1.ConditionStatus) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		g := &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Name: "public"}}
		w.get(g)
		c := conditionOf("Programmed", status, "Test", g.Generation)
		g.Status.Conditions = []metav1.Condition{c}
		g.Status.Listeners = []gatewayv1.ListenerStatus{
			{Name: "web", Conditions: []metav1.Condition{c}, SupportedKinds: []gatewayv1.RouteGroupKind{}},
		}
		return w.api.Status().Update(w.t.Context(), g)
	})
}

// accept acts as the Gateway's controller: it judges the route of an instance. lag is by how many
// generations the judgement is too old.
func (w *world) accept(kind string, ordinal int, accepted, resolved metav1.ConditionStatus, reason string, lag int64) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		route := newRoute(kind)
		key := client.ObjectKey{Namespace: w.namespace, Name: podName(ordinal)}
		if err := w.api.Get(w.t.Context(), key, route); err != nil {
			return err
		}
		section, generation := gatewayv1.SectionName("web"), route.GetGeneration()-lag
		status := gatewayv1.RouteStatus{Parents: []gatewayv1.RouteParentStatus{{
			ParentRef:      gatewayv1.ParentReference{Name: "public", SectionName: &section},
			ControllerName: "example.org/test",
			Conditions: []metav1.Condition{
				conditionOf("Accepted", accepted, reason, generation), conditionOf("ResolvedRefs", resolved, reason, generation),
			},
		}}}
		switch route := route.(type) {
		case *gatewayv1.HTTPRoute:
			route.Status.RouteStatus = status
		case *gatewayv1.TLSRoute:
			route.Status.RouteStatus = status
		}
		return w.api.Status().Update(w.t.Context(), route)
	})
}

// wantRoutes waits until the namespace has exactly these routes of a kind.
func (w *world) wantRoutes(list client.ObjectList, names ...string) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		if err := w.api.List(w.t.Context(), list, client.InNamespace(w.namespace)); err != nil {
			return err
		}
		items, err := meta.ExtractList(list)
		var got []string
		for _, o := range items {
			got = append(got, o.(client.Object).GetName())
		}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(names) {
			return fmt.Errorf("routes are %v (%v), want %v", got, err, names)
		}
		return nil
	})
}

// TestGatewayMode follows the routes of a release through their life, for each kind of route.
func TestGatewayMode(t *testing.T) {
	for _, kind := range []string{"HTTPRoute", "TLSRoute"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, gatewayConfig(kind), 2)
			w.pod(0, "")
			w.pod(1, "")
			w.wantClosed(0, "EndpointPending", "Gateway public, listener web has not judged "+kind+" proxy-0 yet")
			w.accept(kind, 0, "True", "True", "Test", 0)
			w.wantClosed(0, "EndpointRefused", "Gateway public, listener web does not exist")
			w.gateway()
			w.wantClosed(0, "EndpointPending",
				"Gateway public, listener web has not judged the present state of the Gateway yet")
			w.program("True")
			w.wantPublished(0, "sign-0.example.org", 443)

			w.accept(kind, 1, "False", "True", "NotAllowedByListeners", 0)
			refusal := "Gateway public, listener web: the condition Accepted of " + kind +
				" proxy-1 is False because of NotAllowedByListeners: said by the test"
			w.wantClosed(1, "EndpointRefused", refusal)
			w.wantEvent(1, corev1.EventTypeWarning, "EndpointRefused", "it takes no new work: "+refusal)
			w.accept(kind, 1, "True", "False", "BackendNotFound", 0)
			w.wantClosed(1, "EndpointRefused", "Gateway public, listener web: the condition ResolvedRefs of "+kind+
				" proxy-1 is False because of BackendNotFound: said by the test")
			w.accept(kind, 1, "True", "True", "Test", 1) // of an earlier generation
			w.wantClosed(1, "EndpointPending",
				"Gateway public, listener web has not judged the present state of "+kind+" proxy-1 yet")
			w.accept(kind, 1, "True", "True", "Test", 0)
			w.wantPublished(1, "sign-1.example.org", 443)
			w.wantQuietRoute(kind)

			w.program("False")
			w.wantClosed(1, "EndpointLost", "Gateway public, listener web: the condition Programmed of the Gateway is False "+
				"because of Test: said by the test")
			w.program("True")
			w.wantPublished(1, "sign-1.example.org", 443)
		})
	}
}

// wantQuietRoute checks what the controller has written into the route of instance 0, that it
// writes nothing more, and that it undoes changes and deletion.
func (w *world) wantQuietRoute(kind string) {
	w.t.Helper()
	route := newRoute(kind)
	route.SetName(podName(0))
	w.get(route)
	owner := metav1.GetControllerOf(route)
	if owner == nil || owner.Kind != "Service" || owner.UID != w.wantService(0).UID {
		w.t.Errorf("the route belongs to %v, want its Service", owner)
	}
	if got := route.GetAnnotations()["dns.example.org/host"]; got != "sign-0" {
		w.t.Errorf("the annotation is %q", got)
	}
	version := route.GetResourceVersion()
	w.look()
	w.look()
	w.get(route)
	if route.GetResourceVersion() != version {
		w.t.Errorf("the route was written without a reason: %s, then %s", version, route.GetResourceVersion())
	}
	testenv.Eventually(w.t, func() error {
		w.get(route)
		switch route := route.(type) {
		case *gatewayv1.HTTPRoute:
			route.Spec.Hostnames = []gatewayv1.Hostname{"other.example.org"}
		case *gatewayv1.TLSRoute:
			route.Spec.Hostnames = []gatewayv1.Hostname{"other.example.org"}
		}
		return w.api.Update(w.t.Context(), route)
	})
	w.wantHost(kind)
	w.wantPublished(0, "sign-0.example.org", 443) // while nobody has judged the new generation
	w.accept(kind, 0, "True", "True", "Test", 0)
	w.remove(route)
	w.wantHost(kind)
	w.wantPublished(0, "sign-0.example.org", 443)
	w.accept(kind, 0, "True", "True", "Test", 0)
}

// wantHost waits until the route of instance 0 exists with its host.
func (w *world) wantHost(kind string) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		route := newRoute(kind)
		if err := w.api.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: podName(0)}, route); err != nil {
			return err
		}
		var hosts []gatewayv1.Hostname
		switch route := route.(type) {
		case *gatewayv1.HTTPRoute:
			hosts = route.Spec.Hostnames
		case *gatewayv1.TLSRoute:
			hosts = route.Spec.Hostnames
		}
		if fmt.Sprint(hosts) != "[sign-0.example.org]" {
			return fmt.Errorf("hosts are %v", hosts)
		}
		return nil
	})
}

// TestForeignRoute checks that a route of somebody else stays, and that the pod of its name waits.
func TestForeignRoute(t *testing.T) {
	w := emptyWorld(t, gatewayConfig("HTTPRoute"))
	w.create(&gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Name: "proxy-0"}})
	w.create(statefulSet(1))
	w.start()
	w.pod(0, "")
	w.wantClosed(0, "EndpointRefused", "HTTPRoute proxy-0 exists, and the controller does not own it")
}

// TestGatewayScaleAndModes checks that a pod keeps its address of another mode until its route
// works, and that the routes are removed after scaling down and after another change of the mode.
func TestGatewayScaleAndModes(t *testing.T) {
	w := newWorld(t, podDNS, 2)
	w.pod(0, "")
	w.pod(1, "")
	own := w.wantPublished(0, w.dns(0), restPort)
	w.gateway()
	w.program("True")
	other := gatewayConfig("HTTPRoute")
	w.change(func(c *endpoints.Config) {
		c.Mode, c.HostTemplate, c.PortTemplate, c.Routes = other.Mode, other.HostTemplate, other.PortTemplate, other.Routes
	})
	w.wantRoutes(&gatewayv1.HTTPRouteList{}, "proxy-0", "proxy-1")
	testenv.Eventually(t, func() error {
		if g := gate(w.getPod(0)); g.Status != corev1.ConditionTrue || g.Reason != "EndpointKept" {
			return fmt.Errorf("gate is %+v, want the address %s kept", g, own.Host)
		}
		return nil
	})
	w.accept("HTTPRoute", 0, "True", "True", "Test", 0)
	w.accept("HTTPRoute", 1, "True", "True", "Test", 0)
	w.wantPublished(0, "sign-0.example.org", 443)
	w.wantPublished(1, "sign-1.example.org", 443)

	w.scale(1)
	w.removePod(1)
	w.wantRoutes(&gatewayv1.HTTPRouteList{}, "proxy-0")

	w.change(func(c *endpoints.Config) { // from HTTPRoute to TLSRoute
		c.Routes.Kind = "TLSRoute"
	})
	w.wantRoutes(&gatewayv1.TLSRouteList{}, "proxy-0")
	w.wantRoutes(&gatewayv1.HTTPRouteList{})
	w.accept("TLSRoute", 0, "True", "True", "Test", 0)

	w.change(func(c *endpoints.Config) {
		c.Mode, c.Routes = endpoints.LoadBalancer, endpoints.Routes{FormerModes: []endpoints.Mode{endpoints.Gateway}}
		c.HostTemplate, c.PortTemplate = "", ""
	})
	testenv.Eventually(t, func() error {
		if g := gate(w.getPod(0)); g.Reason != "EndpointKept" {
			return fmt.Errorf("gate is %+v, want the address of the Gateway kept", g)
		}
		return nil
	})
	w.wantRoutes(&gatewayv1.TLSRouteList{}, "proxy-0")
	w.cloud("proxy-0", corev1.LoadBalancerIngress{IP: "192.0.2.40"})
	w.wantPublished(0, "192.0.2.40", restPort)
	w.wantRoutes(&gatewayv1.TLSRouteList{})
}
