package outbound

import (
	"errors"
	"fmt"
)

// Settings say how all outgoing calls are made: to remote services, timestamp authorities, OCSP
// responders and CRLs. The zero value connects directly and trusts the system's certificate
// authorities.
type Settings struct {
	// ProxyHost and ProxyPort name an HTTP proxy for every call
	// (--einvoice-integration-client.rest.provider.proxy.hostname, .port). TLS is tunnelled through it
	// with CONNECT (RFC 9110 9.3.6). Empty means no proxy. The proxy variables of the environment are
	// ignored.
	ProxyHost string
	ProxyPort int
	// ProxyCredentialsFile holds user:password on its first line (Basic, RFC 7617). It is read for
	// each call, so it may change at run time.
	ProxyCredentialsFile string
	// CAFile is a PEM bundle that is trusted in addition to the system's authorities. It is read once.
	CAFile string
}

// Validate returns all mistakes, joined.
func (s Settings) Validate() error {
	var bad []error
	if s.ProxyHost == "" && (s.ProxyPort != 0 || s.ProxyCredentialsFile != "") {
		bad = append(bad, errors.New("the port or the credentials of the proxy are set, but its host name is not"))
	}
	if s.ProxyHost != "" && (s.ProxyPort < 1 || s.ProxyPort > 65535) {
		bad = append(bad, fmt.Errorf("proxy port %d is not between 1 and 65535", s.ProxyPort))
	}
	return errors.Join(bad...)
}
