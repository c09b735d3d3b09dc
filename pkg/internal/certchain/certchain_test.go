package certchain_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

// now is the time of all searches. Certificates are valid from one hour before it to one hour after
// it, unless a test says otherwise.
var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// issued is a certificate with its key.
type issued struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// option changes the template of a certificate.
type option func(c *x509.Certificate)

func expired(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = now.Add(-48*time.Hour), now.Add(-time.Hour)
}
func user(c *x509.Certificate)   { c.IsCA = false }
func longer(c *x509.Certificate) { c.NotAfter = now.Add(48 * time.Hour) }

// issue makes a certificate with a new key. by is the issuer; nil makes it self-signed.
func issue(t *testing.T, name string, by *issued, options ...option) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certify(t, name, key, by, options...)
}

// certify makes a certificate for a key. by is the issuer; nil makes it self-signed.
func certify(t *testing.T, name string, key *ecdsa.PrivateKey, by *issued, options ...option) *issued {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	for _, o := range options {
		o(template)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.Certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{c, key}
}

func plain(list []*issued) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range list {
		out = append(out, c.Certificate)
	}
	return out
}

func encode(list ...*issued) (text []byte) {
	for _, c := range list {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

func names(chain []*x509.Certificate) string {
	var list []string
	for _, c := range chain {
		list = append(list, c.Subject.CommonName)
	}
	return strings.Join(list, " ")
}

func TestLinkTakesTheBestChain(t *testing.T) {
	root := issue(t, "root", nil)
	issuer := issue(t, "issuer", root)
	leaf := issue(t, "leaf", issuer, user)
	namesake := issue(t, "issuer", nil)
	stranger := issue(t, "stranger", issue(t, "another root", nil))
	old := issue(t, "old root", nil, expired)
	crossByOld := certify(t, "issuer", issuer.key, old, expired)
	other := issue(t, "other root", nil)
	crossedRoot := certify(t, "root", root.key, other)
	again := certify(t, "issuer", issuer.key, root, longer)
	unknown := issue(t, "unknown root", nil)
	crossByUnknown := certify(t, "issuer", issuer.key, unknown)
	middle := issue(t, "unknown root", unknown)
	for name, c := range map[string]struct{ others, want []*issued }{
		"in order":                               {[]*issued{issuer, root}, []*issued{issuer, root}},
		"out of order":                           {[]*issued{root, issuer}, []*issued{issuer, root}},
		"with the leaf":                          {[]*issued{root, leaf, issuer}, []*issued{issuer, root}},
		"duplicates":                             {[]*issued{root, root, issuer, issuer, leaf}, []*issued{issuer, root}},
		"without root":                           {[]*issued{issuer}, []*issued{issuer}},
		"strangers":                              {[]*issued{namesake, stranger, issuer}, []*issued{issuer}},
		"a namesake alone":                       {[]*issued{namesake}, nil},
		"no others":                              {nil, nil},
		"expired cross-certificate first":        {[]*issued{crossByOld, old, issuer, root}, []*issued{issuer, root}},
		"expired path ends at a root, valid not": {[]*issued{crossByOld, old, issuer}, []*issued{issuer}},
		"expired path alone":                     {[]*issued{old, crossByOld}, []*issued{crossByOld, old}},
		"two valid roots": {
			[]*issued{issuer, root, crossedRoot, other}, []*issued{issuer, crossedRoot, other},
		},
		"a root rather than a longer path": {[]*issued{crossByUnknown, middle, issuer, root}, []*issued{issuer, root}},
		"two certificates of one issuer":   {[]*issued{issuer, again, root}, []*issued{again, root}},
	} {
		t.Run(name, func(t *testing.T) {
			want := slices.Concat([]*x509.Certificate{leaf.Certificate}, plain(c.want))
			same := func(a, b *x509.Certificate) bool { return a.Equal(b) }
			if got := certchain.Link(leaf.Certificate, plain(c.others), now); !slices.EqualFunc(got, want, same) {
				t.Errorf("Link = %s, want %s", names(got), names(want))
			}
			text := encode(append([]*issued{leaf}, c.others...)...)
			if got, err := certchain.ParsePEM(text, 10, now); err != nil || !slices.EqualFunc(got, want, same) {
				t.Errorf("ParsePEM = %s, %v, want %s", names(got), err, names(want))
			}
		})
	}
}

// TestLinkEnds checks that a search ends for any set of certificates, because they may come from
// anybody.
func TestLinkEnds(t *testing.T) {
	a := issue(t, "a", nil)
	b := issue(t, "b", a)
	loop := certify(t, "a", a.key, b) // a and b certify each other
	if got := certchain.Link(loop.Certificate, plain([]*issued{b, loop, a}), now); names(got) != "a b" {
		t.Errorf("Link of a loop = %s, want a b", names(got))
	}
	// All have the same name, and each is signed by all others, so the number of paths explodes.
	var crowd []*issued
	var keys []*issued
	for range 12 {
		keys = append(keys, issue(t, "crowd", nil))
	}
	for _, subject := range keys {
		for _, by := range keys {
			if by != subject {
				crowd = append(crowd, certify(t, "crowd", subject.key, by))
			}
		}
	}
	leaf := issue(t, "leaf", keys[0])
	if got := certchain.Link(leaf.Certificate, plain(crowd), now); len(got) < 2 || len(got) > 20 {
		t.Errorf("Link in a crowd = %d certificates, want 2 to 20", len(got))
	}
}

func TestOrderFindsTheLeaf(t *testing.T) {
	root := issue(t, "root", nil)
	issuer := issue(t, "issuer", root)
	leaf := issue(t, "leaf", issuer, user)
	marked := issue(t, "marked as CA", issuer)
	single := issue(t, "single", nil)
	for name, c := range map[string]struct {
		all  []*issued
		want string
	}{
		"in order":                  {[]*issued{leaf, issuer, root}, "leaf issuer root"},
		"reversed":                  {[]*issued{root, issuer, leaf}, "leaf issuer root"},
		"twice the root":            {[]*issued{root, root, issuer, leaf}, "leaf issuer root"},
		"a leaf with the mark":      {[]*issued{root, issuer, marked}, "marked as CA issuer root"},
		"the first of two":          {[]*issued{leaf, marked, issuer, root}, "leaf issuer root"},
		"self-signed":               {[]*issued{single}, "single"},
		"self-signed, then another": {[]*issued{single, root}, "single"},
		"nothing":                   {nil, ""},
	} {
		if got := names(certchain.Order(plain(c.all), now)); got != c.want {
			t.Errorf("%s: Order = %q, want %q", name, got, c.want)
		}
	}
}

func TestMissingIssuerNamesTheIssuer(t *testing.T) {
	root := issue(t, "root", nil)
	issuer := issue(t, "iss\u202euer\n", root)
	leaf := issue(t, "leaf", issuer)
	renewed := issue(t, "root", root) // a new key with the same name, not self-signed
	for _, c := range []struct {
		chain []*issued
		want  string
	}{
		{[]*issued{leaf, issuer, root}, ""},
		{[]*issued{leaf, issuer}, "CN=root"},
		{[]*issued{leaf}, "CN=iss uer"},
		{[]*issued{renewed}, "CN=root"},
		{[]*issued{renewed, root}, ""},
		{nil, ""},
	} {
		if got := certchain.MissingIssuer(plain(c.chain)); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") ||
			strings.ContainsAny(got, "\n\u202e") {
			t.Errorf("MissingIssuer(%s) = %q, want %q", names(plain(c.chain)), got, c.want)
		}
	}
}

func TestParsePEMRefuses(t *testing.T) {
	certificate := encode(issue(t, "x", nil))
	for name, c := range map[string]struct {
		text []byte
		ok   bool
	}{
		"nothing": {nil, false},
		"a key":   {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}), false},
		"broken":  {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0}}), false},
		"a key before it": {
			append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}), certificate...), true,
		},
		"more than limit":  {bytes.Repeat(certificate, 100), true},
		"garbage about it": {append([]byte("Subject: x\n"), certificate...), true},
	} {
		if got, err := certchain.ParsePEM(c.text, 3, now); (err == nil) != c.ok || len(got) > 3 {
			t.Errorf("%s: ParsePEM = %d certificates, %v, want success %v", name, len(got), err, c.ok)
		}
	}
}
