package pades

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestLevels signs every sample of the repository at each level with a timestamp.
func TestLevels(t *testing.T) {
	k := rsaKey()
	a := newAuthority(t, k)
	f := &Format{Timestamper: a, Revocation: a}
	refused := readRefusals(t)
	for _, path := range corpusFiles(t) {
		name := filepath.Base(path)
		if _, ok := refused[name]; ok {
			continue
		}
		original, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, level := range []signing.Level{signing.LevelT, signing.LevelLT, signing.LevelLTA} {
			t.Run(name+" "+string(level), func(t *testing.T) {
				signed, err := trySign(t, f, k, original, level)
				if err != nil {
					if os.Getenv("SIGNSTASH_CORPUS") != "" {
						checkRefusal(t, signing.AsError(err))
						return
					}
					t.Fatal(err)
				}
				checkSigned(t, signed, level)
			})
		}
	}
}

// TestOthersLevels checks documents of each level with independent programs.
func TestOthersLevels(t *testing.T) {
	k := rsaKey()
	a := newAuthority(t, k)
	f := &Format{Timestamper: a, Revocation: a}
	m := onePage("", "")
	m.packed = true
	original := m.bytes()
	o := askOthers(t, k)
	o.check(t, original, mustSign(t, f, k, original, signing.LevelT), "--timestamp")
}

// TestOverflow tests that a document timestamp reaches the level when tokens do not fit, without a
// second signature.
func TestOverflow(t *testing.T) {
	k := rsaKey()
	original := onePage("", "").bytes()
	for _, level := range []signing.Level{signing.LevelT, signing.LevelLT, signing.LevelLTA} {
		t.Run(string(level), func(t *testing.T) {
			a := newAuthority(t, k)
			f := &Format{Timestamper: a, Revocation: a, TokenSize: 100}
			in := input(t, original, level)
			p, err := f.Prepare(context.Background(), in, k.credential)
			if err != nil {
				t.Fatal(err)
			}
			section, _, err := f.Embed(context.Background(), in, p, k.sign(t, p.Digest))
			if err != nil {
				t.Fatal(err)
			}
			signed := append(bytes.Clone(original), section...)
			r := checkSigned(t, signed, level)
			if r == nil || r.Whole {
				t.Error("no revision follows the signature")
			}
			list, err := readSignatures(openPDF(t, signed))
			if err != nil || len(list) < 2 {
				t.Errorf("%d signed fields, %v, want a document timestamp too", len(list), err)
			}
		})
	}
}

// TestAuthorityFails tests that errors of the authority are returned, and that an answer that is
// not a token over our digest is refused.
func TestAuthorityFails(t *testing.T) {
	k := rsaKey()
	original := onePage("", "").bytes()
	for _, tt := range []struct {
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
		t.Run(tt.name, func(t *testing.T) {
			a := newAuthority(t, k)
			if tt.rude != "" {
				a.handler.MisbehaveAlways(tt.rude)
			}
			a.spoil = tt.spoil
			_, err := trySign(t, &Format{Timestamper: a}, k, original, signing.LevelT)
			if err == nil || signing.KindOf(err) != tt.kind {
				t.Errorf("error = %v, want %s", err, tt.kind)
			}
		})
	}
}

// nothing is a Revocation that returns no validation data.
type nothing struct{}

func (nothing) Gather(context.Context, []*x509.Certificate) (certs, ocsps, crls [][]byte, err error) {
	return nil, nil, nil, nil
}

// refusing is a Revocation that returns an error.
type refusing struct{}

func (refusing) Gather(context.Context, []*x509.Certificate) (certs, ocsps, crls [][]byte, err error) {
	return nil, nil, nil, signing.Errorf(signing.KindRevocation, "no responder answered").Retryable(0)
}

