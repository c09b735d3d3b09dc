package certstatus

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ocsp"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// setUp returns a responder on a server, the issuer and a certificate of it.
func setUp(t *testing.T, delegated bool) (r *Responder, address string, a *service.Authority, cert *x509.Certificate) {
	t.Helper()
	a, err := service.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	issuing, key := a.Issuer()
	root, rootKey := a.Root()
	r, err = New(Options{Issuers: []Issuer{{issuing, key}, {root, rootKey}}, Delegated: delegated})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	cert, err = a.Issue("signer", key.Public(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r, s.URL, a, cert
}

func pemOf(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// TestOpenSSL checks that OpenSSL accepts the answers.
func TestOpenSSLAccepts(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	for name, delegated := range map[string]bool{"issuer": false, "delegate": true} {
		t.Run(name, func(t *testing.T) {
			r, address, a, cert := setUp(t, delegated)
			issuing, _ := a.Issuer()
			folder := t.TempDir()
			for file, data := range map[string][]byte{
				"cert.pem": pemOf(cert), "issuing.pem": pemOf(issuing), "all.pem": append(a.RootPEM(), pemOf(issuing)...),
			} {
				if err := os.WriteFile(filepath.Join(folder, file), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			run := func(args ...string) string {
				cmd := exec.Command(openssl, args...)
				cmd.Dir = folder
				out, _ := cmd.CombinedOutput() // the text decides
				return string(out)
			}
			ask := []string{
				"ocsp", "-url", address + "/ocsp", "-issuer", "issuing.pem", "-cert", "cert.pem", "-CAfile", "all.pem", "-no_nonce",
			}
			if out := run(ask...); !strings.Contains(out, "Response verify OK") || !strings.Contains(out, "cert.pem: good") {
				t.Errorf("openssl ocsp: %s", out)
			}
			fetch(t, address+"/crl/0", filepath.Join(folder, "crl.der"))
			crl := []string{"crl", "-inform", "DER", "-in", "crl.der", "-CAfile", "issuing.pem", "-noout", "-verify", "-text"}
			if out := run(crl...); strings.Contains(out, "verify failure") || !strings.Contains(out, "No Revoked") {
				t.Errorf("openssl crl: %s", out)
			}
			r.Revoke(cert)
			if out := run(ask...); !strings.Contains(out, "Response verify OK") || !strings.Contains(out, "cert.pem: revoked") {
				t.Errorf("openssl ocsp of a revoked certificate: %s", out)
			}
			r.MisbehaveOCSP(WrongKey)
			if out := run(ask...); strings.Contains(out, "Response verify OK") {
				t.Errorf("openssl ocsp accepts the wrong key: %s", out)
			}
		})
	}
}

func fetch(t *testing.T, address, file string) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOCSPByGet(t *testing.T) {
	r, address, a, cert := setUp(t, false)
	issuing, _ := a.Issuer()
	request, err := ocsp.CreateRequest(cert, issuing, &ocsp.RequestOptions{Hash: crypto.SHA256})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(address + "/ocsp/" + url.PathEscape(base64.StdEncoding.EncodeToString(request)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := ocsp.ParseResponseForCert(body, cert, issuing); err != nil || answer.Status != ocsp.Good {
		t.Errorf("answer to GET = %v, want good", err)
	}
	if r.Requests("/ocsp") != 1 {
		t.Errorf("%d requests counted, want 1", r.Requests("/ocsp"))
	}
}
