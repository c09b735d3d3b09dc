package certchain_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

func TestWatchWarnsOnceForEachChain(t *testing.T) {
	var lines []string
	log := funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{})
	root := issue(t, "root", nil)
	issuer := issue(t, "issuer", root)
	leaf, renewed := issue(t, "leaf", issuer), issue(t, "renewed", issuer)
	var w certchain.Watch
	for range 3 { // a remote credential is read again every few minutes
		w.See(log, plain([]*issued{leaf}))
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "WARNING") || !strings.Contains(lines[0], "CN=issuer") {
		t.Errorf("logged %q, want one WARNING that names CN=issuer", lines)
	}
	w.See(log, plain([]*issued{renewed}))
	if len(lines) != 2 {
		t.Errorf("logged %q, want a second WARNING for another chain", lines)
	}
	w.See(log, plain([]*issued{renewed, issuer, root}))
	if len(lines) != 2 {
		t.Errorf("logged %q, want nothing about a complete chain", lines)
	}
}

// TestSHA1IsOrderedAndNamed checks that a chain signed with SHA-1, as old company CAs make it, is
// put in order, and that a warning names the certificate that validators will not accept.
func TestSHA1IsOrderedAndNamed(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	make := func(name string, parent *x509.Certificate) *x509.Certificate {
		template := &x509.Certificate{
			SerialNumber:          big.NewInt(1),
			Subject:               pkix.Name{CommonName: name},
			NotBefore:             now.Add(-time.Hour),
			NotAfter:              now.Add(time.Hour),
			IsCA:                  parent == nil,
			BasicConstraintsValid: true,
			SignatureAlgorithm:    x509.SHA1WithRSA,
		}
		if parent == nil {
			parent = template
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := certchain.Parse(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	root := make("root", nil)
	leaf := make("leaf", root)
	forged := *leaf
	forged.Signature = append([]byte{leaf.Signature[0] ^ 1}, leaf.Signature[1:]...)
	if certchain.SignedBy(&forged, root) {
		t.Error("SignedBy = true for a changed signature")
	}
	chain := certchain.Link(leaf, []*x509.Certificate{root}, now)
	if names(chain) != "leaf root" || certchain.MissingIssuer(chain) != "" || certchain.Weak(chain) != leaf ||
		certchain.Weak(chain[1:]) != nil {
		t.Errorf("Link = %s, missing %q, weak %v; want leaf root, nothing missing, the leaf",
			names(chain), certchain.MissingIssuer(chain), certchain.Weak(chain))
	}
	var lines []string
	new(certchain.Watch).See(funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{}), chain)
	if len(lines) != 1 || !strings.Contains(lines[0], "SHA-1") || !strings.Contains(lines[0], "CN=leaf") {
		t.Errorf("logged %q, want one WARNING about SHA-1 that names CN=leaf", lines)
	}
}

func TestNewestPrefersWhatIsValid(t *testing.T) {
	old, current := issue(t, "old", nil, expired), issue(t, "current", nil)
	later := issue(t, "later", nil, longer)
	future := issue(t, "future", nil, longer, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) })
	for want, list := range map[*issued][]*issued{
		current: {old, current, future},
		later:   {current, later, old},
		future:  {old, future},
		old:     {old},
	} {
		if got := certchain.Newest(plain(list), now); got != want.Certificate {
			t.Errorf("Newest = %s, want %s", got.Subject, want.Subject)
		}
	}
	if certchain.Newest(nil, now) != nil {
		t.Error("Newest of nothing is not nil")
	}
}
