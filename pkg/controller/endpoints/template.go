package endpoints

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/hostport"
)

// pod is what templates speak of.
type pod struct {
	name, namespace string
	ordinal         int
}

// expand puts the pod's words in the place of {pod}, {ordinal} and {namespace}.
func expand(template string, p pod) string {
	return strings.NewReplacer(
		"{pod}",
		p.name,
		"{ordinal}",
		strconv.Itoa(p.ordinal),
		"{namespace}",
		p.namespace,
	).Replace(
		template,
	)
}

// expandHost makes the pod's host of the template.
func expandHost(template string, p pod) (string, error) {
	host := expand(template, p)
	if _, _, err := hostport.Parse(net.JoinHostPort(host, "1")); err != nil {
		return "", fmt.Errorf("host template %q makes %q: %w", template, host, err)
	}
	return host, nil
}

// expandPort is a number, or a number to which the ordinal is added: 443, 9000+{ordinal}.
func expandPort(template string, ordinal int) (int, error) {
	number, added := strings.CutSuffix(template, "+{ordinal}")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("port template %q is neither a port nor a port+{ordinal}", template)
	}
	port := int(n)
	if added {
		port += ordinal
	}
	if port > 65535 {
		return 0, fmt.Errorf("port template %q makes %d for ordinal %d: there is no such port", template, port, ordinal)
	}
	return port, nil
}
