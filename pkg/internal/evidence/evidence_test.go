package evidence_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/trialpki"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestCovers: each certificate below the root needs itself and revocation data.
func TestCovers(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := trialpki.New(key, signing.ECDSA, crypto.SHA256)
	chain := p.Credential.Chain
	data, others, err := evidence.Gather(t.Context(), p, [][]*x509.Certificate{chain, chain})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(data.Certificates.List()); n != 3 || len(others) != 2 || len(others[0]) != 2 {
		t.Errorf("%d certificates, others %v", n, others)
	}
	for name, c := range map[string]struct {
		certificates, ocsps, crls bool
		good                      bool
	}{
		"all":             {true, true, true, true},
		"nothing":         {},
		"no certificates": {ocsps: true, crls: true},
		"no OCSP":         {certificates: true, crls: true},
		"no CRL":          {certificates: true, ocsps: true},
	} {
		s := &evidence.Set{}
		add := func(wanted bool, list [][]byte, one func([]byte)) {
			one([]byte("cannot be parsed"))
			for _, der := range list {
				if wanted {
					one(der)
				}
			}
		}
		add(c.certificates, data.Certificates.List(), s.AddCertificate)
		add(c.ocsps, data.OCSPs.List(), s.AddOCSP)
		add(c.crls, data.CRLs.List(), s.AddCRL)
		if err := s.CoversAmong(chain, others[0]); (err == nil) != c.good {
			t.Errorf("%s: CoversAmong = %v", name, err)
		}
		if err := s.CoversAmong(chain[:1], nil); err == nil {
			t.Errorf("%s: CoversAmong of a chain without issuers succeeds", name)
		}
		if err := s.Covers([]*x509.Certificate{p.Root}); err != nil {
			t.Errorf("%s: Covers of a root = %v", name, err)
		}
	}
}

// failing is a Source that returns an error.
type failing struct{}

var errFailing = errors.New("no responder answered")

func (failing) Gather(context.Context, []*x509.Certificate) (certs, ocsps, crls [][]byte, err error) {
	return nil, nil, nil, errFailing
}

// TestGatherFails: the error of the source is returned.
func TestGatherFails(t *testing.T) {
	if _, _, err := evidence.Gather(t.Context(), failing{}, make([][]*x509.Certificate, 1)); !errors.Is(err, errFailing) {
		t.Errorf("error = %v", err)
	}
}
