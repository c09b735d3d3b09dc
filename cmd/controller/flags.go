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

// settings are the values of flags and environment variables.
type settings struct {
	config              controller.Config
	logLevel, logFormat string
	version             bool
}

// invalidError lists all mistakes in the flags.
type invalidError struct{ mistakes []string }

// Error lists the mistakes, one per line if there are several.
func (e *invalidError) Error() string {
	if len(e.mistakes) == 1 {
		return e.mistakes[0]
	}
	return fmt.Sprintf("%d mistakes in the flags:\n  %s", len(e.mistakes), strings.Join(e.mistakes, "\n  "))
}

// declare declares the flags and binds them to s.
func declare(s *settings) *flag.FlagSet {
	f := flag.NewFlagSet("controller", flag.ContinueOnError)
	c := &s.config
	text := func(target *string, name, value, usage string) { f.StringVar(target, name, value, usage) }
	text(&c.Namespace, "namespace", "", "`NAME` of the namespace of the release; required")
	text(&c.StatefulSet, "statefulset", "", "`NAME` of the proxy's StatefulSet; required")
	text(&c.ClientsSecret, "clients-secret", "",
		"`NAME` of the rendered Secret; default: name of the StatefulSet with -clients")
	text(&c.TokenKeySecret, "token-key-secret", "",
		"`NAME` of the Secret with a copy of the token key; default: name of the StatefulSet with -token-key")
	f.Func("providers", "`NAME[,NAME...]` of the configured providers; a client Secret that names another is refused; "+
		"default: every name is accepted",
		func(names string) error { c.Providers = append([]string{}, split(names)...); return nil })
	text(&c.EndpointsConfigMap, "endpoints-configmap", "",
		"`NAME` of the ConfigMap of endpoints; default: name of the StatefulSet with -endpoints")
	text(&c.HeadlessService, "headless-service", "",
		"`NAME` of the proxy's headless Service; default: name of the StatefulSet with -headless")
	text(&c.Lease, "lease", "",
		"`NAME` of the Lease of the leader election; default: name of the StatefulSet with -controller")
	text(&c.Deployment, "deployment", "",
		"`NAME` of the controller's Deployment, which owns the Lease; default: name of the Lease")
	f.BoolVar(&c.LeaderElect, "leader-elect", true,
		"elect one of several controllers as the leader; only the leader works")
	declareEndpoint(&c.Endpoint, f)
	text(&c.MetricsAddress, "metrics-address", ":8082", "`HOST:PORT` of /metrics; 0 = none")
	text(&c.HealthAddress, "health-address", ":8081", "`HOST:PORT` of /healthz and /readyz; 0 = none")
	text(&s.logLevel, "log.level", logInfo, "`LEVEL` of the log: info or debug")
	text(&s.logFormat, "log.format", logJSON, "`FORM` of the log lines on standard error: json or text")
	f.BoolVar(&s.version, "version", false, "print the version")
	return f
}

// split returns the names in a list with commas.
func split(names string) []string {
	return strings.FieldsFunc(names, func(r rune) bool { return r == ',' || r == ' ' })
}

// declareEndpoint declares the flags of the endpoints.
func declareEndpoint(e *controller.Endpoint, f *flag.FlagSet) {
	f.StringVar(&e.Mode, "endpoint-mode", "PodDNS",
		"how clients reach an instance: `MODE` PodDNS, NodePort, LoadBalancer, HostTemplate, Gateway or Ingress")
	f.StringVar(&e.HostTemplate, "host-template", "",
		"`HOST` of an instance in modes HostTemplate, Gateway and Ingress, with {pod}, {ordinal} and {namespace}")
	f.StringVar(&e.PortTemplate, "port-template", "",
		"`PORT` of an instance in these modes, such as 443 or 9000+{ordinal}")
	f.StringVar(&e.RESTPort, "rest-port", "rest", "`PORT` of REST in the proxy's container: name or number")
	f.StringVar(&e.ClusterDomain, "cluster-domain", "cluster.local", "`DOMAIN` of the cluster's DNS")
	f.Func("service-annotations",
		"annotations of the per-pod Services: `JSON` object of strings, with {pod}, {ordinal} and {namespace} in the values",
		func(text string) error { return json.Unmarshal([]byte(text), &e.ServiceAnnotations) })
	f.IntVar(&e.NodePortBase, "node-port-base", 0,
		"node port of the first instance in mode NodePort, `PORT`; instance n has PORT + n; 0 = the cluster chooses")
	f.StringVar(&e.LoadBalancerClass, "load-balancer-class", "",
		"`CLASS` of the load balancers in mode LoadBalancer; default: the cluster's default")
	declareRoutes(e, f)
}

