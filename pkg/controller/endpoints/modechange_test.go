package endpoints_test

import (
	"fmt"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/endpoints"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

const noBalancer = "the load balancer of Service proxy-0 has no address"

func (w *world) changeMode(mode endpoints.Mode) {
	w.t.Helper()
	w.change(func(c *endpoints.Config) { c.Mode = mode })
}

// wantKept waits until instance 0 is ready and says that it keeps its address of the mode before,
// and checks that its endpoint is the same as before.
func (w *world) wantKept(own affinity.Published, before, now endpoints.Mode, waits string) {
	w.t.Helper()
	message := fmt.Sprintf("clients reach it at %s, port %d, its address of mode %s, until it has one of mode %s: %s",
		own.Host, own.Port, before, now, waits)
	testenv.Eventually(w.t, func() error {
		if g := gate(w.getPod(0)); g.Status != corev1.ConditionTrue || g.Reason != "EndpointKept" || g.Message != message {
			return fmt.Errorf("gate is %s %s %q, want true EndpointKept %q", g.Status, g.Reason, g.Message, message)
		}
		return nil
	})
	w.wantEvent(0, corev1.EventTypeNormal, "EndpointKept", message)
	got, err := affinity.DecodePublished([]byte(w.getPod(0).Annotations[affinity.EndpointAnnotation]))
	if err != nil || got != own {
		w.t.Errorf("published is %+v (%v), want %+v as before", got, err, own)
	}
	d, err := w.directory()
	if err != nil || len(d.Endpoints) != 1 || d.Endpoints[0] != own {
		w.t.Errorf("directory is %+v (%v), want %+v as before", d, err, own)
	}
	w.wantMetrics(1, 0)
}

// wantMetrics waits until that many instances keep a former address and have none.
func (w *world) wantMetrics(kept, missing float64) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		gotKept := w.metric("signstash_controller_endpoints_kept")
		gotMissing := w.metric("signstash_controller_endpoints_missing")
		if gotKept != kept || gotMissing != missing {
			return fmt.Errorf("%v instances keep an address and %v have none, want %v and %v",
				gotKept, gotMissing, kept, missing)
		}
		return nil
	})
}

// wantType waits until the Service of instance 0 has a type.
func (w *world) wantType(want corev1.ServiceType) *corev1.Service {
	w.t.Helper()
	var s *corev1.Service
	testenv.Eventually(w.t, func() error {
		if s = w.wantService(0); s.Spec.Type != want {
			return fmt.Errorf("the Service has type %s, want %s", s.Spec.Type, want)
		}
		return nil
	})
	return s
}

// TestWaitForBalancer changes the mode to LoadBalancer. The pod must stay ready at its node port
// until the load balancer has an address, also if the controller is started again meanwhile and
// cannot read nodes any more.
func TestWaitForBalancer(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort}, 1)
	w.pod(0, w.node("InternalIP", "10.20.0.1"))
	port := w.wantService(0).Spec.Ports[0].NodePort
	own := w.wantPublished(0, "10.20.0.1", int(port))
	for range 2 {
		w.changeMode(endpoints.LoadBalancer)
		w.wantKept(own, endpoints.NodePort, endpoints.LoadBalancer, noBalancer)
		if s := w.wantType(corev1.ServiceTypeLoadBalancer); s.Spec.Ports[0].NodePort != port {
			t.Errorf("the node port is %d, want %d as before", s.Spec.Ports[0].NodePort, port)
		}
	}
	w.cloud("proxy-0", corev1.LoadBalancerIngress{IP: "192.0.2.30"})
	w.wantPublished(0, "192.0.2.30", restPort)
	w.wantEvent(0, corev1.EventTypeNormal, "EndpointPublished", "clients reach it at 192.0.2.30, port 8080")
	w.wantMetrics(0, 0)
}

// TestModeChangeBack changes the mode back while the new address does not exist.
func TestModeChangeBack(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort}, 1)
	w.pod(0, w.node("InternalIP", "10.21.0.1"))
	port := w.wantService(0).Spec.Ports[0].NodePort
	own := w.wantPublished(0, "10.21.0.1", int(port))
	w.changeMode(endpoints.LoadBalancer)
	w.wantKept(own, endpoints.NodePort, endpoints.LoadBalancer, noBalancer)
	w.changeMode(endpoints.NodePort)
	if s := w.wantType(corev1.ServiceTypeNodePort); s.Spec.Ports[0].NodePort != port {
		t.Errorf("the node port is %d, want %d as before", s.Spec.Ports[0].NodePort, port)
	}
	w.wantPublished(0, "10.21.0.1", int(port))
}

