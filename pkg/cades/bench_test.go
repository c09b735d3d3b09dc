package cades

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// BenchmarkFloor hashes the bytes that BenchmarkSignVerify signs and verifies.
func BenchmarkFloor(b *testing.B) {
	original := make([]byte, 50<<20)
	b.SetBytes(int64(len(original)))
	for b.Loop() {
		sha256.Sum256(original)
	}
}

// BenchmarkSignVerify signs 50 MB whose digest is not known, and verifies the signed file. That
// reads the original three times.
func BenchmarkSignVerify(b *testing.B) {
	original := make([]byte, 50<<20)
	p := pki()
	f := formatOf(p)
	b.SetBytes(int64(len(original)))
	for b.Loop() {
		in := signing.Input{
			File: inMemory(original), Time: time.Now(),
			Signature: signing.SignatureInfo{Type: signing.CAdES, Level: signing.LevelB},
		}
		prepared := must(f.Prepare(b.Context(), in, p.Credential))
		section, pieces, err := f.Embed(b.Context(), in, prepared, must(p.Sign(prepared.Digest)))
		if err != nil {
			b.Fatal(err)
		}
		joined := must(signing.Join(in.File, bytes.NewReader(section), pieces))
		if r := must(Verify(b.Context(), joined, VerifyOptions{})); r.Verdict() != Valid {
			b.Fatal(describe(r))
		}
	}
}
