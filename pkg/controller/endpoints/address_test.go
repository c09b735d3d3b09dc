package endpoints

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestExpandHost(t *testing.T) {
	for _, c := range []struct{ template, want string }{
		{"{pod}.example.org", "proxy-3.example.org"},
		{"sign-{ordinal}.{namespace}.example.org", "sign-3.signing.example.org"},
		{"sign.example.org", "sign.example.org"},
		{"192.0.2.1", "192.0.2.1"},
		{"", ""},
		{"https://{pod}.example.org", ""},
		{"{pod}.example.org:443", ""},
		{"{name}.example.org", ""},
		{"{pod}/x", ""},
		{"{pod}..example.org", ""},
		{strings.Repeat("a", 64) + ".example.org", ""},
	} {
		got, err := expandHost(c.template, pod{"proxy-3", "signing", 3})
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("expandHost(%q) = %q, %v; want %q", c.template, got, err, c.want)
		}
	}
}

func TestExpandPort(t *testing.T) {
	for _, c := range []struct {
		template string
		ordinal  int
		want     int // 0 = refused
	}{
		{"443", 3, 443}, {"9000+{ordinal}", 0, 9000}, {"9000+{ordinal}", 3, 9003}, {"65535", 0, 65535},
		{"65533+{ordinal}", 3, 0}, {"", 0, 0}, {"0", 0, 0}, {"-1", 0, 0}, {"65536", 0, 0}, {"http", 0, 0},
		{"{ordinal}", 1, 0},
		{"+443", 0, 0}, {"9000 + {ordinal}", 0, 0}, {"9000+{ordinal}+{ordinal}", 0, 0},
	} {
		got, err := expandPort(c.template, c.ordinal)
		if got != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("expandPort(%q, %d) = %d, %v; want %d", c.template, c.ordinal, got, err, c.want)
		}
	}
}

func TestNodeAddress(t *testing.T) {
	all := []corev1.NodeAddress{
		{Type: corev1.NodeHostName, Address: "host"}, {Type: corev1.NodeInternalIP, Address: "10.0.0.1"},
		{Type: corev1.NodeInternalDNS, Address: "in.example.org"}, {Type: corev1.NodeExternalIP, Address: "192.0.2.1"},
		{Type: corev1.NodeExternalDNS, Address: "out.example.org"},
	}
	// The best address is removed one by one.
	for n, want := range []string{"", "", "10.0.0.1", "in.example.org", "192.0.2.1", "out.example.org"} {
		if got := nodeAddress(&corev1.Node{Status: corev1.NodeStatus{Addresses: all[:n]}}); got != want {
			t.Errorf("nodeAddress of the first %d = %q, want %q", n, got, want)
		}
	}
	empty := []corev1.NodeAddress{{Type: corev1.NodeExternalDNS}, {Type: corev1.NodeInternalIP, Address: "10.0.0.1"}}
	if got := nodeAddress(&corev1.Node{Status: corev1.NodeStatus{Addresses: empty}}); got != "10.0.0.1" {
		t.Errorf("nodeAddress = %q: an empty one was taken", got)
	}
}

func TestRESTPort(t *testing.T) {
	p := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{
		{
			Ports: []corev1.ContainerPort{{Name: "management", ContainerPort: 8081}},
		},
		{Ports: []corev1.ContainerPort{{Name: "rest", ContainerPort: 8080}}},
	}}}
	for name, want := range map[string]int{
		"rest": 8080, "management": 8081, "9090": 9090, "other": 0, "0": 0, "70000": 0, "": 0,
	} {
		if got := restPort(p, name); got != want {
			t.Errorf("restPort(%q) = %d, want %d", name, got, want)
		}
	}
}

// TestNoAddress checks that every reason why an address is not known names what is missing.
func TestNoAddress(t *testing.T) {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "proxy-0"},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "rest", ContainerPort: 8080}}}},
		},
	}
	service := &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 8080}}}}
	with := map[string]*corev1.Service{"proxy-0": service}
	for _, c := range []struct {
		config  Config
		cluster cluster
		want    string
	}{
		{Config{Mode: PodDNS, RESTPort: "http"}, cluster{}, "the pod has no container port http"},
		{Config{Mode: HostTemplate, RESTPort: "rest", HostTemplate: "a b", PortTemplate: "1"}, cluster{},
			`host template "a b" gives "a b": the host is neither a DNS name nor an IP address`},
		{Config{Mode: HostTemplate, RESTPort: "rest", HostTemplate: "a", PortTemplate: "65535+{ordinal}"}, cluster{},
			`port template "65535+{ordinal}" gives 65536 for ordinal 1, which is not a valid port`},
		{Config{Mode: NodePort, RESTPort: "rest"}, cluster{}, "Service proxy-0 does not exist yet"},
		{Config{Mode: NodePort, RESTPort: "rest"}, cluster{services: with}, "the pod is not scheduled to a node yet"},
	} {
		if got := c.config.addressOf(p, 1, c.cluster); got.why != c.want {
			t.Errorf("%s: address is %+v, want none for %q", c.config.Mode, got, c.want)
		}
	}
	p.Spec.NodeName = "node-1"
	c := Config{Mode: NodePort, RESTPort: "rest"}
	if got := c.addressOf(p, 1, cluster{services: with}); got.why != "Service proxy-0 has no node port" {
		t.Errorf("address is %+v", got)
	}
}

func TestValidate(t *testing.T) {
	good := Config{
		Namespace: "signing", StatefulSet: "proxy", EndpointsConfigMap: "proxy-endpoints", HeadlessService: "proxy-headless",
		Mode: PodDNS, RESTPort: "rest",
	}
	if err := good.Validate(); err != nil {
		t.Errorf("Validate = %v", err)
	}
	for want, change := range map[string]func(*Config){
		"namespace is not named":           func(c *Config) { c.Namespace = "" },
		"StatefulSet is not named":         func(c *Config) { c.StatefulSet = "" },
		"endpoints ConfigMap is not named": func(c *Config) { c.EndpointsConfigMap = "" },
		"headless Service is not named":    func(c *Config) { c.HeadlessService = "" },
		"REST port is not named":           func(c *Config) { c.RESTPort = "" },
		`mode "Route" is not PodDNS, NodePort, LoadBalancer, HostTemplate, Gateway or Ingress`: func(c *Config) {
			c.Mode = "Route"
		},
		"templates of host and port belong to modes HostTemplate, Gateway and Ingress, not to PodDNS": func(c *Config) {
			c.PortTemplate = "443"
		},
		`port template "" is neither a port nor a port+{ordinal}`: func(c *Config) {
			c.Mode, c.HostTemplate = HostTemplate, "{pod}.example.org"
		},
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("Validate = %v, want %s", err, want)
		}
	}
}
