package controller

import (
	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
)

// Config configures the controller. All names are names of objects in Namespace.
type Config struct {
	Namespace          string
	StatefulSet        string // of the proxy; it owns the objects that the controller creates
	ClientsSecret      string // the Secret that is rendered from the Secrets of client services
	TokenKeySecret     string // keeps a copy of the key that signs tokens
	EndpointsConfigMap string // lists the instances and their endpoints
	HeadlessService    string // gives the pods of the proxy their DNS names

	// LeaderElect elects one of several controllers as the leader, with Lease. Only the leader works.
	// Deployment owns the Lease, so that uninstalling removes it. If that Deployment does not exist,
	// the Lease has no owner.
	LeaderElect bool
	Lease       string
	Deployment  string

	// Providers are the names of the configured providers. nil = not known; every name is accepted
	// then.
	Providers []string

	Endpoint Endpoint

	MetricsAddress string // host:port of /metrics; "0" = none
	HealthAddress  string // host:port of /healthz and /readyz; "0" = none

	REST *rest.Config // how to reach the API server
	Log  logr.Logger
}

// Endpoint configures the address at which clients reach an instance.
type Endpoint struct {
	Mode          string // PodDNS, NodePort, LoadBalancer, HostTemplate, Gateway or Ingress
	HostTemplate  string
	PortTemplate  string
	RESTPort      string // name or number of the container port
	ClusterDomain string

	ServiceAnnotations map[string]string // of the per-pod Services
	LoadBalancerClass  string
	NodePortBase       int // node port of ordinal 0 in mode NodePort; 0 = the cluster chooses

	RouteAnnotations map[string]string // of the routes in modes Gateway and Ingress
	RouteKind        string            // in mode Gateway: HTTPRoute or TLSRoute
	Parents          []Parent          // in mode Gateway: where the routes attach
	IngressClass     string
	IngressTLSSecret string   // template of the name of the Secret with the certificate
	IngressWait      bool     // wait until each Ingress has an address
	FormerModes      []string // modes whose routes are removed
}

// Parent names a Gateway, or one listener of it.
type Parent struct {
	Name        string `json:"name"`
	Namespace   string `json:"namespace,omitempty"`
	SectionName string `json:"sectionName,omitempty"`
	Port        int32  `json:"port,omitempty"`
}

// Validate returns all mistakes in c, one per line, or nil.
func (c Config) Validate() error {
	e := endpointsConfig(c)
	return e.Validate()
}