func TestRevocationFails(t *testing.T) {
	k := rsaKey()
	original := onePage("", "").bytes()
	a := newAuthority(t, k)
	_, err := trySign(t, &Format{Timestamper: a, Revocation: refusing{}}, k, original, signing.LevelLT)
	if signing.KindOf(err) != signing.KindRevocation {
		t.Errorf("error = %v, want the gatherer's own", err)
	}
	if _, err := trySign(t, &Format{Timestamper: a, Revocation: nothing{}}, k, original, signing.LevelLT); err == nil {
		t.Error("a document without revocation data counts as B-LT")
	}
}

// TestStoreGrows signs twice at B-LT and tests that existing validation data stays and is not
// stored again.
func TestStoreGrows(t *testing.T) {
	k := rsaKey()
	a := newAuthority(t, k)
	f := &Format{Timestamper: a, Revocation: a}
	once := mustSign(t, f, k, onePage("", "").bytes(), signing.LevelLT)
	twice := mustSign(t, f, k, once, signing.LevelLTA)
	count := func(file []byte, key pdf.Name) int {
		doc := openPDF(t, file)
		catalog, _, err := doc.Catalog()
		if err != nil {
			t.Fatal(err)
		}
		list, err := doc.Array(dictOf(t, doc, catalog.Get("DSS")).Get(key))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if before, after := count(once, "Certs"), count(twice, "Certs"); before < 3 || after != before {
		t.Errorf("%d certificates, then %d, want the same", before, after)
	}
	if before, after := count(once, "OCSPs"), count(twice, "OCSPs"); before < 1 || after <= before {
		t.Errorf("%d OCSP responses, then %d, want more", before, after)
	}
	r, err := Verify(context.Background(), bytes.NewReader(twice), int64(len(twice)), VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range r.Signatures {
		if !s.Valid() || !s.Timestamp && s.Level != signing.LevelLTA {
			t.Errorf("signature %d = %+v, want valid at B-LTA", i, s)
		}
	}
}

// TestHashOfTimestamps tests that timestamps use the hash of the credential.
func TestHashOfTimestamps(t *testing.T) {
	k := rsaKey()
	c := *k.credential
	c.Hash = crypto.SHA512
	other := *k
	other.credential = &c
	a := newAuthority(t, k)
	signed := mustSign(t, &Format{Timestamper: a, Revocation: a}, &other, onePage("", "").bytes(), signing.LevelLTA)
	checkSigned(t, signed, signing.LevelLTA)
}

// turns uses its authorities in turn.
type turns struct {
	authorities []*authority
	asked       int
}

func (t *turns) Timestamp(ctx context.Context, digest []byte, hash crypto.Hash) ([]byte, error) {
	a := t.authorities[t.asked%len(t.authorities)]
	t.asked++
	return a.Timestamp(ctx, digest, hash)
}

// TestSecondAuthority uses another authority for the archive timestamp than for the signature. The
// validation data of this authority is not stored yet.
func TestSecondAuthority(t *testing.T) {
	k := rsaKey()
	first, second := newAuthority(t, k), newAuthority(t, k)
	f := &Format{Timestamper: &turns{authorities: []*authority{first, second}}, Revocation: first}
	signed, err := trySign(t, f, k, onePage("", "").bytes(), signing.LevelLTA)
	if err != nil {
		t.Fatal(err)
	}
	checkSigned(t, signed, signing.LevelLTA)
}

// rootless is a Revocation that does not know the issuer of the issuing CA, and returns nothing for
// it.
type rootless struct{ *authority }

func (r rootless) Gather(ctx context.Context, chain []*x509.Certificate) (certs, ocsps, crls [][]byte, err error) {
	_, ocsps, _, err = r.authority.Gather(ctx, chain)
	return nil, ocsps, nil, err
}

// TestForeignStore signs a document whose store already contains the root that is unknown here.
// This must not require more validation data.
func TestForeignStore(t *testing.T) {
	k := rsaKey()
	a := newAuthority(t, k)
	original := onePage("/DSS<</Certs[6 0 R]>>", "").with(6, streamOf(string(k.root.Raw), "")).bytes()
	if _, err := trySign(t, &Format{Timestamper: a, Revocation: rootless{a}}, k, original, signing.LevelLT); err != nil {
		t.Error(err)
	}
}
