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

	"github.com/signstash-proxy/signstash-proxy/pkg/e2e/keyedload"
)

// tlsSecret is a Secret like the one that cert-manager would make for the release.
const tlsSecret = "proxy-tls"

// changePatience is how long a client repeats a key that was refused during a change to TLS. A pod
// is replaced in less time. If instances of both kinds did not reach each other, keys would be
// refused until the last pod is replaced, which takes longer.
const changePatience = 20 * time.Second

// tls switches TLS on in the running release, and off again. In each rolling update clients work
// with the scheme that is accepted before and after it, and nothing is refused.
func (w *world) tls() {
	certificate, key, authority := makeCertificate(w.t, release+"."+namespace+".svc",
		"*."+release+"-headless."+namespace+".svc.cluster.local")
	w.apply(namespace, object{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": object{"name": tlsSecret},
		"stringData": object{"tls.crt": certificate, "tls.key": key, "ca.crt": authority},
	})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(authority))
	earlier := w.door
	defer func() { w.door = earlier }()
	w.door = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		Proxy:             http.ProxyURL(&url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", doorPort())}),
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		DisableKeepAlives: true, // a new connection, and so any pod, for each request
	}}
	w.values["tls.secretName"], w.values["tls.transition"] = tlsSecret, "true"
	w.changeTLS("http")
	w.reachEachOther("http")
	w.reachEachOther("https")

	delete(w.values, "tls.transition")
	w.changeTLS("https")
	op := w.reachEachOther("https")
	late, err := call(w.t.Context(), w.door, w.admin, http.MethodGet, byIDURL(instanceURL(0), op.ID), nil)
	if err == nil && late.status == http.StatusOK {
		w.t.Error("the REST port still accepts connections without TLS")
	}
	w.helmTest() // the chart's test uses TLS too

	w.values["tls.transition"] = "true"
	w.changeTLS("https")
	delete(w.values, "tls.transition")
	delete(w.values, "tls.secretName")
	w.changeTLS("http")
	w.reachEachOther("http")
	w.kubectl("delete", "secret", tlsSecret)
}

// withScheme returns a URL with another scheme.
func withScheme(scheme, base string) string { return scheme + strings.TrimPrefix(base, "http") }

// changeTLS rolls out the values while a careful client works with a scheme. No key may be refused
// or get a wrong answer, and no accepted document may be lost or signed twice.
func (w *world) changeTLS(scheme string) {
	w.t.Helper()
	load := keyedload.Start(w.t.Context(), keyedload.Config{
		HTTP: w.door, Front: withScheme(scheme, front),
		Instances: func() (all []string) {
			for ordinal := range 3 {
				all = append(all, withScheme(scheme, instanceURL(ordinal)))
			}
			return all
		},
		Authorize: func(r *http.Request) { r.SetBasicAuth(w.admin.id, w.admin.secret) },
		Body:      func(reference string) []byte { return request(w.t, reference) },
		Prefix:    fmt.Sprintf("change with %s %d", scheme, time.Now().UnixNano()),
		Every:     200 * time.Millisecond, Try: 10 * time.Second, Patience: changePatience, Settle: patience,
	})
	w.helm("--wait")
	w.wantReady(3)
	r := load.Stop(w.t.Context())
	w.t.Logf("clients with %s: %v%s", scheme, &r, r.Reasons())
	if r.Delivered == 0 || len(r.Refused) > 0 || r.RepeatsRefused > 0 {
		w.t.Errorf("%d delivered, %d new keys and %d repetitions refused, want none refused", r.Delivered, len(r.Refused),
			r.RepeatsRefused)
	}
	for what, keys := range map[string][]string{
		"lost": r.Lost, "signed twice": r.Doubled, "without any answer": r.Unanswered, "with a wrong answer": r.Wrong,
	} {
		if len(keys) > 0 {
			w.t.Errorf("%d keys %s: %v", len(keys), what, keys[:min(len(keys), 10)])
		}
	}
}

// reachEachOther signs a document with a scheme and asks every instance for it. Two of them ask the
// holder.
func (w *world) reachEachOther(scheme string) operation {
	w.t.Helper()
	reference := fmt.Sprintf("by %s %d", scheme, time.Now().UnixNano())
	op := w.accept(withScheme(scheme, front), reference)
	w.ended(scheme+"://"+op.HostPort, reference)
	for _, base := range []string{front, instanceURL(0), instanceURL(1), instanceURL(2)} {
		base = withScheme(scheme, base)
		for _, url := range []string{byIDURL(base, op.ID), detailURL(base, reference)} {
			w.eventually(func() error { // every pod is new, and learns about its new peers a moment after it is ready
				a, err := call(w.t.Context(), w.door, w.admin, http.MethodGet, url, nil)
				if err == nil && a.status != http.StatusOK {
					err = fmt.Errorf("%s: %v", url, a)
				}
				return err
			})
		}
	}
	return op
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
