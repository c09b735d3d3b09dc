package cades

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/trialpki"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// pkis returns one PKI for each algorithm, by name.
var pkis = sync.OnceValue(func() map[string]*trialpki.PKI {
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	p256 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	p521 := must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	return map[string]*trialpki.PKI{
		"RSA-SHA256": trialpki.New(rsaKey, signing.RSAPKCS1, crypto.SHA256),
		"RSA-SHA384": trialpki.New(rsaKey, signing.RSAPKCS1, crypto.SHA384),
		"RSA-SHA512": trialpki.New(rsaKey, signing.RSAPKCS1, crypto.SHA512),
		"PSS-SHA256": trialpki.New(rsaKey, signing.RSAPSS, crypto.SHA256),
		"PSS-SHA384": trialpki.New(rsaKey, signing.RSAPSS, crypto.SHA384),
		"PSS-SHA512": trialpki.New(rsaKey, signing.RSAPSS, crypto.SHA512),
		"P-256":      trialpki.New(p256, signing.ECDSA, crypto.SHA256),
		"P-384":      trialpki.New(p384, signing.ECDSA, crypto.SHA384),
		"P-521":      trialpki.New(p521, signing.ECDSA, crypto.SHA512),
	}
})

func pki() *trialpki.PKI { return pkis()["P-256"] }

// formatOf returns a format that reaches every level.
func formatOf(p *trialpki.PKI) *Format { return &Format{Timestamper: p, Revocation: p} }

var levels = []signing.Level{signing.LevelB, signing.LevelT, signing.LevelLT, signing.LevelLTA}

// want is how a test wants a file to be signed.
type want struct {
	level     signing.Level // empty = B-B
	packaging signing.Packaging
	existing  signing.Existing
	pki       *trialpki.PKI // nil = P-256
	time      time.Time     // zero = now
}

func (w want) input(original []byte) signing.Input {
	h := sha256.New()
	h.Write(original)
	in := signing.Input{
		File: inMemory(original), Midstate: must(h.(encoding.BinaryMarshaler).MarshalBinary()), Time: w.time,
		ContentType: "text/xml; charset=utf-8",
		Signature: signing.SignatureInfo{
			Type: signing.CAdES, Level: w.level, Packaging: w.packaging, Existing: w.existing,
		},
	}
	if in.Time.IsZero() {
		in.Time = time.Now()
	}
	if w.level == "" {
		in.Signature.Level = signing.LevelB
	}
	return in
}

// sign signs a file.
func (w want) sign(t testing.TB, original []byte) ([]byte, error) {
	t.Helper()
	p := w.pki
	if p == nil {
		p = pki()
	}
	return w.signWith(t, formatOf(p), p, w.input(original))
}

func (w want) signWith(t testing.TB, f *Format, p *trialpki.PKI, in signing.Input) ([]byte, error) {
	t.Helper()
	prepared, err := f.Prepare(t.Context(), in, p.Credential)
	if err != nil {
		return nil, err
	}
	value, err := p.Sign(prepared.Digest)
	if err != nil {
		t.Fatal(err)
	}
	section, pieces, err := f.Embed(t.Context(), in, prepared, value)
	if err != nil {
		return nil, err
	}
	joined, err := signing.Join(in.File, bytes.NewReader(section), pieces)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(joined, 0, joined.Size()))
}

func (w want) mustSign(t testing.TB, original []byte) []byte {
	t.Helper()
	signed, err := w.sign(t, original)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// memoryFile is a file in memory.
type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }

func inMemory(b []byte) memoryFile { return memoryFile{bytes.NewReader(b)} }

// verify verifies a file. content is that of a detached signature.
func verify(t testing.TB, signed, content []byte, detached bool) *Report {
	t.Helper()
	r, err := tryVerify(t, signed, content, detached)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tryVerify(t testing.TB, signed, content []byte, detached bool) (*Report, error) {
	t.Helper()
	var o VerifyOptions
	if detached {
		o.Content = inMemory(content)
	}
	return Verify(t.Context(), inMemory(signed), o)
}

// describe returns the verdict, the levels and the reasons of a report.
func describe(r *Report) string {
	text := string(r.Verdict())
	for i := range r.Signatures {
		s := &r.Signatures[i]
		text += "; " + string(s.Verdict()) + " " + string(s.Level) + " " + s.Reason()
		for _, n := range s.Notes {
			text += " (" + n + ")"
		}
	}
	return text
}
