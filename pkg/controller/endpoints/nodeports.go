package endpoints

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// maxPort is the largest port number.
const maxPort = 65535

// setNodePort gives the Service of a pod the node port of the pod's ordinal. It does nothing if the
// cluster chooses the node ports.
func (c *Config) setNodePort(s *corev1.Service) {
	if c.Mode != NodePort || c.NodePortBase == 0 || len(s.Spec.Ports) != 1 {
		return
	}
	if ordinal, ok := ordinalOf(s.Name, c.StatefulSet); ok {
		s.Spec.Ports[0].NodePort = int32(c.NodePortBase + ordinal)
	}
}

// validateNodePorts returns the mistake in NodePortBase, or nil.
func (c *Config) validateNodePorts() error {
	switch {
	case c.NodePortBase == 0:
		return nil
	case c.Mode != NodePort:
		return fmt.Errorf("a base of node ports belongs to mode %s, not to %s", NodePort, c.Mode)
	case c.NodePortBase < 1 || c.NodePortBase > maxPort:
		return fmt.Errorf("the base of node ports is %d, not a port from 1 to %d", c.NodePortBase, maxPort)
	}
	return nil
}
