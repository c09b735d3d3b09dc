package pades

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func TestLevels(t *testing.T) {
	k := rsaKey()
	a := newAuthority(t, k)
	dir := os.Getenv("SIGNSTASH_CORPUS")
	files, _ := filepath.Glob(filepath.Join(dir, "*.[pP]df"))
	for _, level := range []signing.Level{signing.LevelT, signing.LevelLT, signing.LevelLTA} {
		out := filepath.Join(os.Getenv("SIGNSTASH_OUT"), string(level))
		os.MkdirAll(out, 0o755)
		os.WriteFile(filepath.Join(out, "ca.pem"), k.rootPEM, 0o644)
		for _, path := range files {
			original, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			signed, err := trySign(t, &Format{Timestamper: a, Revocation: a}, k, original, level)
			if err != nil {
				t.Logf("%s: %v", filepath.Base(path), err)
				continue
			}
			os.WriteFile(filepath.Join(out, filepath.Base(path)), signed, 0o644)
		}
	}
}

var _ = context.Background
var _ crypto.Hash
var _ ecdsa.PublicKey
var _ = elliptic.P256
var _ = rand.Reader
var _ rsa.PublicKey
var _ x509.Certificate
var _ = errors.New
