package endpoints

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
)

// shapeIngress makes an Ingress route all paths of a host to the Service of a pod.
func (c *Config) shapeIngress(spec *networkingv1.IngressSpec, host string, port int32, p pod) {
	spec.IngressClassName = nil
	if class := c.Routes.IngressClass; class != "" {
		spec.IngressClassName = &class
	}
	spec.TLS = nil
	if c.Routes.TLSSecret != "" {
		spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{host}, SecretName: expand(c.Routes.TLSSecret, p)}}
	}
	all := networkingv1.PathTypePrefix
	spec.DefaultBackend = nil
	spec.Rules = []networkingv1.IngressRule{{
		Host: host,
		IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
			Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: &all,
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
					Name: p.name, Port: networkingv1.ServiceBackendPort{Number: port},
				}},
			}},
		}},
	}}
}

// judgeIngress says whether an Ingress has an address, which means that its controller routes it.
func (c *Config) judgeIngress(i *networkingv1.Ingress) verdict {
	if c.Routes.IngressNoWait {
		return verdict{}
	}
	for _, in := range i.Status.LoadBalancer.Ingress {
		if in.Hostname != "" || in.IP != "" {
			return verdict{}
		}
	}
	if c.Routes.IngressClass == "" {
		return verdict{why: fmt.Sprintf("Ingress %s has no address", i.Name)}
	}
	return verdict{why: fmt.Sprintf("Ingress %s of class %s has no address", i.Name, c.Routes.IngressClass)}
}
