package formattest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// key is the key of the credential.
var key = sync.OnceValue(func() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
})

// newHarness returns a harness for a format of a shape.
func newHarness(t *testing.T, shape Shape) Harness {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key().Public(), key())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	credential := &signing.Credential{
		Name: "test", Chain: []*x509.Certificate{certificate}, Algorithm: signing.ECDSA, Hash: crypto.SHA256,
	}
	return Harness{
		Open:       func(*testing.T) signing.Format { return Fake{Shape: shape, Credential: credential} },
		Credential: credential,
		Sign:       func(digest []byte) ([]byte, error) { return ecdsa.SignASN1(rand.Reader, key(), digest) },
		Samples:    []Sample{{Name: "small", Original: shape.Original([]byte("0123456789"))}},
		Promise:    shape.Promise,
	}
}

// TestShapes runs the suite on a format of every shape.
func TestShapes(t *testing.T) {
	for _, shape := range Shapes {
		t.Run(shape.Name, func(t *testing.T) { Run(t, newHarness(t, shape)) })
	}
}

// TestPromises: each promise is broken by a format that keeps another one.
func TestPromises(t *testing.T) {
	for _, promised := range Shapes {
		for _, shape := range Shapes {
			if promised.Promise == nil || promised.Name == shape.Name || kept(promised.Name, shape.Name) {
				continue
			}
			original, section := shape.Original([]byte("0123456789")), []byte("SECTION")
			pieces := shape.Pieces(int64(len(original)), int64(len(section)))
			if err := promised.Promise(original, shape.Joined(original, section), pieces); err == nil {
				t.Errorf("the promise of %q accepts the shape %q", promised.Name, shape.Name)
			}
		}
	}
}

// kept reports whether a shape keeps the promise of another shape too.
func kept(promised, shape string) bool {
	switch promised {
	case "insert", "empty root":
		return shape == "insert" || shape == "empty root"
	case "wrap":
		return shape == "append"
	}
	return false
}

// broken is a Fake that breaks one rule.
type broken struct {
	Fake
	prepare func(signing.Prepared) signing.Prepared
	embed   func(section []byte, pieces signing.Pieces, err error, p signing.Prepared) ([]byte, signing.Pieces, error)
	blind   bool // ignores errors
}

func (b broken) Prepare(ctx context.Context, in signing.Input, c *signing.Credential) (signing.Prepared, error) {
	p, err := b.Fake.Prepare(ctx, in, c)
	if b.blind {
		return p, nil
	}
	if b.prepare != nil && err == nil {
		p = b.prepare(p)
	}
	return p, err
}

func (b broken) Embed(
	ctx context.Context, in signing.Input, p signing.Prepared, value []byte,
) ([]byte, signing.Pieces, error) {
	section, pieces, err := b.Fake.Embed(ctx, in, p, value)
	if b.embed != nil {
		return b.embed(section, pieces, err, p)
	}
	return section, pieces, err
}

func (b broken) CheckValue(p signing.Prepared, value []byte) error {
	if b.blind {
		return nil
	}
	return b.Fake.CheckValue(p, value)
}

// TestSuiteFinds: the suite finds every kind of format that breaks a rule.
func TestSuiteFinds(t *testing.T) {
	for name, c := range map[string]struct {
		format broken
		want   string
	}{
		"digest of another size": {
			broken{prepare: func(p signing.Prepared) signing.Prepared { p.Digest = p.Digest[1:]; return p }},
			"want 32",
		},
		"errors ignored": {broken{blind: true}, "CheckValue of"},
		"no section": {
			broken{embed: func([]byte, signing.Pieces, error, signing.Prepared) ([]byte, signing.Pieces, error) {
				return nil, nil, nil
			}}, "no section",
		},
		"no pieces": {
			broken{embed: func(s []byte, _ signing.Pieces, err error, _ signing.Prepared) ([]byte, signing.Pieces, error) {
				return s, nil, err
			}}, "0 pieces",
		},
		"section with an error": {
			broken{embed: func(_ []byte, p signing.Pieces, err error, _ signing.Prepared) ([]byte, signing.Pieces, error) {
				return []byte("x"), signing.Appended(10, 1), err
			}}, "want an error alone",
		},
		"another shape": {
			broken{embed: func(s []byte, p signing.Pieces, err error, _ signing.Prepared) ([]byte, signing.Pieces, error) {
				return s, signing.Pieces{{New: true, To: int64(len(s))}, {To: 10}}, err
			}}, "does not start with the original",
		},
		"changes its arguments": {
			broken{embed: func(s []byte, p signing.Pieces, err error, in signing.Prepared) ([]byte, signing.Pieces, error) {
				if err == nil {
					in.State[0]++
				}
				return s, p, err
			}}, "the state was not kept",
		},
	} {
		h := newHarness(t, Shapes[0])
		c.format.Fake = h.Open(t).(Fake)
		var found []string
		for _, check := range checks {
			s := &subject{Harness: h, sample: h.Samples[0], first: c.format, second: c.format}
			s.sample.Original = bytes.Clone(s.sample.Original)
			if err := check.run(t.Context(), s); err != nil {
				found = append(found, err.Error())
			}
		}
		if all := strings.Join(found, "\n"); !strings.Contains(all, c.want) {
			t.Errorf("%s: the suite found %q, want %q", name, found, c.want)
		}
	}
}
