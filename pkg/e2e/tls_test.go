//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// tlsSecret is a Secret like the one that cert-manager would make for the release.
const tlsSecret = "proxy-tls"

// tls checks instances that use TLS with one certificate and its authority. It asks one instance
// for an operation of another one.
func (w *world) tls() {
	certificate, key, authority := makeCertificate(w.t, release+"."+namespace+".svc",
		"*."+release+"-headless."+namespace+".svc.cluster.local")
	w.apply(namespace, object{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": object{"name": tlsSecret},
		"stringData": object{"tls.crt": certificate, "tls.key": key, "ca.crt": authority},
	})
	w.values["tls.secretName"] = tlsSecret
	w.helm("--wait")
	w.wantReady(3)

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(authority))
	plain := w.door
	defer func() { w.door = plain }()
	w.door = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		Proxy:             http.ProxyURL(&url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", doorPort())}),
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		DisableKeepAlives: true, // a new connection, and so any pod, for each request
	}}
	secure := func(base string) string { return strings.Replace(base, "http://", "https://", 1) }
	op := w.accept(secure(front), "by TLS")
	there := "https://" + op.HostPort
	w.ended(there, "by TLS")
	// Two of them ask the holder over TLS.
	for _, base := range []string{front, instanceURL(0), instanceURL(1), instanceURL(2)} {
		for _, url := range []string{byIDURL(secure(base), op.ID), detailURL(secure(base), "by TLS")} {
			w.eventually(func() error { // every pod is new, and learns about its new peers a moment after it is ready
				a, err := call(w.t.Context(), w.door, w.admin, http.MethodGet, url, nil)
				if err == nil && a.status != http.StatusOK {
					err = fmt.Errorf("%s: %v", url, a)
				}
				return err
			})
		}
	}
	if a, err := call(w.t.Context(), plain, w.admin, http.MethodGet, byIDURL(instanceURL(0), op.ID), nil); err == nil &&
		a.status == http.StatusOK {
		w.t.Error("the REST port still speaks without TLS")
	}
	w.helmTest() // the chart's test uses TLS too
	delete(w.values, "tls.secretName")
	w.helm("--wait")
	w.wantReady(3)
	w.kubectl("delete", "secret", tlsSecret)
}

// makeCertificate returns a certificate, its key, and the authority that issued it, all in PEM.
func makeCertificate(t *testing.T, names ...string) (certificate, key, authority string) {
	t.Helper()
	fail := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fail(err)
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "e2e CA"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	fail(err)
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fail(err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: names[0]},
		DNSNames:     names,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, leafKey.Public(), caKey)
	fail(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	fail(err)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return block("CERTIFICATE", leafDER), block("PRIVATE KEY", keyDER), block("CERTIFICATE", caDER)
}
