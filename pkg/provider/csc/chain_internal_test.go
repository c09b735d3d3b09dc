package csc

import (
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/servertest"
)

// TestChainIsPutInOrder checks that the chain of a service is read in any order, and that a chain
// without its issuer is logged once as a warning.
func TestChainIsPutInOrder(t *testing.T) {
	leaf, issuer, root, stranger := servertest.Chain(t)
	for name, c := range map[string]struct {
		sent, want []*x509.Certificate
		warning    string
	}{
		"reversed, with duplicates": {
			[]*x509.Certificate{root, root, issuer, leaf}, []*x509.Certificate{leaf, issuer, root}, "",
		},
		"with a stranger": {
			[]*x509.Certificate{leaf, stranger, root, issuer}, []*x509.Certificate{leaf, issuer, root}, "",
		},
		"without its issuer": {[]*x509.Certificate{leaf, stranger, root}, []*x509.Certificate{leaf}, "CN=issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			var lines []string
			log := funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{})
			p := &reader{name: "seal", log: log, set: Settings{URL: "https://simulated.invalid"}.withDefaults()}
			var a credentialAnswer
			a.Key.Algo = []string{"1.2.840.10045.4.3.2"}
			for _, cert := range c.sent {
				a.Cert.Certificates = append(a.Cert.Certificates, base64.StdEncoding.EncodeToString(cert.Raw))
			}
			for range 2 { // the credential is read again every ten minutes
				s, f := p.describe(&serviceInfo{}, "id", a)
				if f != nil {
					t.Fatalf("describe = %v", f)
				}
				if len(s.Chain) != len(c.want) {
					t.Fatalf("chain has %d certificates, want %d", len(s.Chain), len(c.want))
				}
				for i, cert := range s.Chain {
					if !cert.Equal(c.want[i]) {
						t.Errorf("certificate %d is %s, want %s", i, cert.Subject, c.want[i].Subject)
					}
				}
			}
			if c.warning == "" && len(lines) > 0 ||
				c.warning != "" && (len(lines) != 1 || !strings.Contains(lines[0], c.warning)) {
				t.Errorf("logged %q, want one warning with %q, or none", lines, c.warning)
			}
		})
	}
}
