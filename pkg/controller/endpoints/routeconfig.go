package endpoints

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Routes configures the objects that route a host to each instance.
type Routes struct {
	// Annotations are added to the routes. {pod}, {ordinal} and {namespace} in a value are replaced.
	Annotations map[string]string

	Kind    string   // with Gateway: HTTPRoute or TLSRoute
	Parents []Parent // with Gateway: where the routes attach

	IngressClass string // with Ingress; empty = the cluster's default
	// TLSSecret is the name of the Secret with the certificate, with Ingress. {pod}, {ordinal} and
	// {namespace} are replaced. Empty means no TLS.
	TLSSecret string
	// IngressNoWait publishes an instance of mode Ingress although its Ingress has no address. Some
	// ingress controllers never report one.
	IngressNoWait bool

	// FormerModes are modes whose routes are removed, besides those of the present mode. The
	// controller needs the rights for them.
	FormerModes []Mode
}

// Parent names a Gateway, or one listener of it.
type Parent struct {
	Name        string `json:"name"`
	Namespace   string `json:"namespace,omitempty"`   // empty = that of the release
	SectionName string `json:"sectionName,omitempty"` // name of the listener; empty = any
	Port        int32  `json:"port,omitempty"`        // of the listener; 0 = any
}

// validateRoutes returns the mistakes in the settings of routes.
func (c *Config) validateRoutes() (errs []error) {
	for _, mode := range c.Routes.FormerModes {
		if !mode.routed() {
			errs = append(errs, fmt.Errorf("former mode %q is neither %s nor %s", mode, Gateway, Ingress))
		}
	}
	if !c.Mode.routed() {
		if len(c.Routes.Annotations) > 0 {
			errs = append(errs, fmt.Errorf("mode %s has no routes to annotate", c.Mode))
		}
		return errs
	}
	for _, key := range slices.Sorted(maps.Keys(c.Routes.Annotations)) {
		if why := validation.IsQualifiedName(strings.ToLower(key)); len(why) > 0 {
			errs = append(errs, fmt.Errorf("annotation %q of the routes: %s", key, strings.Join(why, "; ")))
		}
	}
	errs = append(errs, c.validateRouteHost())
	if c.Mode == Gateway {
		return append(errs, c.Routes.validateGateway()...)
	}
	return append(errs, c.validateIngress()...)
}

// validateRouteHost returns an error unless every instance has a host of its own that can be
// routed.
func (c *Config) validateRouteHost() error {
	if !strings.Contains(c.HostTemplate, "{ordinal}") && !strings.Contains(c.HostTemplate, "{pod}") {
		return fmt.Errorf("host template %q: mode %s needs a host for each instance, so it must contain {ordinal} or {pod}",
			c.HostTemplate, c.Mode)
	}
	host := expand(c.HostTemplate, pod{c.StatefulSet + "-0", c.Namespace, 0})
	if why := validation.IsDNS1123Subdomain(host); len(why) > 0 {
		return fmt.Errorf("host template %q gives %q: %s", c.HostTemplate, host, strings.Join(why, "; "))
	}
	return nil
}

func (r *Routes) validateGateway() (errs []error) {
	if r.Kind != httpRoute && r.Kind != tlsRoute {
		errs = append(errs, fmt.Errorf("kind of routes %q is neither %s nor %s", r.Kind, httpRoute, tlsRoute))
	}
	if len(r.Parents) == 0 {
		errs = append(errs, errors.New("mode Gateway needs a parent: the Gateway that the routes attach to"))
	}
	for _, p := range r.Parents {
		mistakes := validation.IsDNS1123Subdomain(p.Name)
		if p.Namespace != "" {
			mistakes = append(mistakes, validation.IsDNS1123Label(p.Namespace)...)
		}
		if p.SectionName != "" {
			mistakes = append(mistakes, validation.IsDNS1123Subdomain(p.SectionName)...)
		}
		if p.Port != 0 {
			mistakes = append(mistakes, validation.IsValidPortNum(int(p.Port))...)
		}
		if len(mistakes) > 0 {
			errs = append(errs, fmt.Errorf("parent %s: %s", p, strings.Join(mistakes, "; ")))
		}
	}
	return errs
}

func (c *Config) validateIngress() (errs []error) {
	if class := c.Routes.IngressClass; class != "" {
		if why := validation.IsDNS1123Subdomain(class); len(why) > 0 {
			errs = append(errs, fmt.Errorf("ingress class %q: %s", class, strings.Join(why, "; ")))
		}
	}
	if c.Routes.TLSSecret != "" {
		name := expand(c.Routes.TLSSecret, pod{c.StatefulSet + "-0", c.Namespace, 0})
		if why := validation.IsDNS1123Subdomain(name); len(why) > 0 {
			errs = append(errs, fmt.Errorf("TLS Secret of the Ingresses %q: %s", name, strings.Join(why, "; ")))
		}
	}
	return errs
}

// String names a parent in messages.
func (p Parent) String() string {
	text := p.Name
	if p.Namespace != "" {
		text = p.Namespace + "/" + p.Name
	}
	if p.SectionName != "" {
		text += ", listener " + p.SectionName
	}
	if p.Port != 0 {
		text += fmt.Sprintf(", port %d", p.Port)
	}
	return text
}
