package endpoints_test

import (
	"fmt"
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/endpoints"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// TestPodDNS checks that inside the cluster a pod is reached by its DNS name of the headless
// Service, and that nothing else is created.
func TestPodDNS(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.PodDNS, ClusterDomain: "cluster.local"}, 2)
	w.pod(0, "")
	w.pod(1, "")
	for ordinal := range 2 {
		host := podName(ordinal) + ".proxy-headless." + w.namespace + ".svc.cluster.local"
		if own := w.wantPublished(ordinal, host, restPort); own.Internal != host+":8080" {
			t.Errorf("internal address is %s, want that of the pod", own.Internal)
		}
		w.wantEvent(ordinal, corev1.EventTypeNormal, "EndpointPublished", "clients reach it at "+host+", port 8080")
	}
	w.wantDirectory(2, 2, 0, 1)
	w.wantServices()
}

// TestHostTemplate checks that the host and port of an ingress or gateway are computed from the
// pod's name and ordinal, and that the pod has its own Service, which includes it even while it is
// not ready.
func TestHostTemplate(t *testing.T) {
	w := newWorld(t, endpoints.Config{
		Mode: endpoints.HostTemplate, HostTemplate: "{pod}.{namespace}.example.org", PortTemplate: "9000+{ordinal}",
	}, 2)
	w.pod(1, "")
	own := w.wantPublished(1, "proxy-1."+w.namespace+".example.org", 9001)
	if want := "proxy-1.proxy-headless." + w.namespace + ".svc:8080"; own.Internal != want {
		t.Errorf("peers reach it at %s, want %s", own.Internal, want)
	}
	w.wantServices("proxy-0", "proxy-1") // also for the pod that does not exist yet
	s := w.wantService(1)
	if !metav1.IsControlledBy(s, w.owner()) || s.Spec.Type != corev1.ServiceTypeClusterIP ||
		!s.Spec.PublishNotReadyAddresses ||
		!maps.Equal(s.Spec.Selector, map[string]string{"statefulset.kubernetes.io/pod-name": "proxy-1"}) {
		t.Errorf("Service is %+v, owned by %v", s.Spec, s.OwnerReferences)
	}
	if p := s.Spec.Ports[0]; p.Port != restPort || p.TargetPort.IntValue() != restPort {
		t.Errorf("port is %+v", p)
	}
}

// TestNodePort checks that every instance has its own Service, which the StatefulSet owns. The
// Service routes only to this instance, only on its own node, and even while it is not ready.
func TestNodePort(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort}, 2)
	node := w.node("InternalIP", "10.1.0.1", "ExternalIP", "192.0.2.1")
	w.pod(0, node)
	s := w.wantService(0)
	w.wantPublished(0, "192.0.2.1", int(s.Spec.Ports[0].NodePort))
	w.wantServices("proxy-0", "proxy-1") // also for the pod that does not exist yet
	if !metav1.IsControlledBy(s, w.owner()) {
		t.Errorf("owners are %v, want the StatefulSet", s.OwnerReferences)
	}
	if s.Spec.Type != corev1.ServiceTypeNodePort ||
		s.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal ||
		!s.Spec.PublishNotReadyAddresses ||
		!maps.Equal(s.Spec.Selector, map[string]string{"statefulset.kubernetes.io/pod-name": "proxy-0"}) {
		t.Errorf("Service is %+v", s.Spec)
	}
	if p := s.Spec.Ports[0]; p.Port != restPort || p.TargetPort.IntValue() != restPort {
		t.Errorf("port is %+v", p)
	}
	// The node gets a name for clients outside the cluster.
	w.nodeAddresses(node, "InternalIP", "10.1.0.1", "ExternalIP", "192.0.2.1", "ExternalDNS", "node.example.org")
	w.wantPublished(0, "node.example.org", int(s.Spec.Ports[0].NodePort))
}

// TestReplacedPod checks that the Service and the node port stay while a pod is replaced, and that
// the published address is that of the node of the new pod.
func TestReplacedPod(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort}, 1)
	before := w.pod(0, w.node("InternalIP", "10.2.0.1"))
	s := w.wantService(0)
	port := int(s.Spec.Ports[0].NodePort)
	w.wantPublished(0, "10.2.0.1", port)
	w.removePod(0)
	w.wantDirectory(1, 1)
	after := w.pod(0, w.node("InternalIP", "10.2.0.2"))
	if own := w.wantPublished(0, "10.2.0.2", port); own.Instance == string(before.UID) ||
		own.Instance != string(after.UID) {
		t.Errorf("the published identity is %s, want %s, not %s", own.Instance, after.UID, before.UID)
	}
	if again := w.wantService(0); again.UID != s.UID {
		t.Errorf("the Service was created again")
	}
}

// TestLoadBalancer checks that the address is the one that the cloud provider writes into the
// Service's status, and that a host name is preferred to an IP address.
func TestLoadBalancer(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.LoadBalancer}, 1)
	w.pod(0, "")
	s := w.wantService(0)
	w.wantClosed(0, "EndpointPending", "the load balancer of Service proxy-0 has no address")
	if own := w.getPod(0).Annotations[affinity.EndpointAnnotation]; own != "" {
		t.Errorf("published is %s, before there is an address", own)
	}
	// Peers can still reach it, because it may hold operations.
	if d := w.wantDirectory(1, 1, 0); d.Endpoints[0].Internal != "proxy-0.proxy-headless."+w.namespace+".svc:8080" {
		t.Errorf("directory is %+v", d)
	}
	w.cloud(s.Name, corev1.LoadBalancerIngress{IP: "192.0.2.7"})
	w.wantPublished(0, "192.0.2.7", restPort)
	w.cloud(s.Name, corev1.LoadBalancerIngress{IP: "192.0.2.7"}, corev1.LoadBalancerIngress{Hostname: "lb.example.org"})
	w.wantPublished(0, "lb.example.org", restPort)
}

