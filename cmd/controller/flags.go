package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller"
)

// Values of the log flags.
const (
	logInfo, logDebug = "info", "debug"
	logJSON, logText  = "json", "text"
)

// settings are what flags and environment say.
type settings struct {
	config              controller.Config
	logLevel, logFormat string
	version             bool
}

// invalidError is everything wrong with the flags.
type invalidError struct{ mistakes []string }

// Error lists the mistakes, one a line if there are several.
func (e *invalidError) Error() string {
	if len(e.mistakes) == 1 {
		return e.mistakes[0]
	}
	return fmt.Sprintf("%d mistakes in the flags:\n  %s", len(e.mistakes), strings.Join(e.mistakes, "\n  "))
}

// declare binds the flags to s.
func declare(s *settings) *flag.FlagSet {
	f := flag.NewFlagSet("controller", flag.ContinueOnError)
	c := &s.config
	f.StringVar(&c.Namespace, "namespace", "", "`NAME` of the namespace of the release; needed")
	f.StringVar(&c.StatefulSet, "statefulset", "", "`NAME` of the proxy's StatefulSet; needed")
	f.StringVar(
		&c.ClientsSecret,
		"clients-secret",
		"",
		"`NAME` of the rendered Secret; default: that of the StatefulSet with -clients",
	)
	f.StringVar(
		&c.EndpointsConfigMap,
		"endpoints-configmap",
		"",
		"`NAME` of the ConfigMap of endpoints; default: that of the StatefulSet with -endpoints",
	)
	f.StringVar(
		&c.HeadlessService,
		"headless-service",
		"",
		"`NAME` of the proxy's headless Service; default: that of the StatefulSet with -headless",
	)
	f.StringVar(
		&c.Lease,
		"lease",
		"",
		"`NAME` of the Lease that the leader holds; default: that of the StatefulSet with -controller",
	)
	f.StringVar(
		&c.Deployment,
		"deployment",
		"",
		"`NAME` of the controller's Deployment, which owns the Lease; default: the Lease's",
	)
	f.BoolVar(&c.LeaderElect, "leader-elect", true, "let one of several controllers work")
	f.StringVar(
		&c.Endpoint.Mode,
		"endpoint-mode",
		"PodDNS",
		"how clients reach an instance: `MODE` PodDNS, NodePort, LoadBalancer or HostTemplate",
	)
	f.StringVar(
		&c.Endpoint.HostTemplate,
		"host-template",
		"",
		"`HOST` of an instance in mode HostTemplate, with {pod}, {ordinal} and {namespace}",
	)
	f.StringVar(
		&c.Endpoint.PortTemplate,
		"port-template",
		"",
		"`PORT` of an instance in mode HostTemplate, such as 443 or 9000+{ordinal}",
	)
	f.StringVar(&c.Endpoint.RESTPort, "rest-port", "rest", "`PORT` of REST in the proxy's container: name or number")
	f.StringVar(&c.Endpoint.ClusterDomain, "cluster-domain", "cluster.local", "`DOMAIN` of the cluster's DNS")
	f.Func(
		"service-annotations",
		"annotations of the Services of single pods: `JSON` object of strings, with {pod}, {ordinal} and {namespace} in the values",
		func(text string) error { return json.Unmarshal([]byte(text), &c.Endpoint.ServiceAnnotations) },
	)
	f.StringVar(
		&c.Endpoint.LoadBalancerClass,
		"load-balancer-class",
		"",
		"`CLASS` of the load balancers in mode LoadBalancer; default: the cluster's",
	)
	f.StringVar(&c.MetricsAddress, "metrics-address", ":8082", "`HOST:PORT` of /metrics; 0 = none")
	f.StringVar(&c.HealthAddress, "health-address", ":8081", "`HOST:PORT` of /healthz and /readyz; 0 = none")
	f.StringVar(&s.logLevel, "log.level", logInfo, "`LEVEL` of what is logged: info or debug")
	f.StringVar(&s.logFormat, "log.format", logJSON, "`FORM` of the log lines on standard error: json or text")
	f.BoolVar(&s.version, "version", false, "print the version")
	return f
}

// parse reads args, and env for what args leave out: flag host-template is HOST_TEMPLATE there.
// Help goes to stdout.
func parse(args, env []string, stdout io.Writer) (settings, error) {
	var s settings
	f := declare(&s)
	f.SetOutput(io.Discard) // mistakes are returned
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		f.SetOutput(stdout)
		fmt.Fprintf(stdout, "controller makes client credentials and endpoints known to the instances of the proxy.\n\n"+
			"Every flag is an environment variable too: --host-template is HOST_TEMPLATE. The flag decides.\n\n")
		f.PrintDefaults()
		return s, err
	}
	if err != nil {
		return s, &invalidError{[]string{err.Error()}}
	}
	if s.version {
		return s, nil
	}
	mistakes := fromEnv(f, env)
	if f.NArg() > 0 {
		mistakes = append(mistakes, fmt.Sprintf("unexpected argument %q", f.Arg(0)))
	}
	s.complete()
	if mistakes = append(mistakes, s.check()...); len(mistakes) > 0 {
		return s, &invalidError{mistakes}
	}
	return s, nil
}

// fromEnv sets the flags that were not given, and returns the mistakes.
func fromEnv(f *flag.FlagSet, env []string) []string {
	given := map[string]bool{"version": true}
	f.Visit(func(one *flag.Flag) { given[one.Name] = true })
	values := map[string]string{}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		values[name] = value
	}
	var mistakes []string
	f.VisitAll(func(one *flag.Flag) {
		variable := strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(one.Name))
		value := values[variable]
		if given[one.Name] || value == "" {
			return
		}
		if err := f.Set(one.Name, value); err != nil {
			mistakes = append(mistakes, fmt.Sprintf("environment variable %s: %v", variable, err))
		}
	})
	return mistakes
}

// complete derives names from that of the StatefulSet.
func (s *settings) complete() {
	c := &s.config
	for _, one := range []struct {
		name   *string
		suffix string
	}{
		{&c.ClientsSecret, "-clients"}, {&c.EndpointsConfigMap, "-endpoints"}, {&c.HeadlessService, "-headless"}, {&c.Lease, "-controller"},
	} {
		if *one.name == "" {
			*one.name = c.StatefulSet + one.suffix
		}
	}
	if c.Deployment == "" {
		c.Deployment = c.Lease
	}
}

// check returns what is wrong.
func (s *settings) check() []string {
	var mistakes []string
	if s.config.Namespace == "" {
		mistakes = append(mistakes, "flag --namespace is needed")
	}
	if s.config.StatefulSet == "" {
		mistakes = append(mistakes, "flag --statefulset is needed")
	}
	if len(mistakes) == 0 { // else they would be told twice
		if err := s.config.Validate(); err != nil {
			mistakes = append(mistakes, strings.Split(err.Error(), "\n")...)
		}
	}
	if !slices.Contains([]string{logInfo, logDebug}, s.logLevel) {
		mistakes = append(mistakes, fmt.Sprintf("--log.level: want info or debug, not %q", s.logLevel))
	}
	if !slices.Contains([]string{logJSON, logText}, s.logFormat) {
		mistakes = append(mistakes, fmt.Sprintf("--log.format: want json or text, not %q", s.logFormat))
	}
	return mistakes
}
