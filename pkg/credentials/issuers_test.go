package credentials_test

import (
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
)

// TestIssuers checks that the CA certificates of the credentials are remembered once each, and that
// the newest ones are kept at the limit.
func TestIssuers(t *testing.T) {
	s := newSet(t, credentials.Config{ClientServices: services(t, "a"), AtDomain: &fakeDomain{}})
	ca := func(i int) *x509.Certificate { return &x509.Certificate{Raw: fmt.Append(nil, "CA ", i)} }
	end := time.Now().Add(time.Hour)
	s.RecordRead("a", nil, nil)
	for range 2 {
		s.RecordRead("a", credential("service-domain/a", end, ca(0), ca(1)), nil)
	}
	if got := s.Issuers(); len(got) != 2 || !got[0].Equal(ca(0)) || !got[1].Equal(ca(1)) {
		t.Errorf("Issuers() = %d certificates, want the two of the chain", len(got))
	}
	const last = 100
	for i := range last + 1 {
		s.RecordRead("a", credential("service-domain/a", end, ca(i)), nil)
	}
	if got := s.Issuers(); len(got) != 64 || !got[63].Equal(ca(last)) {
		t.Errorf("Issuers() = %d certificates, want the newest 64", len(got))
	}
}
