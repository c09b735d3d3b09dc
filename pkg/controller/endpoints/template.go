package endpoints

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/hostport"
)

// pod holds the values that templates can use.
type pod struct {
	name, namespace string
	ordinal         int
}

// expand replaces {pod}, {ordinal} and {namespace} by the values of p.
func expand(template string, p pod) string {
	values := strings.NewReplacer("{pod}", p.name, "{ordinal}", strconv.Itoa(p.ordinal), "{namespace}", p.namespace)
	return values.Replace(template)
}

// expandHost returns the host of a pod. It returns an error if the result is not a valid host.
func expandHost(template string, p pod) (string, error) {
	host := expand(template, p)
	if _, _, err := hostport.Parse(net.JoinHostPort(host, "1")); err != nil {
		return "", fmt.Errorf("host template %q gives %q: %w", template, host, err)
	}
	return host, nil
}

// expandPort returns the port of a pod. A template is a number, or a number to which the ordinal is
// added: 443, 9000+{ordinal}. It returns an error if the result is not a valid port.
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
		return 0, fmt.Errorf("port template %q gives %d for ordinal %d, which is not a valid port", template, port, ordinal)
	}
	return port, nil
}
