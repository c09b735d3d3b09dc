package pades

import (
	"crypto/rand"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing/formattest"
)

// TestConformance runs the suite of signing.Format at every level. PAdES promises that a signed
// document starts with the original, byte for byte.
func TestConformance(t *testing.T) {
	k := rsaKey()
	a := newAuthority(t, k)
	var samples []formattest.Sample
	for _, level := range []signing.Level{signing.LevelB, signing.LevelT, signing.LevelLT, signing.LevelLTA} {
		samples = append(samples, formattest.Sample{
			Name: string(level), Original: onePage("", "").bytes(), Time: testTime,
			Signature: signing.SignatureInfo{Type: signing.PAdES, Level: level},
		})
	}
	formattest.Run(t, formattest.Harness{
		Open:       func(*testing.T) signing.Format { return &Format{Timestamper: a, Revocation: a} },
		Credential: k.credential,
		Sign:       func(digest []byte) ([]byte, error) { return k.key.Sign(rand.Reader, digest, k.credential.Hash) },
		Samples:    samples,
		Promise:    formattest.Appends,
	})
}
