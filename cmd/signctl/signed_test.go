package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/trialpki"
	"github.com/signstash-proxy/signstash-proxy/pkg/cades"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xades"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// pki is the authority that issues the certificates of signed test files.
var pki = sync.OnceValue(func() *trialpki.PKI {
	return trialpki.New(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), signing.ECDSA, crypto.SHA256)
})

// caFile writes the root of pki to a file and returns its path.
func caFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pki().RootPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// memoryFile is a file in memory.
type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }

// signedAs signs a content with XAdES or CAdES. The level is B-B if info names none.
func signedAs(t testing.TB, info signing.SignatureInfo, content []byte) []byte {
	t.Helper()
	return signedAt(t, info, content, time.Now())
}

// signedAt is like signedAs, with the time that the signer claims.
func signedAt(t testing.TB, info signing.SignatureInfo, content []byte, at time.Time) []byte {
	t.Helper()
	p := pki()
	var format signing.Format = &xades.Format{Timestamper: p, Revocation: p}
	if info.Type == signing.CAdES {
		format = &cades.Format{Timestamper: p, Revocation: p}
	}
	if info.Level == "" {
		info.Level = signing.LevelB
	}
	in := signing.Input{File: memoryFile{bytes.NewReader(content)}, Time: at, Signature: info}
	prepared, err := format.Prepare(t.Context(), in, p.Credential)
	if err != nil {
		t.Fatal(err)
	}
	section, pieces, err := format.Embed(t.Context(), in, prepared, must(p.Sign(prepared.Digest)))
	if err != nil {
		t.Fatal(err)
	}
	joined := must(signing.Join(in.File, bytes.NewReader(section), pieces))
	return must(io.ReadAll(io.NewSectionReader(joined, 0, joined.Size())))
}
