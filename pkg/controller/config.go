package controller

import (
	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
)

// Config is what the controller has to know. All names are those of objects in Namespace.
type Config struct {
	Namespace          string
	StatefulSet        string // of the proxy: owns what is made here
	ClientsSecret      string // is rendered from the Secrets of client services
	EndpointsConfigMap string // says who is who among the instances
	HeadlessService    string // gives the proxy's pods their names in DNS

	// LeaderElect makes several controllers agree, by Lease, on the one that works. Deployment owns
	// the Lease, so that it goes with it; without such a Deployment nobody does.
	LeaderElect bool
	Lease       string
	Deployment  string

	Endpoint Endpoint

	MetricsAddress string // host:port of /metrics; "0" = none
	HealthAddress  string // host:port of /healthz and /readyz; "0" = none

	REST *rest.Config // how to reach the API server
	Log  logr.Logger
}

// Endpoint says under which address clients reach an instance.
type Endpoint struct {
	Mode          string // PodDNS, NodePort, LoadBalancer or HostTemplate
	HostTemplate  string
	PortTemplate  string
	RESTPort      string // name or number of the container port
	ClusterDomain string

	ServiceAnnotations map[string]string // of the Services of single pods
	LoadBalancerClass  string
}

// Validate returns all mistakes at once, one a line.
func (c Config) Validate() error {
	e := endpointsConfig(c)
	return e.Validate()
}
