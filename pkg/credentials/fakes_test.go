package credentials_test

import (
	"context"
	"crypto/x509"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// fakeProvider is a provider whose credential the test sets.
type fakeProvider struct {
	name string

	mu    sync.Mutex
	fault *signing.Error
	reads int
	ends  time.Time // of the certificate
}

func (*fakeProvider) Sign(context.Context, signing.Call) ([][]byte, error) { return nil, nil }

func (p *fakeProvider) Credential(context.Context) (*signing.Credential, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	if p.fault != nil {
		return nil, p.fault
	}
	return credential(p.name, p.ends), nil
}

// recover makes the credential readable.
func (p *fakeProvider) recover() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = nil
}

// credential returns a credential whose certificate is valid until end.
func credential(name string, end time.Time, issuers ...*x509.Certificate) *signing.Credential {
	chain := append([]*x509.Certificate{{NotAfter: end}}, issuers...)
	return &signing.Credential{Name: name, Algorithm: signing.RSAPKCS1, Chain: chain}
}

// fakeServices holds client services that the test can replace.
type fakeServices struct {
	atomic.Pointer[clientservice.Services]
}

// Current implements credentials.ClientServices.
func (s *fakeServices) Current() *clientservice.Services { return s.Load() }

// set replaces the client services. A client service without a secret gets one.
func (s *fakeServices) set(t *testing.T, list ...clientservice.ClientService) {
	t.Helper()
	for i := range list {
		if list[i].Secret.IsZero() {
			list[i].Secret = clientservice.NewSecret("a long enough secret")
		}
	}
	services, err := clientservice.NewServices(list...)
	if err != nil {
		t.Fatal(err)
	}
	s.Store(services)
}

// services returns client services with these ids.
func services(t *testing.T, ids ...string) *fakeServices {
	t.Helper()
	list := make([]clientservice.ClientService, len(ids))
	for i, id := range ids {
		list[i].ID = id
	}
	s := &fakeServices{}
	s.set(t, list...)
	return s
}

// fakeDomain opens a fakeProvider for each client service.
type fakeDomain struct {
	err    error
	opened []credentials.Identity
}

// OpenAtDomain implements credentials.DomainProviders.
func (d *fakeDomain) OpenAtDomain(identity credentials.Identity) (signing.Provider, error) {
	d.opened = append(d.opened, identity)
	if d.err != nil {
		return nil, d.err
	}
	return &fakeProvider{name: identity.CredentialName()}, nil
}

// newSet returns a Set with the configuration.
func newSet(t *testing.T, cfg credentials.Config) *credentials.Set {
	t.Helper()
	if cfg.Log.GetSink() == nil {
		cfg.Log = logr.Discard()
	}
	s, err := credentials.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// gauges returns the values of the metrics by name and label value.
func gauges(t *testing.T, r prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			all[f.GetName()+" "+m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
		}
	}
	return all
}
