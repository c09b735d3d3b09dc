package tsa

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

func newHandler(t *testing.T, key crypto.Signer, change func(o *Options)) (*Handler, *service.Authority) {
	t.Helper()
	a, err := service.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := a.Issue("TSA", key.Public(), Purpose)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := a.Issue("no TSA", key.Public(), nil)
	if err != nil {
		t.Fatal(err)
	}
	issuing, _ := a.Issuer()
	o := Options{Key: key, Certificate: cert, Chain: []*x509.Certificate{issuing}, NoPurpose: plain}
	if change != nil {
		change(&o)
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h, a
}

func post(t *testing.T, url string, query []byte) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.Post(url, "application/timestamp-query", bytes.NewReader(query))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

// TestOpenSSLVerifies checks that OpenSSL accepts the answers to its own requests.
func TestOpenSSLVerifies(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"RSA": rsaKey, "ECDSA": ecKey} {
		t.Run(name, func(t *testing.T) {
			h, a := newHandler(t, key, nil)
			server := httptest.NewServer(h)
			defer server.Close()
			folder := t.TempDir()
			run := func(args ...string) (string, error) {
				cmd := exec.Command(openssl, append([]string{"ts"}, args...)...)
				cmd.Dir = folder
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			write(t, folder, "data", []byte("data"))
			write(t, folder, "root.pem", a.RootPEM())
			issuing, _ := a.Issuer()
			write(t, folder, "issuing.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuing.Raw}))
			if out, err := run("-query", "-data", "data", "-sha384", "-cert", "-out", "query"); err != nil {
				t.Fatalf("openssl ts -query = %v: %s", err, out)
			}
			query, err := os.ReadFile(filepath.Join(folder, "query"))
			if err != nil {
				t.Fatal(err)
			}
			_, reply := post(t, server.URL, query)
			write(t, folder, "reply", reply)
			verify := []string{
				"-verify", "-queryfile", "query", "-in", "reply", "-CAfile", "root.pem", "-untrusted", "issuing.pem",
			}
			if out, err := run(verify...); err != nil || !strings.Contains(out, "Verification: OK") {
				t.Errorf("openssl ts -verify = %v: %s", err, out)
			}
			for _, r := range []Misbehaviour{WrongNonce, WrongImprint, WrongValue, WrongPurpose, ForeignSigner, Rejection} {
				h.Misbehave(r)
				_, reply := post(t, server.URL, query)
				write(t, folder, "reply", reply)
				if out, err := run(verify...); err == nil || !strings.Contains(out, "Verification: FAILED") {
					t.Errorf("%s: openssl ts -verify accepts it: %s", r, out)
				}
			}
		})
	}
}

func write(t *testing.T, folder, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLimitAnswers400(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := newHandler(t, key, func(o *Options) { o.Limit, o.Window = 2, time.Hour })
	server := httptest.NewServer(h)
	defer server.Close()
	query, err := asn1.Marshal(
		request{
			Version: 1,
			Imprint: imprint{pkix.AlgorithmIdentifier{Algorithm: algorithms[crypto.SHA256].hash}, make([]byte, 32)},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{200, 200, 400, 400} {
		if resp, _ := post(t, server.URL, query); resp.StatusCode != want {
			t.Errorf("request %d: status %d, want %d", i, resp.StatusCode, want)
		}
	}
	if h.Requests() != 4 {
		t.Errorf("Requests() = %d, want 4", h.Requests())
	}
}

func TestRefuses(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := newHandler(t, key, nil)
	server := httptest.NewServer(h)
	defer server.Close()
	for name, query := range map[string][]byte{"nothing": nil, "garbage": []byte("garbage")} {
		_, body := post(t, server.URL, query)
		var r response
		if _, err := asn1.Unmarshal(body, &r); err != nil || r.Status.Status != rejection ||
			r.Status.Fail.At(badDataFormat) != 1 {
			t.Errorf("%s: status %d, %v; want a rejection with badDataFormat", name, r.Status.Status, err)
		}
	}
	if h.Issued() != 0 {
		t.Errorf("Issued() = %d, want 0", h.Issued())
	}
}
