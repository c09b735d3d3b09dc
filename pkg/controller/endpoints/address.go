package endpoints

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/kube"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/hostport"
)

// address is where clients reach a pod. If the address is not known, why says the reason.
type address struct {
	host string
	port int
	why  string

	mode  Mode   // of the address, which may be a former one
	waits string // why a pod keeps its address of a former mode; empty = the mode is the present one

	refused bool // with why: somebody has to change something
	undated bool // with why: nobody has judged the present state yet, so that it may be as before
}

func unknown(format string, args ...any) address { return address{why: fmt.Sprintf(format, args...)} }

// nodePreference is the order in which the addresses of a node are tried: external before internal,
// names before IP addresses.
var nodePreference = []corev1.NodeAddressType{
	corev1.NodeExternalDNS, corev1.NodeExternalIP, corev1.NodeInternalDNS, corev1.NodeInternalIP,
}

// nodeAddress returns the address at which clients reach a node, or an empty text if it has none.
func nodeAddress(node *corev1.Node) string {
	for _, want := range nodePreference {
		for _, a := range node.Status.Addresses {
			if a.Type == want && a.Address != "" {
				return a.Address
			}
		}
	}
	return ""
}

// balancerAddress returns the address of the load balancer of a Service, or an empty text if there
// is none. It prefers a name to an IP address, because certificates are issued for names.
func balancerAddress(service *corev1.Service) string {
	for _, in := range service.Status.LoadBalancer.Ingress {
		if in.Hostname != "" {
			return in.Hostname
		}
	}
	for _, in := range service.Status.LoadBalancer.Ingress {
		if in.IP != "" {
			return in.IP
		}
	}
	return ""
}

// restPort returns the number of the REST port. name is the name of a container port or a number.
// It returns 0 if the pod has no such port.
func restPort(p *corev1.Pod, name string) int {
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n < 65536 {
		return n
	}
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == name {
				return int(port.ContainerPort)
			}
		}
	}
	return 0
}

// cluster holds the objects that the address of a pod depends on.
type cluster struct {
	services map[string]*corev1.Service // our per-pod Services, by name
	foreign  map[string]bool            // names of per-pod Services that somebody else owns
	faults   map[string]error           // errors by the name of the Service, or by kind and name of another object
	verdicts map[string]verdict         // what routes to our per-pod Services, by name of the pod
	node     func(name string) *corev1.Node
}

// joined returns all faults as one error, ordered by name.
func (w *cluster) joined() error {
	var all []error
	for _, name := range slices.Sorted(maps.Keys(w.faults)) {
		all = append(all, w.faults[name])
	}
	return errors.Join(all...)
}

// addressOf returns where clients reach a pod. While the address of the present mode is not known,
// it is the address of the former mode.
func (c *Config) addressOf(p *corev1.Pod, ordinal int, w cluster) address {
	a := c.presentAddress(p, ordinal, w)
	a.mode = c.Mode
	if a.why == "" {
		return a
	}
	if own, mode := publishedAs(p); a.undated && mode == c.Mode && condition(p).Status == corev1.ConditionTrue {
		return address{host: own.Host, port: own.Port, mode: mode}
	}
	if former, ok := c.formerAddress(p, w); ok {
		former.waits = a.why
		return former
	}
	return a
}

// presentAddress returns the address of a pod in the present mode. It checks that the address is
// valid, because nodes and cloud providers can report anything.
func (c *Config) presentAddress(p *corev1.Pod, ordinal int, w cluster) address {
	a := c.find(p, ordinal, w)
	if a.why != "" {
		a.why = kube.Note(a.why)
		return a
	}
	if _, _, err := hostport.Parse(net.JoinHostPort(a.host, strconv.Itoa(a.port))); err != nil {
		return unknown("%s, port %d: %v", kube.Note(a.host), a.port, err)
	}
	return a
}

func (c *Config) find(p *corev1.Pod, ordinal int, w cluster) address {
	port := restPort(p, c.RESTPort)
	if port == 0 {
		return unknown("the pod has no container port %s", c.RESTPort)
	}
	switch c.Mode {
	case PodDNS:
		return address{host: c.podName(p.Name), port: port}
	case HostTemplate:
		return c.templateAddress(p, ordinal)
	}
	service := w.services[p.Name]
	switch {
	case w.foreign[p.Name]:
		return unknown("a Service named %s exists, and the controller does not own it", p.Name)
	case service == nil && w.faults[p.Name] != nil:
		return unknown("%v", w.faults[p.Name])
	case service == nil || len(service.Spec.Ports) == 0:
		return unknown("Service %s does not exist yet", p.Name)
	case c.Mode.routed():
		return c.routedAddress(p, ordinal, w)
	case c.Mode == LoadBalancer:
		if host := balancerAddress(service); host != "" {
			return address{host: host, port: int(service.Spec.Ports[0].Port)}
		}
		return unknown("the load balancer of Service %s has no address", p.Name)
	}
	return nodePortAddress(p, service, w)
}

// templateAddress returns the address that the templates give.
func (c *Config) templateAddress(p *corev1.Pod, ordinal int) address {
	host, err := expandHost(c.HostTemplate, pod{p.Name, p.Namespace, ordinal})
	if err != nil {
		return address{why: err.Error()}
	}
	port, err := expandPort(c.PortTemplate, ordinal)
	if err != nil {
		return address{why: err.Error()}
	}
	return address{host: host, port: port}
}

// routedAddress returns the address that the templates give, once something routes it to the pod.
func (c *Config) routedAddress(p *corev1.Pod, ordinal int, w cluster) address {
	v, known := w.verdicts[p.Name]
	if !known {
		return unknown("nothing routes to Service %s yet", p.Name)
	}
	if v.why != "" {
		return address{why: v.why, refused: v.refused, undated: v.undated}
	}
	return c.templateAddress(p, ordinal)
}

func nodePortAddress(p *corev1.Pod, service *corev1.Service, w cluster) address {
	if p.Spec.NodeName == "" {
		return unknown("the pod is not scheduled to a node yet")
	}
	port := service.Spec.Ports[0].NodePort
	if port == 0 {
		return unknown("Service %s has no node port", p.Name)
	}
	node := w.node(p.Spec.NodeName)
	if node == nil {
		return unknown("node %s is gone", p.Spec.NodeName)
	}
	host := nodeAddress(node)
	if host == "" {
		return unknown("node %s has no address", p.Spec.NodeName)
	}
	return address{host: host, port: int(port)}
}

// published returns the endpoint of a pod. If its address is not known, the other instances still
// reach the pod inside the cluster.
func (c *Config) published(p *corev1.Pod, ordinal int, a address) affinity.Published {
	internal := c.podName(p.Name)
	port := restPort(p, c.RESTPort)
	if a.why != "" {
		a.host, a.port = internal, port
	}
	return affinity.Published{
		Name: p.Name, Ordinal: ordinal, Instance: string(p.UID), Host: a.host, Port: a.port, Unreachable: a.why != "",
		Internal: fmt.Sprintf("%s:%d", internal, port),
	}
}