// cloud writes addresses into a Service's status, as the controller of a load balancer does.
func (w *world) cloud(service string, addresses ...corev1.LoadBalancerIngress) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		s := &corev1.Service{}
		if err := w.api.Get(w.t.Context(), types.NamespacedName{Namespace: w.namespace, Name: service}, s); err != nil {
			return err
		}
		s.Status.LoadBalancer.Ingress = addresses
		return w.api.Status().Update(w.t.Context(), s)
	})
}

// TestOthersFields checks that fields that a cloud provider or a person sets on a Service stay, and
// that the fields that we own are corrected.
func TestOthersFields(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.LoadBalancer}, 1)
	w.wantService(0)
	class := "cloud.example.org/class"
	testenv.Eventually(t, func() error {
		s := w.wantService(0)
		s.Annotations = map[string]string{class: "internal"}
		s.Spec.LoadBalancerSourceRanges = []string{"192.0.2.0/24"}
		s.Spec.Selector = map[string]string{"app": "somebody-else"}
		return w.api.Update(t.Context(), s)
	})
	testenv.Eventually(t, func() error {
		s := w.wantService(0)
		if !maps.Equal(s.Spec.Selector, map[string]string{"statefulset.kubernetes.io/pod-name": "proxy-0"}) {
			return fmt.Errorf("selector is %v", s.Spec.Selector)
		}
		return nil
	})
	if s := w.wantService(0); s.Annotations[class] != "internal" || len(s.Spec.LoadBalancerSourceRanges) != 1 {
		t.Errorf("Service is %v, %+v: what others wrote is gone", s.Annotations, s.Spec)
	}
}

// TestModeChange checks that per-pod Services are removed if the new mode does not need them, and
// change their type if the new mode has another type.
func TestModeChange(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort}, 1)
	w.pod(0, w.node("Hostname", "not-taken", "InternalIP", "10.3.0.1"))
	s := w.wantService(0)
	w.wantPublished(0, "10.3.0.1", int(s.Spec.Ports[0].NodePort))
	w.change(func(c *endpoints.Config) { c.Mode = endpoints.LoadBalancer })
	w.cloud("proxy-0", corev1.LoadBalancerIngress{IP: "192.0.2.9"})
	w.wantPublished(0, "192.0.2.9", restPort)
	w.change(func(c *endpoints.Config) {
		c.Mode, c.HostTemplate, c.PortTemplate = endpoints.HostTemplate, "{pod}.example.org", "443"
	})
	w.wantPublished(0, "proxy-0.example.org", 443)
	if s := w.wantType(corev1.ServiceTypeClusterIP); s.Spec.Ports[0].NodePort != 0 {
		t.Errorf("Service is %+v, want one inside of the cluster", s.Spec)
	}
	w.change(func(c *endpoints.Config) { c.Mode, c.HostTemplate, c.PortTemplate = endpoints.PodDNS, "", "" })
	w.wantPublished(0, "proxy-0.proxy-headless."+w.namespace+".svc", restPort)
	w.wantServices()
}

// TestServiceAnnotations checks that the configured annotations are written to per-pod Services and
// follow the configuration, and that annotations of others stay.
func TestServiceAnnotations(t *testing.T) {
	const class, dns, theirs = "lb.example.org/internal", "cloud.example.org/scheme", "cloud.example.org/id"
	w := newWorld(t, endpoints.Config{
		Mode: endpoints.LoadBalancer, LoadBalancerClass: class,
		ServiceAnnotations: map[string]string{dns: "{pod}.{namespace}.example.org/{ordinal}", "once.example.org/a": "b"},
	}, 2)
	want := func(want map[string]string) {
		t.Helper()
		testenv.Eventually(t, func() error {
			if got := w.wantService(1).Annotations; !maps.Equal(got, want) {
				return fmt.Errorf("annotations are %v, want %v", got, want)
			}
			return nil
		})
	}
	const list = "signstash.io/service-annotations"
	want(
		map[string]string{
			dns:                  "proxy-1." + w.namespace + ".example.org/1",
			"once.example.org/a": "b",
			list:                 dns + ",once.example.org/a",
		},
	)
	if s := w.wantService(1); s.Spec.LoadBalancerClass == nil || *s.Spec.LoadBalancerClass != class {
		t.Errorf("class is %v, want %s", s.Spec.LoadBalancerClass, class)
	}
	testenv.Eventually(t, func() error {
		s := w.wantService(1)
		s.Annotations[theirs] = "7"
		return w.api.Update(t.Context(), s)
	})
	w.change(func(c *endpoints.Config) {
		c.ServiceAnnotations, c.LoadBalancerClass = map[string]string{dns: "none"}, "lb.example.org/other"
	})
	want(map[string]string{dns: "none", theirs: "7", list: dns})
	w.change(func(c *endpoints.Config) { c.ServiceAnnotations = nil })
	want(map[string]string{theirs: "7"})
	if s := w.wantService(1); *s.Spec.LoadBalancerClass != class {
		t.Errorf("class is %s, and cannot be", *s.Spec.LoadBalancerClass)
	}
}
