package cades

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/trialpki"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing/formattest"
)

// sample is a small file.
var sample = []byte("<?xml version=\"1.0\"?>\r\n<invoice>\x00 any bytes \xff</invoice>\n")

// TestConformance runs the suite of signing.Format for each packaging.
func TestConformance(t *testing.T) {
	p := pki()
	for packaging, promise := range map[signing.Packaging]formattest.Promise{
		"": formattest.Wraps, signing.Enveloping: formattest.Wraps, signing.Detached: formattest.Detaches,
	} {
		var samples []formattest.Sample
		for _, level := range levels {
			samples = append(samples, formattest.Sample{
				Name: "small " + string(level), Original: sample,
				Signature: signing.SignatureInfo{Type: signing.CAdES, Level: level, Packaging: packaging},
			})
		}
		samples = append(samples, formattest.Sample{
			Name: "one byte", Original: []byte{0},
			Signature: signing.SignatureInfo{Type: signing.CAdES, Level: signing.LevelB, Packaging: packaging},
		})
		t.Run(string(packaging), func(t *testing.T) {
			formattest.Run(t, formattest.Harness{
				Open:       func(*testing.T) signing.Format { return formatOf(p) },
				Credential: p.Credential,
				Sign:       p.Sign,
				Samples:    samples,
				Promise:    promise,
			})
		})
	}
}

// TestLevels signs with each packaging, level and algorithm. OpenSSL judges one of the packagings
// in turn.
func TestLevels(t *testing.T) {
	for name, p := range pkis() {
		for _, packaging := range []signing.Packaging{signing.Enveloping, signing.Detached} {
			for i, level := range levels {
				t.Run(name+" "+string(packaging)+" "+string(level), func(t *testing.T) {
					w := want{level: level, packaging: packaging, pki: p}
					signed := w.mustSign(t, sample)
					detached := packaging == signing.Detached
					o := VerifyOptions{Roots: p.Roots()}
					if detached {
						o.Content = inMemory(sample)
					}
					r, err := Verify(t.Context(), inMemory(signed), o)
					if err != nil {
						t.Fatal(err)
					}
					if r.Verdict() != Valid || r.Signatures[0].Level != level || r.Encoding != DER || r.Attached == detached {
						t.Errorf("report = %+v: %s", r, describe(r))
					}
					if detached == (i%2 == 0) {
						askOpenSSL(t, p, signed, sample, detached)
					}
				})
			}
		}
	}
}

// TestAttributes checks the signed attributes and the version.
func TestAttributes(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 8, time.FixedZone("", 3600))
	in := want{}.input(sample)
	in.Time = at
	for _, c := range []struct {
		contentType string
		mime        string
		year        int
	}{
		{"text/xml; charset=utf-8", "text/xml", 2026}, {"APPLICATION/PDF", "application/pdf", 2050},
		{"", "", 2026}, {"nonsense", "", 2026},
	} {
		in.ContentType, in.Time = c.contentType, at.AddDate(c.year-2026, 0, 0)
		o, err := parseOptions(in.Signature)
		if err != nil {
			t.Fatal(err)
		}
		attributes, err := signedAttributes(in, pki().Credential, make([]byte, 32), o)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := cms.BuildSigner(cms.SignedDataParams{
			SignedAttributes: attributes, SignatureValue: []byte{1}, Chain: pki().Credential.Chain,
			Algorithm: signing.ECDSA, Hash: crypto.SHA256,
		})
		if err != nil {
			t.Fatal(err)
		}
		s, err := cms.ParseSigner(signer)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.SigningTime(); !got.Equal(in.Time.Truncate(time.Second)) || !s.Sorted {
			t.Errorf("signing-time = %v, want %v; sorted %v", got, in.Time, s.Sorted)
		}
		var media string
		if values := s.Signed(cms.OIDMIMEType); len(values) > 0 {
			media = string(values[0][2:])
		}
		if media != c.mime {
			t.Errorf("mime-type for %q = %q, want %q", c.contentType, media, c.mime)
		}
	}
}

// TestReads: if the digest of the original is known, only the bytes of the original beside the
// structure are read.
func TestReads(t *testing.T) {
	p, original := pki(), make([]byte, 1<<20)
	for _, level := range levels {
		w := want{level: level}
		in := w.input(original)
		file := &countingFile{File: in.File}
		in.File = file
		if _, err := w.signWith(t, formatOf(p), p, in); err != nil {
			t.Fatal(err)
		}
		// signWith itself reads the signed file to return it.
		if read := file.read.Load() - int64(len(original)); read > 4*structureBlock {
			t.Errorf("%s: %d bytes of the original were read", level, read)
		}
	}
}

// countingFile counts the bytes that are read.
type countingFile struct {
	signing.File
	read atomic.Int64
}

