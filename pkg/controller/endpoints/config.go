package endpoints

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// Mode is how clients reach an instance.
type Mode string

const (
	PodDNS       Mode = "PodDNS"       // by the name that the headless Service gives the pod: from inside of the cluster
	NodePort     Mode = "NodePort"     // at the address of the pod's node, on a port of a Service of its own
	LoadBalancer Mode = "LoadBalancer" // at the address of a load balancer of its own
	HostTemplate Mode = "HostTemplate" // at a host and port that an ingress or gateway leads to the pod
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
	return errors.Join(errs...)
}

// perPod says whether every instance has a Service of its own.
func (c *Config) perPod() bool { return c.Mode == NodePort || c.Mode == LoadBalancer }

// podName is the DNS name of a pod, by the headless Service; it is there also while the pod is not ready.
func (c *Config) podName(name string) string {
	host := fmt.Sprintf("%s.%s.%s.svc", name, c.HeadlessService, c.Namespace)
	if c.ClusterDomain != "" {
		host += "." + c.ClusterDomain
	}
	return host
}

// maxOrdinal is the highest that an operation id has room for.
const maxOrdinal = affinity.MaxInstances - 1
