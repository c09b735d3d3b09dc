package main

import (
	"crypto/x509"
	"slices"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// maxIssuers bounds the certificates that are remembered: many client services share the CAs of a
// few trust services.
const maxIssuers = 64

// issuers remembers the CA certificates that are known here: those of --timestamp.ca-file and those
// in the chains of the signing credentials. They complete the chain of a timestamp authority that
// sends its own certificate alone. Safe for concurrent use.
type issuers struct {
	mu   sync.Mutex
	list []*x509.Certificate
}

// see adds the issuers in a credential's chain. The newest push out the oldest.
func (i *issuers) see(c *signing.Credential) {
	if c == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, cert := range c.Chain[1:] {
		if !slices.ContainsFunc(i.list, cert.Equal) {
			i.list = append(i.list, cert)
		}
	}
	i.list = i.list[max(0, len(i.list)-maxIssuers):]
}

// with returns a function that gives the trusted certificates and those that are known by then.
func (i *issuers) with(trusted []*x509.Certificate) func() []*x509.Certificate {
	return func() []*x509.Certificate {
		i.mu.Lock()
		defer i.mu.Unlock()
		return slices.Concat(trusted, i.list)
	}
}
