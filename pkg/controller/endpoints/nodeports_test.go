package endpoints_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/endpoints"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// TestNodePortBase checks that every instance has the node port of its ordinal, also an instance
// whose Service had another port before.
func TestNodePortBase(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort}, 2)
	w.pod(1, w.node("InternalIP", "10.1.0.1"))
	w.wantService(1)
	w.change(func(c *endpoints.Config) { c.NodePortBase = 32100 })
	w.wantPublished(1, "10.1.0.1", 32101)
	testenv.Eventually(t, func() error {
		if got := w.wantService(0).Spec.Ports[0].NodePort; got != 32100 {
			return fmt.Errorf("the node port of instance 0 is %d, want 32100", got)
		}
		return nil
	})
}

// TestTakenNodePort checks that an instance whose node port belongs to another Service says so, and
// is published once the port is free.
func TestTakenNodePort(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort, NodePortBase: 32200}, 0)
	taken := &corev1.Service{}
	taken.Name, taken.Spec.Type = "other", corev1.ServiceTypeNodePort
	taken.Spec.Ports = []corev1.ServicePort{{Port: 80, NodePort: 32200}}
	w.create(taken)
	w.scale(1)
	w.pod(0, w.node("InternalIP", "10.1.0.2"))
	w.wantClosed(0, "EndpointPending", `create Service proxy-0: Service "proxy-0" is invalid: `+
		"spec.ports[0].nodePort: Invalid value: 32200: provided port is already allocated")
	w.remove(taken)
	w.wantPublished(0, "10.1.0.2", 32200)
}

// TestNodePortMistakes checks that a base that cannot work is refused.
func TestNodePortMistakes(t *testing.T) {
	for want, c := range map[string]endpoints.Config{
		"belongs to mode NodePort":       {Mode: endpoints.PodDNS, NodePortBase: 31000},
		"not a port from 1 to 65535":     {Mode: endpoints.NodePort, NodePortBase: 65536},
		"is -1, not a port from 1 to 65": {Mode: endpoints.NodePort, NodePortBase: -1},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}
