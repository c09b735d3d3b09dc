package main

import (
	"crypto/x509"
	"slices"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// maxIssuers bounds how many certificates are remembered. It is enough, because many client
// services share the CAs of a few trust services.
const maxIssuers = 64

// issuers remembers the known CA certificates: those in --timestamp.ca-file and those in the chains
// of the signing credentials. They complete the chain of a timestamp authority that sends only its
// own certificate. It is safe for concurrent use.
type issuers struct {
	mu   sync.Mutex
	list []*x509.Certificate
}

// see adds the issuers in a credential's chain. When the limit is reached, the oldest certificates
// are evicted.
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

// with returns a function that returns the trusted certificates together with the issuers known at
// the time of the call.
func (i *issuers) with(trusted []*x509.Certificate) func() []*x509.Certificate {
	return func() []*x509.Certificate {
		i.mu.Lock()
		defer i.mu.Unlock()
		return slices.Concat(trusted, i.list)
	}
}