func (f *countingFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	f.read.Add(int64(n))
	return n, err
}

// TestAnotherContent: what Embed gets must be what Prepare got.
func TestAnotherContent(t *testing.T) {
	other := bytes.Clone(sample)
	other[len(other)/2] ^= 1
	signed := want{}.mustSign(t, sample)
	for name, c := range map[string]struct {
		want
		first, second []byte
	}{
		"SHA-256":            {want{pki: pki()}, sample, other},
		"SHA-512":            {want{pki: pkis()["P-521"]}, sample, other},
		"SHA-512, detached":  {want{pki: pkis()["P-521"], packaging: signing.Detached}, sample, other},
		"SHA-256, co-signed": {want{pki: pki(), existing: signing.Cosign}, signed, bytes.Replace(signed, sample, other, 1)},
	} {
		f := formatOf(c.pki)
		prepared, err := f.Prepare(t.Context(), c.input(c.first), c.pki.Credential)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = f.Embed(t.Context(), c.input(c.second), prepared, must(c.pki.Sign(prepared.Digest)))
		if err == nil || signing.KindOf(err) != signing.KindInternal {
			t.Errorf("%s: error = %v, want an internal one", name, err)
		}
	}
}

// TestEmpty signs a file without a byte.
func TestEmpty(t *testing.T) {
	for _, packaging := range []signing.Packaging{signing.Enveloping, signing.Detached} {
		signed := want{packaging: packaging}.mustSign(t, nil)
		if r := verify(t, signed, nil, packaging == signing.Detached); r.Verdict() != Valid {
			t.Errorf("%s: %s", packaging, describe(r))
		}
	}
}

// TestRefuse: options that are not possible are refused, and nothing is accepted silently.
func TestRefuse(t *testing.T) {
	p := pki()
	for name, c := range map[string]struct {
		w      want
		format *Format
		kind   signing.Kind
	}{
		"level":              {want{level: "B-X"}, formatOf(p), signing.KindInvalid},
		"packaging":          {want{packaging: "INTERNALLY_DETACHED"}, formatOf(p), signing.KindInvalid},
		"existing":           {want{existing: "REPLACE"}, formatOf(p), signing.KindInvalid},
		"co-sign detached":   {want{existing: signing.Cosign, packaging: signing.Detached}, formatOf(p), signing.KindInvalid},
		"no authority":       {want{level: signing.LevelT}, &Format{}, signing.KindTimestamp},
		"no revocation":      {want{level: signing.LevelLT}, &Format{Timestamper: p}, signing.KindRevocation},
		"revocation fails":   {want{level: signing.LevelLT}, &Format{p, refusing{}}, signing.KindRevocation},
		"no revocation data": {want{level: signing.LevelLT}, &Format{p, nothing{}}, signing.KindInternal},
	} {
		if _, err := c.w.signWith(t, c.format, p, c.w.input(sample)); signing.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: error = %v, want %q", name, err, c.kind)
		}
	}
}

// nothing returns no validation data.
type nothing struct{}

func (nothing) Gather(context.Context, []*x509.Certificate) (certs, ocsps, crls [][]byte, err error) {
	return nil, nil, nil, nil
}

// refusing returns an error.
type refusing struct{}

func (refusing) Gather(context.Context, []*x509.Certificate) (certs, ocsps, crls [][]byte, err error) {
	return nil, nil, nil, signing.Errorf(signing.KindRevocation, "no responder answered").Retryable(0)
}

// TestAuthorityFails: errors of the authority are returned, and an answer that is not a token over
// our digest is refused.
func TestAuthorityFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		rude  tsa.Misbehaviour
		spoil func([]byte) []byte
		kind  signing.Kind
	}{
		{"rejects", tsa.Rejection, nil, signing.KindTimestamp},
		{"no token at all", "", func([]byte) []byte { return nil }, signing.KindTimestamp},
		{"garbage", "", func([]byte) []byte { return []byte("garbage") }, signing.KindTimestamp},
		{"cut off", "", func(b []byte) []byte { return b[:len(b)/2] }, signing.KindTimestamp},
		{"another signature value", "", func(b []byte) []byte { b = bytes.Clone(b); b[len(b)-1] ^= 1; return b },
			signing.KindInternal},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := trialpki.New(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), signing.ECDSA, crypto.SHA256)
			p.Spoil = c.spoil
			if c.rude != "" {
				p.TSA.MisbehaveAlways(c.rude)
			}
			w := want{level: signing.LevelT}
			_, err := w.signWith(t, formatOf(p), p, w.input(sample))
			if err == nil || signing.KindOf(err) != c.kind {
				t.Errorf("error = %v, want %s", err, c.kind)
			}
		})
	}
}
