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

// Mode is how clients reach an instance.
type Mode string

const (
	PodDNS       Mode = "PodDNS"       // by the name that the headless Service gives the pod: from inside of the cluster
	NodePort     Mode = "NodePort"     // at the address of the pod's node, on a port of a Service of its own
	LoadBalancer Mode = "LoadBalancer" // at the address of a load balancer of its own
	HostTemplate Mode = "HostTemplate" // at a host and port that an ingress or gateway leads to a Service of its own
)

// Config says whose endpoints are published, and how. All names are those of objects in Namespace.
type Config struct {
	Namespace          string
	StatefulSet        string // of the proxy: owns what is made here
	EndpointsConfigMap string // takes the directory
	HeadlessService    string // gives pods their names
	ClusterDomain      string // of the cluster's DNS; empty = names end with svc

	Mode         Mode
	HostTemplate string // with HostTemplate: {pod}, {ordinal} and {namespace} stand for the pod's
	PortTemplate string // with HostTemplate: a number, or a number+{ordinal}
	RESTPort     string // name or number of the container port

	// ServiceAnnotations go onto the Services of single pods; {pod}, {ordinal} and {namespace} in a
	// value stand for the pod's.
	ServiceAnnotations map[string]string
	// LoadBalancerClass says who makes load balancers, with LoadBalancer; empty = the cluster's
	// default. It cannot be changed later.
	LoadBalancerClass string

	Metrics prometheus.Registerer // nil = none
}

// Validate returns all mistakes at once.
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
			errs = append(errs, fmt.Errorf("templates of host and port belong to mode %s, not to %s", HostTemplate, c.Mode))
		}
	case HostTemplate:
		_, hostErr := expandHost(c.HostTemplate, pod{name: c.StatefulSet + "-0", namespace: c.Namespace})
		_, portErr := expandPort(c.PortTemplate, 0)
		errs = append(errs, hostErr, portErr)
	default:
		errs = append(errs, fmt.Errorf("mode %q is none of PodDNS, NodePort, LoadBalancer and HostTemplate", c.Mode))
	}
	return errors.Join(append(errs, c.validateServices()...)...)
}

// validateServices returns the mistakes in what is said of the Services of single pods.
func (c *Config) validateServices() (errs []error) {
	if len(c.ServiceAnnotations) > 0 && !c.perPod() {
		errs = append(errs, fmt.Errorf("mode %s has no Services of single pods that could be annotated", c.Mode))
	}
	for _, key := range slices.Sorted(maps.Keys(c.ServiceAnnotations)) {
		if why := validation.IsQualifiedName(strings.ToLower(key)); len(why) > 0 {
			errs = append(errs, fmt.Errorf("annotation %q of the Services of single pods: %s", key, strings.Join(why, "; ")))
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

// perPod says whether every instance has a Service of its own.
func (c *Config) perPod() bool { return c.Mode != PodDNS }

// podName is the DNS name of a pod, by the headless Service; it is there also while the pod is not
// ready.
func (c *Config) podName(name string) string {
	host := fmt.Sprintf("%s.%s.%s.svc", name, c.HeadlessService, c.Namespace)
	if c.ClusterDomain != "" {
		host += "." + c.ClusterDomain
	}
	return host
}

// maxOrdinal is the highest that an operation id has room for.
const maxOrdinal = affinity.MaxInstances - 1
