package software

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/provider/providertest"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func TestConformance(t *testing.T) {
	type setting struct {
		key       KeyType
		algorithm signing.SignatureAlgorithm
		hash      crypto.Hash
	}
	settings := []setting{
		{RSA2048, "", 0},
		{RSA2048, signing.RSAPSS, crypto.SHA256},
		{RSA2048, signing.RSAPSS, crypto.SHA512},
		{RSA2048, signing.RSAPKCS1, crypto.SHA384},
		{P256, "", 0},
		{P384, "", 0},
		{P521, signing.ECDSA, 0},
		{P521, signing.ECDSA, crypto.SHA256},
	}
	if !testing.Short() {
		settings = append(settings, setting{RSA4096, "", 0})
	}
	dirs := make(map[KeyType]string) // large keys take seconds, so make one of each type
	for _, s := range settings {
		if dirs[s.key] == "" {
			dirs[s.key] = t.TempDir()
		}
		dir := dirs[s.key]
		t.Run(fmt.Sprintf("%s %s %d", s.key, s.algorithm, s.hash), func(t *testing.T) {
			providertest.Run(t, providertest.Harness{Free: true, Open: func(t *testing.T) signing.Provider {
				p, err := OpenEmbedded(dir, logr.Discard(), EmbeddedOptions{Options{Algorithm: s.algorithm, Hash: s.hash}, s.key})
				if err != nil {
					t.Fatal(err)
				}
				return p
			}})
		})
	}
}

func TestConformancePKCS12(t *testing.T) {
	path := pkcs12File(t, testRSA(2048), nil)
	providertest.Run(t, providertest.Harness{Free: true, Open: func(t *testing.T) signing.Provider {
		p, err := OpenPKCS12(path, password, Options{MaxBatch: 3, Parallel: 1})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}})
}

// refusingKey refuses to sign after a given number of signatures.
type refusingKey struct {
	crypto.Signer
	left chan struct{}
}

func (k refusingKey) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	select {
	case <-k.left:
		return k.Signer.Sign(random, digest, opts)
	default:
		return nil, errors.New("spent")
	}
}

func TestSignIsAllOrNothing(t *testing.T) {
	p, err := OpenEmbedded(t.TempDir(), logr.Discard(), EmbeddedOptions{Key: P256})
	if err != nil {
		t.Fatal(err)
	}
	id := *p.current.Load()
	left := make(chan struct{}, 3)
	for range 3 {
		left <- struct{}{}
	}
	id.key = refusingKey{id.key, left}
	p.current.Store(&id)
	call := signing.Call{ID: "x"}
	for range 10 {
		call.Digests = append(call.Digests, make([]byte, 32))
	}
	values, err := p.Sign(t.Context(), call)
	e := signing.AsError(err)
	if values != nil || err == nil || e.Kind != signing.KindProvider || !e.Retry || e.Unknown {
		t.Errorf("Sign = %d values, %v; want none and a provider error worth a retry", len(values), err)
	}
}

func TestCredentialHash(t *testing.T) {
	for key, want := range map[KeyType]crypto.Hash{
		RSA2048: crypto.SHA256, P256: crypto.SHA256, P384: crypto.SHA384, P521: crypto.SHA512,
	} {
		p, err := OpenEmbedded(t.TempDir(), logr.Discard(), EmbeddedOptions{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		c, err := p.Credential(t.Context())
		if err != nil || c.Hash != want {
			t.Errorf("%s: Credential.Hash = %v, %v; want %v", key, c.Hash, err, want)
		}
	}
}

func BenchmarkSignBatch(b *testing.B) {
	p, err := OpenEmbedded(b.TempDir(), logr.Discard(), EmbeddedOptions{})
	if err != nil {
		b.Fatal(err)
	}
	call := signing.Call{ID: "bench"}
	for range 100 {
		call.Digests = append(call.Digests, make([]byte, 32))
	}
	for b.Loop() {
		if _, err := p.Sign(b.Context(), call); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*100)/b.Elapsed().Seconds(), "signatures/s")
}
