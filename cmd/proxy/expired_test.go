package main_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// TestExpiredCertificate checks that a proxy whose certificate has expired starts, serves existing
// operations, refuses to sign with the reason, and reports the fault in the log, in a metric and on
// the status page.
func TestExpiredCertificate(t *testing.T) {
	t.Parallel()
	p := newTestProxy(t)
	p.start(t)
	c := newClient(t, p.Instance)
	op, err := c.Sign(t.Context(), oneDocument(t, "before", client.SignatureInfo{}), nil)
	if err != nil || op.Status != client.StatusExecuted {
		t.Fatalf("Sign with a valid certificate = %+v, %v", op, err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.o.Args = append(p.o.Args, "--signing.pkcs12.file=testdata/expired.p12",
		"--signing.pkcs12.password-file="+p.file(t, "password", "pw\n"))
	p.start(t)
	c = newClient(t, p.Instance)

	if op, err := c.Detail(t.Context(), "before", nil); err != nil || op.Status != client.StatusExecuted {
		t.Errorf("Detail of an earlier operation = %+v, %v, want it executed", op, err)
	}
	if _, err := c.SignAsync(t.Context(), oneDocument(t, "after", client.SignatureInfo{})); err != nil {
		t.Fatal(err)
	}
	op, err = c.Wait(t.Context(), "after")
	if err != nil || op.Status != client.StatusFailed {
		t.Fatalf("operation = %+v, %v, want it failed", op, err)
	}
	op, err = c.Detail(t.Context(), "after", nil)
	if err != nil || op.Documents[0].SignError != "INVALID_CERTIFICATE_SIGN_ERROR" {
		t.Errorf("Detail = %+v, %v, want INVALID_CERTIFICATE_SIGN_ERROR", op, err)
	}
	if v := p.metric(t, `signstash_credential_valid{credential="software"}`); v != 0 {
		t.Errorf("signstash_credential_valid = %v, want 0", v)
	}
	if sent := p.signatures(t)["sent"]; sent != 1 {
		t.Errorf("%d digests were sent, want only the one with the valid certificate", sent)
	}
	wantExpiryShown(t, p)
}

// wantExpiryShown checks that the status page and the log name the date on which the certificate
// expired.
func wantExpiryShown(t *testing.T, p *testProxy) {
	t.Helper()
	page, err := http.Get(p.Management + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	text, err := io.ReadAll(page.Body)
	if want := "signs nothing: the signing certificate expired on 2026-11-29"; err != nil ||
		!strings.Contains(string(text), want) {
		t.Errorf("the status page has no %q: %v", want, err)
	}
	reports := 0
	for line := range strings.Lines(p.log(t)) {
		if strings.Contains(line, `"level":"ERROR"`) && strings.Contains(line, "signing certificate is not valid") &&
			strings.Contains(line, "expired on 2026-11-29") {
			reports++
		}
	}
	if reports != 1 {
		t.Errorf("the log says %d times at ERROR that the certificate has expired, want once", reports)
	}
}