// declareRoutes declares the flags of the routes in modes Gateway and Ingress.
func declareRoutes(e *controller.Endpoint, f *flag.FlagSet) {
	f.StringVar(&e.RouteKind, "route-kind", "HTTPRoute",
		"`KIND` of the route of each instance in mode Gateway: HTTPRoute, or TLSRoute to pass TLS through")
	f.Func("gateway-parents",
		"where the routes attach in mode Gateway: `JSON` list of {name, namespace, sectionName, port}",
		func(text string) error {
			d := json.NewDecoder(strings.NewReader(text))
			d.DisallowUnknownFields()
			e.Parents = nil
			return d.Decode(&e.Parents)
		})
	f.Func("route-annotations",
		"annotations of the routes: `JSON` object of strings, with {pod}, {ordinal} and {namespace} in the values",
		func(text string) error { return json.Unmarshal([]byte(text), &e.RouteAnnotations) })
	f.StringVar(&e.IngressClass, "ingress-class", "", "`CLASS` of the Ingresses; default: the cluster's default")
	f.StringVar(&e.IngressTLSSecret, "ingress-tls-secret", "",
		"`NAME` of the Secret with an instance's certificate in mode Ingress, with {pod}, {ordinal} and {namespace}; "+
			"default: no TLS")
	f.BoolVar(&e.IngressWait, "ingress-wait", true,
		"publish an instance in mode Ingress only when its Ingress has an address")
	f.Func("former-modes", "`MODE[,MODE...]` Gateway and Ingress: modes that were used before, whose routes are removed",
		func(modes string) error { e.FormerModes = split(modes); return nil })
}

// parse reads the flags in args, and those that args do not give from env: flag host-template is
// the variable HOST_TEMPLATE. It writes help to stdout. The error is an *invalidError or
// flag.ErrHelp.
func parse(args, env []string, stdout io.Writer) (settings, error) {
	var s settings
	f := declare(&s)
	f.SetOutput(io.Discard) // mistakes are returned
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		f.SetOutput(stdout)
		fmt.Fprintf(stdout, "controller gives client credentials and endpoints to the instances of the proxy.\n\n"+
			"Every flag can also be an environment variable: --host-template is HOST_TEMPLATE. A flag takes precedence.\n\n")
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

// fromEnv sets the flags that were not given from env, and returns the mistakes.
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

// complete derives the names that were not given from the name of the StatefulSet.
func (s *settings) complete() {
	c := &s.config
	for _, one := range []struct {
		name   *string
		suffix string
	}{
		{&c.ClientsSecret, "-clients"}, {&c.TokenKeySecret, "-token-key"}, {&c.EndpointsConfigMap, "-endpoints"},
		{&c.HeadlessService, "-headless"}, {&c.Lease, "-controller"},
	} {
		if *one.name == "" {
			*one.name = c.StatefulSet + one.suffix
		}
	}
	if c.Deployment == "" {
		c.Deployment = c.Lease
	}
}

// check returns the mistakes in s.
func (s *settings) check() []string {
	var mistakes []string
	if s.config.Namespace == "" {
		mistakes = append(mistakes, "flag --namespace is required")
	}
	if s.config.StatefulSet == "" {
		mistakes = append(mistakes, "flag --statefulset is required")
	}
	if len(mistakes) == 0 { // otherwise Validate would report them a second time
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
