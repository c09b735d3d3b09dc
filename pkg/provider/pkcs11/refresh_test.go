//go:build pkcs11 && cgo

package pkcs11

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// putKey stores a new key with the given label in the token and returns a file with its
// certificate.
func putKey(t *testing.T, id, label string) (file string) {
	t.Helper()
	util, err := exec.LookPath("softhsm2-util")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := importKey(util, id, label, key); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: label},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := certify(template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return writeChain(t, filepath.Join(t.TempDir(), "chain.pem"), cert)
}

func writeChain(t *testing.T, file string, cert *x509.Certificate) string {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// removeKey removes the keys with the given id from the token.
func removeKey(t *testing.T, slot uint, id byte) {
	t.Helper()
	ctx := hsm.module.ctx
	s, err := ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		t.Fatal(err)
	}
	defer ctx.CloseSession(s)
	if err := ctx.FindObjectsInit(s, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_ID, []byte{id})}); err != nil {
		t.Fatal(err)
	}
	objects, _, err := ctx.FindObjects(s, 10)
	if err != nil {
		t.Fatal(err)
	}
	_ = ctx.FindObjectsFinal(s)
	for _, o := range objects {
		if err := ctx.DestroyObject(s, o); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRefresh checks that a key and certificate that replace others under the same label are used
// after Refresh, without a restart.
func TestRefresh(t *testing.T) {
	file := putKey(t, "b0", "renewed")
	p := open(t, Config{KeyLabel: "renewed", CertificateFile: file})
	before, _ := p.Credential(t.Context())
	call := signing.Call{ID: "x", Digests: [][]byte{make([]byte, 32)}}
	if _, err := p.Sign(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	removeKey(t, p.connections.current.slot, 0xb0)
	next, err := os.ReadFile(putKey(t, "b1", "renewed"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeKey(t, p.connections.current.slot, 0xb1) })
	if err := os.WriteFile(file, next, 0o600); err != nil {
		t.Fatal(err)
	}
	now, err := p.Refresh(t.Context())
	if err != nil || now.Certificate().Equal(before.Certificate()) {
		t.Fatalf("Refresh = %v, %v, want the renewed certificate", now, err)
	}
	if kept, _ := p.Credential(t.Context()); kept != now {
		t.Error("Credential is not what Refresh returned")
	}
	values, err := p.Sign(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	if err := signing.VerifyValue(now, call.Digests[0], values[0]); err != nil {
		t.Errorf("the value does not verify with the renewed certificate: %v", err)
	}
}
