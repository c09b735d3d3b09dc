package endpoints

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// modeAnnotation of a pod names the mode of the address in its EndpointAnnotation. After a change
// of the mode, a pod keeps its address until the one of the new mode is known. The Service that
// this address needs keeps it too. Everything about the change is in the annotations of the pods
// and in the Services, so that a controller can start in the middle of it.
const modeAnnotation = "signstash.io/endpoint-mode"

// formerAddress returns the address at which a pod is published, if that is one of another mode
// than the present one. It returns false if there is none, or if it is known that the address does
// not work any more. An address that an earlier release has published counts as one of the present
// mode.
func (c *Config) formerAddress(p *corev1.Pod, w cluster) (address, bool) {
	own, mode := publishedAs(p)
	if mode == "" || mode == c.Mode || condition(p).Status != corev1.ConditionTrue {
		return address{}, false
	}
	service := w.services[p.Name]
	switch {
	case mode == PodDNS || mode.templated():
	case service == nil || len(service.Spec.Ports) == 0:
		return address{}, false
	case mode == NodePort && int(service.Spec.Ports[0].NodePort) != own.Port,
		mode == LoadBalancer && balancerAddress(service) != own.Host:
		return address{}, false
	}
	return address{host: own.Host, port: own.Port, mode: mode}, true
}

// publishedAs returns what is published about a pod, and in which mode. The mode is empty if
// nothing is published, or if the annotation belongs to an earlier pod.
func publishedAs(p *corev1.Pod) (affinity.Published, Mode) {
	own, err := affinity.DecodePublished([]byte(p.Annotations[affinity.EndpointAnnotation]))
	if err != nil || own.Instance != string(p.UID) {
		return affinity.Published{}, ""
	}
	return own, Mode(p.Annotations[modeAnnotation])
}

// moving returns the names of the pods that are still published at the address of another mode.
func (c *Config) moving(instances []instance) map[string]bool {
	names := make(map[string]bool)
	for _, i := range instances {
		if _, mode := publishedAs(i.Pod); mode != "" && mode != c.Mode {
			names[i.Name] = true
		}
	}
	return names
}

// serviceType returns the type of the per-pod Services of the mode.
func (c *Config) serviceType() corev1.ServiceType {
	switch c.Mode {
	case NodePort:
		return corev1.ServiceTypeNodePort
	case LoadBalancer:
		return corev1.ServiceTypeLoadBalancer
	}
	return corev1.ServiceTypeClusterIP // an ingress or gateway routes to it
}

// reach orders the types of Services: each type also has the addresses of those before it.
func reach(t corev1.ServiceType) int {
	switch t {
	case corev1.ServiceTypeNodePort:
		return 1
	case corev1.ServiceTypeLoadBalancer:
		return 2
	}
	return 0
}

// addNodePort lets a load balancer have a node port too, if it has none and the mode is NodePort,
// so that the new address exists before the load balancer is given back.
func (r *reconciler) addNodePort(ctx context.Context, w *cluster, s *corev1.Service) error {
	if r.config.Mode != NodePort || len(s.Spec.Ports) != 1 || s.Spec.Ports[0].NodePort != 0 {
		return nil
	}
	yes, next := true, s.DeepCopy()
	next.Spec.AllocateLoadBalancerNodePorts = &yes
	r.config.setNodePort(next)
	if err := r.client.Update(ctx, next); err != nil {
		return fmt.Errorf("give Service %s a node port: %w", s.Name, err)
	}
	w.services[s.Name] = next
	return nil
}
