package xades

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/trialpki"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// pkis returns PKIs with timestamps and revocation data, by the name of the algorithm.
var pkis = sync.OnceValue(func() map[string]*trialpki.PKI {
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	return map[string]*trialpki.PKI{
		"RSA-SHA256": trialpki.New(rsaKey, signing.RSAPKCS1, crypto.SHA256),
		"PSS-SHA384": trialpki.New(rsaKey, signing.RSAPSS, crypto.SHA384),
		"P-256":      trialpki.New(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), signing.ECDSA, crypto.SHA256),
		"P-384":      trialpki.New(must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), signing.ECDSA, crypto.SHA384),
		"P-521":      trialpki.New(must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)), signing.ECDSA, crypto.SHA512),
	}
})

var levels = []signing.Level{signing.LevelB, signing.LevelT, signing.LevelLT, signing.LevelLTA}

// levelInput returns an Input for a level.
func levelInput(doc []byte, level signing.Level, a *signing.AdvancedSignature) signing.Input {
	in := inputOf(doc, a)
	in.Signature.Level, in.Time = level, time.Now()
	return in
}

// signLevel signs a document at a level with a profile.
func signLevel(
	t testing.TB, doc []byte, level signing.Level, a *signing.AdvancedSignature, p *trialpki.PKI, profile *Profile,
) ([]byte, error) {
	t.Helper()
	f := &Format{Timestamper: p, Revocation: p}
	in := levelInput(doc, level, a)
	prepared, err := f.prepare(t.Context(), in, p.Credential, profile)
	if err != nil {
		return nil, err
	}
	section, pieces, err := f.Embed(t.Context(), in, prepared, must(p.Sign(prepared.Digest)))
	if err != nil {
		return nil, err
	}
	joined, err := signing.Join(in.File, bytes.NewReader(section), pieces)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(joined, 0, joined.Size()))
}

// checkLevel checks the level and the verdict on the last signature of a document.
func checkLevel(t *testing.T, name string, doc []byte, want signing.Level) {
	t.Helper()
	all, err := Verify(t.Context(), inMemory(doc), VerifyOptions{})
	if err != nil || len(all) == 0 {
		t.Errorf("%s: Verify = %d signatures, %v", name, len(all), err)
		return
	}
	s := all[len(all)-1]
	if s.Verdict != Valid || s.Level != want || s.Stamped.IsZero() == (want != signing.LevelB) || len(s.Notes) > 0 {
		t.Errorf("%s: level %q, want %q: %+v", name, s.Level, want, s)
	}
}

// TestLevels signs at each level with each kind of key. The judges verify each signature, and
// OpenSSL the timestamps.
func TestLevels(t *testing.T) {
	j := startJudges(t)
	for key, p := range pkis() {
		for _, level := range levels {
			name := key + " " + string(level)
			signed, err := signLevel(t, []byte(awkward), level, nil, p, &baseline)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			checkLevel(t, name, signed, level)
			j.check(t, name, signed)
			askOpenSSL(t, name, p, signed)
			keep(t, strings.ReplaceAll(name, " ", "-")+".xml", signed)
		}
	}
}

// tokenText matches the text of a token.
var tokenText = regexp.MustCompile(`<xades:EncapsulatedTimeStamp>([^<]*)<`)

// askOpenSSL lets OpenSSL verify the signatures and chains of the tokens in a document. What they
// are over is for the JDK to judge.
func askOpenSSL(t *testing.T, name string, p *trialpki.PKI, signed []byte) {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Logf("OpenSSL is not installed: %v", err)
		return
	}
	folder := t.TempDir()
	ca, token := filepath.Join(folder, "ca.pem"), filepath.Join(folder, "token")
	if err := os.WriteFile(ca, p.RootPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, m := range tokenText.FindAllSubmatch(signed, -1) {
		stamp := must(readToken(string(m[1])))
		if err := os.WriteFile(token, must(decode(string(m[1]))), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(openssl, "ts", "-verify", "-digest", hex.EncodeToString(stamp.Imprint), "-in", token,
			"-token_in", "-CAfile", ca).CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("Verification: OK")) {
			t.Errorf("%s: openssl ts: %v: %s", name, err, out)
		}
	}
}

