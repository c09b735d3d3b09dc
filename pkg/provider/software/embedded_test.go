package software

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func open(t *testing.T, dir string, o EmbeddedOptions) (*Provider, *signing.Credential) {
	t.Helper()
	p, err := OpenEmbedded(dir, logr.Discard(), o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p, c
}

func TestEmbeddedIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "key")
	var log strings.Builder
	p, err := OpenEmbedded(dir, funcr.New(func(_, args string) { log.WriteString(args) }, funcr.Options{}),
		EmbeddedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "no legal value") {
		t.Errorf("log = %q, want the warning", log.String())
	}
	first, err := p.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, second := open(t, dir, EmbeddedOptions{})
	if !first.Certificate().Equal(second.Certificate()) || len(first.Chain) != 2 || first.Algorithm != signing.RSAPKCS1 {
		t.Errorf("the second start has another credential: %v, want %v",
			second.Certificate().SerialNumber, first.Certificate().SerialNumber)
	}
	info, err := os.Stat(filepath.Join(dir, identityFile))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode of the key file = %v, %v; want 0600", info.Mode(), err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 2 {
		t.Errorf("%d files in the folder, want the key and the CA", len(entries))
	}
}

func TestEmbeddedCertificates(t *testing.T) {
	p, c := open(t, t.TempDir(), EmbeddedOptions{Key: P256})
	data, err := os.ReadFile(p.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) || bytes.Contains(data, []byte("PRIVATE")) {
		t.Fatalf("CA file is not a certificate alone")
	}
	leaf := c.Certificate()
	opts := x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	if _, err := leaf.Verify(opts); err != nil {
		t.Errorf("the CA file does not vouch for the certificate: %v", err)
	}
	if want := x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment; leaf.KeyUsage != want || leaf.IsCA {
		t.Errorf("key usage = %b, CA %v; want %b, false", leaf.KeyUsage, leaf.IsCA, want)
	}
	if len(leaf.SubjectKeyId) == 0 || !bytes.Equal(leaf.AuthorityKeyId, c.Chain[1].SubjectKeyId) {
		t.Error("key identifiers are missing or do not link up")
	}
	for _, cert := range c.Chain {
		if s := cert.Subject.String(); !strings.Contains(s, "development") || !strings.Contains(s, "no legal value") {
			t.Errorf("subject %q does not say what it is", s)
		}
	}
}

func TestEmbeddedOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	p, c := open(t, t.TempDir(), EmbeddedOptions{})
	leaf := filepath.Join(t.TempDir(), "leaf.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw})
	if err := os.WriteFile(leaf, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(
		openssl, "verify", "-x509_strict", "-purpose", "smimesign", "-CAfile", p.CAFile(), leaf,
	).CombinedOutput(); err != nil {
		t.Errorf("openssl verify = %v: %s", err, out)
	}
}

// TestEmbeddedRenewal checks that the certificate is renewed before it expires and keeps its key.
// The CA is renewed too if it would expire before the certificate.
func TestEmbeddedRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		p, first := open(t, dir, EmbeddedOptions{Key: P256})
		time.Sleep(leafLife - renewBefore - time.Hour)
		if c, err := p.Credential(t.Context()); err != nil || c != first {
			t.Errorf("before its time Credential = %v, %v; want the first", c, err)
		}
		time.Sleep(2 * time.Hour)
		second, err := p.Credential(t.Context())
		if err != nil || second == first || !second.Certificate().NotAfter.After(first.Certificate().NotAfter) {
			t.Fatalf("near the end Credential = %v; want a new certificate", err)
		}
		if !second.Certificate().PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(first.Certificate().PublicKey) {
			t.Error("the key changed with the renewal")
		}
		if !second.Chain[1].Equal(first.Chain[1]) {
			t.Error("the CA changed with the renewal")
		}
		if _, c := open(t, dir, EmbeddedOptions{Key: P256}); !c.Certificate().Equal(second.Certificate()) {
			t.Error("the renewed certificate is not on disk")
		}
		time.Sleep(caLife - leafLife)
		third, err := p.Credential(t.Context())
		if err != nil || third.Chain[1].Equal(first.Chain[1]) {
			t.Fatalf("near the CA's end Credential = %v; want a new CA", err)
		}
		data, err := os.ReadFile(p.CAFile())
		if block, _ := pem.Decode(data); err != nil || !bytes.Equal(block.Bytes, third.Chain[1].Raw) {
			t.Errorf("the new CA is not in its file: %v", err)
		}
	})
}

// TestEmbeddedRenewalKeepsPrepared checks that a document that was prepared for the old certificate
// can be signed after a renewal and still has a valid signature.
func TestEmbeddedRenewalKeepsPrepared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, before := open(t, t.TempDir(), EmbeddedOptions{Key: P256})
		time.Sleep(leafLife - renewBefore + time.Hour)
		if after, err := p.Credential(t.Context()); err != nil || after == before {
			t.Fatalf("Credential = %v, want a new one", err)
		}
		digest := bytes.Repeat([]byte{7}, 32)
		values, err := p.Sign(t.Context(), signing.Call{ID: "x", Digests: [][]byte{digest}})
		if err != nil {
			t.Fatal(err)
		}
		if err := signing.VerifyValue(before, digest, values[0]); err != nil {
			t.Errorf("VerifyValue against the old certificate = %v", err)
		}
	})
}

// TestEmbeddedRenewalFails checks that the old certificate stays in use until it expires when a
// renewal cannot be stored.
func TestEmbeddedRenewalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		p, first := open(t, dir, EmbeddedOptions{Key: P256})
		if err := os.WriteFile(filepath.Join(dir, identityFile), []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(leafLife - time.Hour)
		if c, err := p.Credential(t.Context()); err != nil || c != first {
			t.Errorf("Credential = %v, %v; want the old one", c, err)
		}
		time.Sleep(2 * time.Hour)
		if c, err := p.Credential(t.Context()); err != nil ||
			signing.KindOf(c.CheckValidity(time.Now())) != signing.KindCertificate {
			t.Errorf("Credential after its end = %v, %v, want the expired one", c, err)
		}
	})
}

func TestEmbeddedKeyTypeChanges(t *testing.T) {
	dir := t.TempDir()
	_, rsa := open(t, dir, EmbeddedOptions{})
	_, ec := open(t, dir, EmbeddedOptions{Key: P384})
	if ec.Algorithm != signing.ECDSA || !rsa.Chain[1].Equal(ec.Chain[1]) {
		t.Errorf("algorithm = %s, same CA %v; want ECDSA under the same CA", ec.Algorithm, rsa.Chain[1].Equal(ec.Chain[1]))
	}
}

func TestEmbeddedRefuses(t *testing.T) {
	if _, err := OpenEmbedded(t.TempDir(), logr.Discard(), EmbeddedOptions{Key: "RSA-1024"}); err == nil {
		t.Error("OpenEmbedded with RSA-1024 = nil, want an error")
	}
	for name, content := range map[string]string{"empty": "", "garbage": "garbage", "half": "half"} {
		dir := t.TempDir()
		path := filepath.Join(dir, identityFile)
		if name == "half" {
			open(t, dir, EmbeddedOptions{Key: P256})
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			content = string(data[:len(data)/2])
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenEmbedded(dir, logr.Discard(), EmbeddedOptions{})
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: OpenEmbedded = %v, want an error that names the file", name, err)
		}
		if left, _ := os.ReadFile(path); string(left) != content {
			t.Errorf("%s: the file was overwritten", name)
		}
	}
}