// TestKeepBalancer changes the mode from LoadBalancer to NodePort while the node has no address.
// The load balancer must stay until the node has one, also if it has no node port yet. If the load
// balancer loses its address meanwhile, there is nothing to keep.
func TestKeepBalancer(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.LoadBalancer}, 1)
	node := w.node()
	w.pod(0, node)
	w.wantService(0)
	no := false
	testenv.Eventually(t, func() error {
		s := w.wantService(0)
		s.Spec.AllocateLoadBalancerNodePorts, s.Spec.Ports[0].NodePort = &no, 0
		return w.api.Update(t.Context(), s)
	})
	w.cloud("proxy-0", corev1.LoadBalancerIngress{IP: "192.0.2.31"})
	own := w.wantPublished(0, "192.0.2.31", restPort)
	w.changeMode(endpoints.NodePort)
	waits := "node " + node + " has no address"
	w.wantKept(own, endpoints.LoadBalancer, endpoints.NodePort, waits)
	w.look()
	w.wantType(corev1.ServiceTypeLoadBalancer)
	w.cloud("proxy-0")
	w.wantClosed(0, "EndpointLost", waits)
	w.cloud("proxy-0", corev1.LoadBalancerIngress{IP: "192.0.2.31"})
	w.nodeAddresses(node, "InternalIP", "10.22.0.1")
	s := w.wantType(corev1.ServiceTypeNodePort)
	w.wantPublished(0, "10.22.0.1", int(s.Spec.Ports[0].NodePort))
}

// TestOldServiceLast checks that a Service loses the old address after the pod is published at the
// new one, and not before.
func TestOldServiceLast(t *testing.T) {
	for _, next := range []endpoints.Config{
		{Mode: endpoints.PodDNS},
		{Mode: endpoints.HostTemplate, HostTemplate: "{pod}.example.org", PortTemplate: "443"},
		{Mode: endpoints.NodePort},
	} {
		t.Run(string(next.Mode), func(t *testing.T) {
			w := newWorld(t, endpoints.Config{Mode: endpoints.LoadBalancer}, 1)
			w.pod(0, w.node("InternalIP", "10.23.0.1"))
			w.wantService(0)
			w.cloud("proxy-0", corev1.LoadBalancerIngress{IP: "192.0.2.32"})
			w.wantPublished(0, "192.0.2.32", restPort)
			w.settled(0)
			here := client.InNamespace(w.namespace)
			pods, err := w.api.Watch(t.Context(), &corev1.PodList{}, here)
			if err != nil {
				t.Fatal(err)
			}
			defer pods.Stop()
			one := client.MatchingFields{"metadata.name": "proxy-0"}
			services, err := w.api.Watch(t.Context(), &corev1.ServiceList{}, here, one)
			if err != nil {
				t.Fatal(err)
			}
			defer services.Stop()
			w.change(func(c *endpoints.Config) {
				c.Mode, c.HostTemplate, c.PortTemplate = next.Mode, next.HostTemplate, next.PortTemplate
			})
			// resourceVersions give the order of all writes, because etcd numbers them.
			var published, changed int
			for event := range pods.ResultChan() {
				p := event.Object.(*corev1.Pod)
				if p.Annotations["signstash.io/endpoint-mode"] == string(next.Mode) {
					published = version(t, p)
					break
				}
			}
			for event := range services.ResultChan() {
				s := event.Object.(*corev1.Service)
				if s.Spec.Type != corev1.ServiceTypeLoadBalancer || event.Type == watch.Deleted {
					changed = version(t, s)
					break
				}
			}
			if published == 0 || changed <= published {
				t.Errorf("the new address was published as write %d, and the old one taken away as %d", published, changed)
			}
		})
	}
}

func version(t *testing.T, object client.Object) int {
	t.Helper()
	n, err := strconv.Atoi(object.GetResourceVersion())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestNewPodWaits checks that a pod that is created after the change of the mode waits for its
// address, because it never had another one.
func TestNewPodWaits(t *testing.T) {
	w := newWorld(t, podDNS, 1)
	w.pod(0, "")
	own := w.wantPublished(0, w.dns(0), restPort)
	w.changeMode(endpoints.LoadBalancer)
	w.wantType(corev1.ServiceTypeLoadBalancer)
	w.wantKept(own, endpoints.PodDNS, endpoints.LoadBalancer, noBalancer)
	w.removePod(0)
	w.pod(0, "")
	w.wantClosed(0, "EndpointPending", noBalancer)
}
