package main_test

import (
	"bytes"
	"crypto/x509"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/cades"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xades"
)

// textDocument is a document with that text and a signature of its own.
func textDocument(name, contentType, text string, s client.SignatureInfo) client.Document {
	return client.Document{
		Reference: name, Name: name, ContentType: contentType, Size: int64(len(text)), Signature: &s,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}
}

// TestLevelsOfXMLAndFiles signs XML and other files at every level with the built proxy, with RSA
// and ECDSA, and checks the results with independent verifiers.
func TestLevelsOfXMLAndFiles(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]service.KeyKind{"RSA": service.RSA2048, "P-256": service.ECDSAP256} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			remote := newRemoteSide(t, service.Options{Credentials: []service.Credential{{Key: key}}})
			p := newTestProxy(t, remote.flags()...).start(t)
			for _, level := range []signing.Level{signing.LevelB, signing.LevelT, signing.LevelLT, signing.LevelLTA} {
				signTypesAtLevel(t, p, remote.root, level)
			}
		})
	}
}

func signTypesAtLevel(t *testing.T, p *testProxy, root string, level signing.Level) {
	t.Helper()
	const text = "<a:invoice xmlns:a=\"urn:a\" Id=\"i\">\r\n<b>&amp; 1</b><!-- c --></a:invoice>"
	l := string(level)
	var signed memorySink
	op, err := newClient(t, p.Instance).Sign(t.Context(), &client.Request{
		Reference: "level " + l, Description: "d", Key: l,
		Documents: []client.Document{
			textDocument("a.xml", "text/xml", text, client.SignatureInfo{Type: "XAdES", Level: l}),
			textDocument("b.xml", "application/xml", text, client.SignatureInfo{
				Type: "XAdES", Level: l, Advanced: &client.Advanced{SignatureTransform: "XPATH2_FILTER"},
			}),
			textDocument("c.xml", "text/xml", text, client.SignatureInfo{Type: "CAdES", Level: l}),
			textDocument("d.xml", "text/xml", text, client.SignatureInfo{Type: "CAdES", Level: l, Packaging: "DETACHED"}),
		},
	}, &signed)
	if err != nil || op.Status != client.StatusExecuted || len(signed) != 4 {
		t.Errorf("%s: %+v, %v, want it signed", level, op, err)
		return
	}
	pool := x509.NewCertPool()
	if pem, err := os.ReadFile(root); err != nil || !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("root: %v", err)
	}
	original := newFile(t, "original.xml", text)
	for i, result := range signed {
		content := result.Bytes()
		var err error
		if i < 2 {
			err = signsXML(root, original, content)
			wantXMLLevel(t, content, pool, level)
		} else {
			err = signsFile(root, original, content, i == 3)
			wantFileLevel(t, text, content, i == 3, pool, level)
		}
		if err != nil {
			t.Errorf("%s of %s: %v", level, op.Documents[i].Name, err)
		}
	}
}

func wantXMLLevel(t *testing.T, signed []byte, roots *x509.CertPool, level signing.Level) {
	t.Helper()
	found, err := xades.Verify(t.Context(), bytes.NewReader(signed), xades.VerifyOptions{Roots: roots})
	if err != nil || len(found) != 1 || found[0].Verdict != xades.Valid || found[0].Level != level {
		t.Errorf("the XML has the signatures %+v, %v, want a valid one of level %s", found, err, level)
	}
}

func wantFileLevel(
	t *testing.T, original string, signed []byte, detached bool, roots *x509.CertPool, level signing.Level,
) {
	t.Helper()
	options := cades.VerifyOptions{Roots: roots}
	if detached {
		options.Content = strings.NewReader(original)
	}
	report, err := cades.Verify(t.Context(), bytes.NewReader(signed), options)
	if err != nil || report.Verdict() != cades.Valid || report.Signatures[0].Level != level {
		t.Errorf("the file has the report %+v, %v, want a valid signature of level %s", report, err, level)
	}
}

// TestNoTimestampAuthorityForXMLAndFiles checks that XML and files above level B-B fail without a
// timestamp authority, and that no signature is spent on them.
func TestNoTimestampAuthorityForXMLAndFiles(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	p := newTestProxy(t, "--einvoice-integration-client.service.domain="+remote.url).start(t)
	r := &client.Request{Reference: "none", Description: "d", Key: "none"}
	for _, kind := range []string{"XAdES", "CAdES"} {
		for _, level := range []string{"B-T", "B-LT", "B-LTA"} {
			r.Documents = append(r.Documents,
				textDocument(kind+level, "text/xml", "<a/>", client.SignatureInfo{Type: kind, Level: level}))
		}
	}
	op, err := newClient(t, p.Instance).Sign(t.Context(), r, new(memorySink))
	if err != nil || op.Status != client.StatusFailed {
		t.Fatalf("Sign = %+v, %v, want it failed", op, err)
	}
	for _, d := range op.Documents {
		if d.Failure() != "TIMESTAMP_SIGN_ERROR: timestamps are not configured" {
			t.Errorf("%s: %s, want TIMESTAMP_SIGN_ERROR", d.Name, d.Failure())
		}
	}
	if n := remote.Counts().Signatures; n != 0 {
		t.Errorf("%d signatures were spent, want none", n)
	}
}
