package endpoints_test

import (
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/endpoints"
)

// TestValidateRoutes checks that each mistake in the settings of routes is named.
func TestValidateRoutes(t *testing.T) {
	complete := func(c endpoints.Config) endpoints.Config {
		c.Namespace, c.StatefulSet, c.EndpointsConfigMap, c.HeadlessService, c.RESTPort = "n", "s", "e", "h", "rest"
		return c
	}
	for _, good := range []endpoints.Config{gatewayConfig("HTTPRoute"), gatewayConfig("TLSRoute"), ingressConfig()} {
		good = complete(good)
		if err := good.Validate(); err != nil {
			t.Errorf("Validate of mode %s = %v", good.Mode, err)
		}
	}
	for want, damage := range map[string]func(*endpoints.Config){
		`kind of routes "TCPRoute" is neither HTTPRoute nor TLSRoute`: func(c *endpoints.Config) {
			c.Routes.Kind = "TCPRoute"
		},
		"mode Gateway needs a parent": func(c *endpoints.Config) {
			c.Routes.Parents = nil
		},
		"must contain {ordinal} or {pod}": func(c *endpoints.Config) {
			c.HostTemplate = "sign.example.org"
		},
		`gives "192.0.2.0:`: func(c *endpoints.Config) {
			c.HostTemplate = "192.0.2.{ordinal}:"
		},
		`gives "SIGN-0.example.org"`: func(c *endpoints.Config) {
			c.HostTemplate = "SIGN-{ordinal}.example.org"
		},
		"parent Not valid: ": func(c *endpoints.Config) {
			c.Routes.Parents[0] = endpoints.Parent{Name: "Not valid"}
		},
		"parent g, port 70000: ": func(c *endpoints.Config) {
			c.Routes.Parents[0] = endpoints.Parent{Name: "g", Port: 70000}
		},
		`annotation "a b" of the routes`: func(c *endpoints.Config) {
			c.Routes.Annotations["a b"] = ""
		},
		`former mode "NodePort" is neither`: func(c *endpoints.Config) {
			c.Routes.FormerModes = []endpoints.Mode{"NodePort"}
		},
		`port template "" is neither`: func(c *endpoints.Config) {
			c.PortTemplate = ""
		},
		`ingress class "A B"`: func(c *endpoints.Config) {
			*c = complete(ingressConfig())
			c.Routes.IngressClass = "A B"
		},
		`TLS Secret of the Ingresses "s-0_tls"`: func(c *endpoints.Config) {
			*c = complete(ingressConfig())
			c.Routes.TLSSecret = "{pod}_tls"
		},
		"mode NodePort has no routes to annotate": func(c *endpoints.Config) {
			c.Mode, c.HostTemplate, c.PortTemplate = endpoints.NodePort, "", ""
		},
	} {
		c := complete(gatewayConfig("HTTPRoute"))
		damage(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want %q in it", err, want)
		}
	}
}
