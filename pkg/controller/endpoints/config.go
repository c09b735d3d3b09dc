package endpoints

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// Mode says how clients reach an instance.
type Mode string

const (
	PodDNS       Mode = "PodDNS"       // at the pod's DNS name of the headless Service, from inside the cluster
	NodePort     Mode = "NodePort"     // at the address of the pod's node, on the node port of a per-pod Service
	LoadBalancer Mode = "LoadBalancer" // at the address of a per-pod load balancer
	HostTemplate Mode = "HostTemplate" // at a host and port that somebody else routes to a per-pod Service
	Gateway      Mode = "Gateway"      // at a host of a Gateway, by a route of each instance to its Service
	Ingress      Mode = "Ingress"      // at a host of an ingress controller, by an Ingress of each instance
)

// templated reports whether host and port come from templates.
func (m Mode) templated() bool { return m == HostTemplate || m.routed() }

// routed reports whether every instance has an object that routes a host to its Service.
func (m Mode) routed() bool { return m == Gateway || m == Ingress }

// Config says which endpoints are published, and how. All names are names of objects in Namespace.
type Config struct {
	Namespace          string
	StatefulSet        string // of the proxy; it owns the objects that are created here
	EndpointsConfigMap string // holds the directory
	HeadlessService    string // gives pods their DNS names
	ClusterDomain      string // DNS domain of the cluster; empty = names end with svc

	Mode         Mode
	HostTemplate string // with HostTemplate, Gateway and Ingress: {pod}, {ordinal} and {namespace} stand for the pod's
	PortTemplate string // with these modes: a number, or a number+{ordinal}
	RESTPort     string // name or number of the container port

	// ServiceAnnotations are added to the per-pod Services. {pod}, {ordinal} and {namespace} in a
	// value are replaced by those of the pod.
	ServiceAnnotations map[string]string
	// LoadBalancerClass is the class of the load balancers in mode LoadBalancer. Empty means the
	// cluster's default. Kubernetes does not allow to change it later.
	LoadBalancerClass string
	// NodePortBase is the node port of ordinal 0 in mode NodePort; ordinal n has NodePortBase + n.
	// 0 = the cluster chooses the ports.
	NodePortBase int

	Routes Routes // with Gateway and Ingress

	Metrics prometheus.Registerer // nil = none
}

// Validate returns all mistakes in c, joined, or nil.
func (c *Config) Validate() error {
	var errs []error
	for _, one := range [][2]string{
		{"namespace", c.Namespace}, {"StatefulSet", c.StatefulSet}, {"endpoints ConfigMap", c.EndpointsConfigMap},
		{"headless Service", c.HeadlessService}, {"REST port", c.RESTPort},
	} {
		if one[1] == "" {
			errs = append(errs, fmt.Errorf("%s is not named", one[0]))
		}
	}
	switch c.Mode {
	case PodDNS, NodePort, LoadBalancer:
		if c.HostTemplate != "" || c.PortTemplate != "" {
			errs = append(errs, fmt.Errorf("templates of host and port belong to modes %s, %s and %s, not to %s", HostTemplate,
				Gateway, Ingress, c.Mode))
		}
	case HostTemplate, Gateway, Ingress:
		_, hostErr := expandHost(c.HostTemplate, pod{name: c.StatefulSet + "-0", namespace: c.Namespace})
		_, portErr := expandPort(c.PortTemplate, 0)
		errs = append(errs, hostErr, portErr)
	default:
		errs = append(errs,
			fmt.Errorf("mode %q is not PodDNS, NodePort, LoadBalancer, HostTemplate, Gateway or Ingress", c.Mode))
	}
	errs = append(errs, c.validateNodePorts())
	errs = append(errs, c.validateServices()...)
	return errors.Join(append(errs, c.validateRoutes()...)...)
}

// validateServices returns the mistakes in the settings of the per-pod Services.
func (c *Config) validateServices() (errs []error) {
	if len(c.ServiceAnnotations) > 0 && !c.perPod() {
		errs = append(errs, fmt.Errorf("mode %s has no per-pod Services to annotate", c.Mode))
	}
	for _, key := range slices.Sorted(maps.Keys(c.ServiceAnnotations)) {
		if why := validation.IsQualifiedName(strings.ToLower(key)); len(why) > 0 {
			errs = append(errs, fmt.Errorf("annotation %q of the per-pod Services: %s", key, strings.Join(why, "; ")))
		}
	}
	if c.LoadBalancerClass == "" {
		return errs
	}
	if c.Mode != LoadBalancer {
		errs = append(errs, fmt.Errorf("a load balancer class belongs to mode %s, not to %s", LoadBalancer, c.Mode))
	}
	if why := validation.IsQualifiedName(c.LoadBalancerClass); len(why) > 0 {
		errs = append(errs, fmt.Errorf("load balancer class %q: %s", c.LoadBalancerClass, strings.Join(why, "; ")))
	}
	return errs
}

// perPod reports whether every instance has its own Service.
func (c *Config) perPod() bool { return c.Mode != PodDNS }

// podName returns the DNS name of a pod in the headless Service. The name exists even while the pod
// is not ready.
func (c *Config) podName(name string) string {
	host := fmt.Sprintf("%s.%s.%s.svc", name, c.HeadlessService, c.Namespace)
	if c.ClusterDomain != "" {
		host += "." + c.ClusterDomain
	}
	return host
}

// maxOrdinal is the highest ordinal that fits into an operation id.
const maxOrdinal = affinity.MaxInstances - 1
