package credentials

import (
	"crypto/x509"
	"slices"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// maxIssuers bounds the number of remembered certificates. It is enough, because many client
// services share the CAs of a few trust services.
const maxIssuers = 64

// issuers remembers the CA certificates in the chains of credentials. It is safe for concurrent
// use.
type issuers struct {
	mu   sync.Mutex
	list []*x509.Certificate // oldest first
}

// add adds the issuers in a credential's chain. It evicts the oldest certificates at the limit.
func (i *issuers) add(c *signing.Credential) {
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

// all returns a copy of the list.
func (i *issuers) all() []*x509.Certificate {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.list)
}
