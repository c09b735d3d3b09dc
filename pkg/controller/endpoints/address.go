package endpoints

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/hostport"
)

// address is where clients reach a pod. why is set where it is not known.
type address struct {
	host string
	port int
	why  string
}

func unknown(format string, args ...any) address { return address{why: fmt.Sprintf(format, args...)} }

// nodePreference is the order in which a node's addresses are taken: clients outside come first,
// names before numbers.
var nodePreference = []corev1.NodeAddressType{
	corev1.NodeExternalDNS, corev1.NodeExternalIP, corev1.NodeInternalDNS, corev1.NodeInternalIP,
}

// nodeAddress is the address under which clients reach a node; empty if it has none.
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

// balancerAddress is the address that a cloud gave a Service: a name before a number, since
// certificates are made out to names.
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

// restPort is the number of the container port that is named, or given, as the REST port; 0 = the
// pod has none.
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

// world is what the address of a pod depends on.
type world struct {
	services map[string]*corev1.Service // of single pods, ours, by name
	foreign  map[string]bool            // names of such Services that are somebody else's
	faults   map[string]error           // what could not be done, by the name of the Service
	node     func(name string) *corev1.Node
}

// joined are the faults, in the same order every time.
func (w *world) joined() error {
	var all []error
	for _, name := range slices.Sorted(maps.Keys(w.faults)) {
		all = append(all, w.faults[name])
	}
	return errors.Join(all...)
}

// addressOf finds where clients reach a pod. What no client could use is none: nodes and clouds say
// what they like.
func (c *Config) addressOf(p *corev1.Pod, ordinal int, w world) address {
	a := c.find(p, ordinal, w)
	if a.why != "" {
		return address{why: clip(a.why)}
	}
	if _, _, err := hostport.Parse(net.JoinHostPort(a.host, strconv.Itoa(a.port))); err != nil {
		return unknown("%s, port %d: %v", clip(a.host), a.port, err)
	}
	return a
}

// maxWhyBytes bounds a reason: the API server takes notes of events of at most 1 kB
// (events.k8s.io/v1).
const maxWhyBytes = 800

func clip(text string) string {
	if len(text) <= maxWhyBytes {
		return text
	}
	return strings.ToValidUTF8(text[:maxWhyBytes], "") + "…"
}

func (c *Config) find(p *corev1.Pod, ordinal int, w world) address {
	port := restPort(p, c.RESTPort)
	if port == 0 {
		return unknown("the pod has no container port %s", c.RESTPort)
	}
	switch c.Mode {
	case PodDNS:
		return address{host: c.podName(p.Name), port: port}
	case HostTemplate:
		host, err := expandHost(c.HostTemplate, pod{p.Name, p.Namespace, ordinal})
		if err != nil {
			return address{why: err.Error()}
		}
		if port, err = expandPort(c.PortTemplate, ordinal); err != nil {
			return address{why: err.Error()}
		}
		return address{host: host, port: port}
	}
	service := w.services[p.Name]
	switch {
	case w.foreign[p.Name]:
		return unknown("a Service named %s is there and not ours", p.Name)
	case service == nil && w.faults[p.Name] != nil:
		return unknown("%v", w.faults[p.Name])
	case service == nil || len(service.Spec.Ports) == 0:
		return unknown("Service %s is not there yet", p.Name)
	case c.Mode == LoadBalancer:
		if host := balancerAddress(service); host != "" {
			return address{host: host, port: int(service.Spec.Ports[0].Port)}
		}
		return unknown("the load balancer of Service %s has no address", p.Name)
	}
	return nodePortAddress(p, service, w)
}

func nodePortAddress(p *corev1.Pod, service *corev1.Service, w world) address {
	if p.Spec.NodeName == "" {
		return unknown("the pod is on no node yet")
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

// published is the pod's endpoint. Where its address is not known, the others still reach it inside
// of the cluster.
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