// TestEveryDocument signs every document at every level, with the transforms, the canonical forms
// and the algorithms in turn.
func TestEveryDocument(t *testing.T) {
	j := startJudges(t)
	keys := slices.Sorted(maps.Keys(pkis()))
	transforms := []string{"ENVELOPED", "XPATH", "XPATH2_FILTER"}
	forms := []string{"EXCLUSIVE", "INCLUSIVE"}
	files := corpusFiles(t, edges)
	if more := os.Getenv("SIGNSTASH_CORPUS"); more != "" {
		files = append(files, corpusFiles(t, filepath.Join(more, "xml"))...)
	}
	signatures := map[signing.Level]int{}
	for i, path := range files {
		doc := must(os.ReadFile(path))
		for k, level := range levels {
			transform, form, key := transforms[(i+k)%3], forms[i%2], keys[(i+k)%len(keys)]
			name := filepath.Base(path) + " " + strings.Join([]string{string(level), transform, form, key}, " ")
			a := &signing.AdvancedSignature{SignatureTransform: transform, CanonicalTransform: form}
			signed, err := signLevel(t, doc, level, a, pkis()[key], &baseline)
			if err != nil {
				if signing.KindOf(err) == signing.KindInternal {
					t.Errorf("%s: %v", name, err)
				}
				continue // TestCorpus checks what is refused
			}
			signatures[level]++
			checkLevel(t, name, signed, level)
			if transform == "ENVELOPED" || len(signed) <= maxJudgedBytes {
				j.check(t, name, signed)
				askScript(t, name, signed, doc, level, pkis()[key])
			}
			keep(t, strings.ReplaceAll(name, " ", "."), signed)
		}
	}
	t.Logf("%d documents, signatures: %v", len(files), signatures)
}

// TestLevelForms signs at level B-LTA with every canonical form, at the root and inside an element,
// and with a profile whose timestamps are over an inclusive form, which depends on the elements
// around the signature.
func TestLevelForms(t *testing.T) {
	j := startJudges(t)
	p := pkis()["RSA-SHA256"]
	inclusive := baseline
	form := xmlc14n.Form{Method: xmlc14n.Inclusive10}
	inclusive.Data, inclusive.SignedInfo, inclusive.Properties, inclusive.Timestamps = form, form, form, form
	inclusive.Digest = crypto.SHA512
	for _, location := range []string{"", "p:b"} {
		for _, c := range formNames {
			a := &signing.AdvancedSignature{CanonicalTransform: c.name, SignatureLocation: location}
			signed, err := signLevel(t, []byte(awkward), signing.LevelLTA, a, p, &baseline)
			if err != nil {
				t.Fatal(err)
			}
			checkLevel(t, c.name+" "+location, signed, signing.LevelLTA)
			j.check(t, c.name+" "+location, signed)
		}
		a := &signing.AdvancedSignature{SignatureLocation: location}
		signed, err := signLevel(t, []byte(awkward), signing.LevelLTA, a, p, &inclusive)
		if err != nil {
			t.Fatal(err)
		}
		checkLevel(t, "inclusive "+location, signed, signing.LevelLTA)
		if j.xmlsec {
			j.askXMLSec(t, "inclusive "+location, signed)
		}
	}
}

// TestForeignLevels judges signatures of another program with timestamps, archive timestamps and
// validation data.
func TestForeignLevels(t *testing.T) {
	for name, want := range map[string][]string{
		"xades-lta-valid.xml": {"valid B-LTA 2021-08-12 "},
		"doubleSignedTest.xml": {
			"valid B-LTA 2019-05-17 ", "valid  2019-05-17 its timestamp over references is not judged; ",
		},
	} {
		all, err := Verify(t.Context(), inMemory(must(os.ReadFile(filepath.Join("testdata/dss", name)))), VerifyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range all {
			got = append(got, fmt.Sprintf("%s %s %s %s", s.Verdict, s.Level, s.Stamped.Format(time.DateOnly),
				strings.Join(append(s.Notes, s.Reason), "; ")))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
