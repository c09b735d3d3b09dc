package endpoints_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/endpoints"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

func ingressConfig() endpoints.Config {
	return endpoints.Config{
		Mode: endpoints.Ingress, HostTemplate: "{pod}.example.org", PortTemplate: "443",
		Routes: endpoints.Routes{
			IngressClass: "public", TLSSecret: "{pod}-tls",
			Annotations: map[string]string{"issuer.example.org/name": "{ordinal}"},
		},
	}
}

func (w *world) ingress(ordinal int) *networkingv1.Ingress {
	w.t.Helper()
	i := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: podName(ordinal)}}
	w.get(i)
	return i
}

// TestIngressMode checks what each Ingress says, that a pod waits for the address of its Ingress,
// and that changes are undone.
func TestIngressMode(t *testing.T) {
	w := newWorld(t, ingressConfig(), 1)
	w.pod(0, "")
	waits := "Ingress proxy-0 of class public has no address"
	w.wantClosed(0, "EndpointPending", waits)
	i := w.ingress(0)
	rule, tls := i.Spec.Rules[0], i.Spec.TLS[0]
	path := rule.HTTP.Paths[0]
	if *i.Spec.IngressClassName != "public" || rule.Host != "proxy-0.example.org" || tls.Hosts[0] != rule.Host ||
		tls.SecretName != "proxy-0-tls" || path.Path != "/" || path.Backend.Service.Name != "proxy-0" ||
		path.Backend.Service.Port.Number != restPort || i.Annotations["issuer.example.org/name"] != "0" {
		t.Errorf("the Ingress is %+v with %v", i.Spec, i.Annotations)
	}
	answer := func(addresses ...networkingv1.IngressLoadBalancerIngress) {
		t.Helper()
		testenv.Eventually(t, func() error {
			i := w.ingress(0)
			i.Status.LoadBalancer.Ingress = addresses
			return w.api.Status().Update(t.Context(), i)
		})
	}
	answer(networkingv1.IngressLoadBalancerIngress{IP: "192.0.2.50"})
	w.wantPublished(0, "proxy-0.example.org", 443)
	version := w.ingress(0).ResourceVersion
	w.look()
	w.look()
	if got := w.ingress(0).ResourceVersion; got != version {
		t.Errorf("the Ingress was written without a reason: %s, then %s", version, got)
	}
	answer()
	w.wantClosed(0, "EndpointLost", waits)
	w.wantEvent(0, corev1.EventTypeWarning, "EndpointLost", "it takes no new work: "+waits)
	w.change(func(c *endpoints.Config) { c.Routes.IngressNoWait = true })
	w.wantPublished(0, "proxy-0.example.org", 443)
	w.remove(w.ingress(0))
	w.wantRoutes(&networkingv1.IngressList{}, "proxy-0")
	w.change(func(c *endpoints.Config) {
		*c = endpoints.Config{
			Namespace: c.Namespace, StatefulSet: c.StatefulSet, EndpointsConfigMap: c.EndpointsConfigMap,
			HeadlessService: c.HeadlessService, RESTPort: c.RESTPort, Mode: endpoints.PodDNS,
			Routes: endpoints.Routes{FormerModes: []endpoints.Mode{endpoints.Ingress}},
		}
	})
	w.wantPublished(0, w.dns(0), restPort)
	w.wantRoutes(&networkingv1.IngressList{})
}
