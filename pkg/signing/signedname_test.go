package signing_test

import (
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestSignedName compares the name and the content type of signed documents with what the API
// promises.
func TestSignedName(t *testing.T) {
	const mime, signature = "application/pkcs7-mime", "application/pkcs7-signature"
	tests := []struct {
		name, contentType string
		info              signing.SignatureInfo
		wantName          string
		wantType          string
	}{
		{"a.pdf", "application/pdf", signing.SignatureInfo{Type: signing.PAdES}, "a.pdf", "application/pdf"},
		{"a.xml", "text/xml", signing.SignatureInfo{Type: signing.XAdES}, "a.xml", "text/xml"},
		{"a.xml", "text/xml", signing.SignatureInfo{Type: signing.CAdES}, "a.xml.p7m", mime},
		{"a", "image/png", signing.SignatureInfo{Type: signing.CAdES, Packaging: signing.Enveloping}, "a.p7m", mime},
		{"a.xml", "x/y", signing.SignatureInfo{Type: signing.CAdES, Packaging: signing.Detached}, "a.xml.p7s", signature},
		{"a.p7m", mime, signing.SignatureInfo{Type: signing.CAdES}, "a.p7m.p7m", mime},
		{"a.p7m", mime, signing.SignatureInfo{Type: signing.CAdES, Existing: signing.Wrap}, "a.p7m.p7m", mime},
		{"a.P7M", mime, signing.SignatureInfo{Type: signing.CAdES, Existing: signing.Cosign}, "a.P7M", mime},
		{"a.der", "x/y", signing.SignatureInfo{Type: signing.CAdES, Existing: signing.Cosign}, "a.der.p7m", mime},
	}
	for _, tt := range tests {
		d := &signing.Document{DocumentRequest: signing.DocumentRequest{
			Name: tt.name, ContentType: tt.contentType, Signature: tt.info,
		}}
		name, contentType := signing.SignedName(d), signing.SignedContentType(d)
		if name != tt.wantName || contentType != tt.wantType {
			t.Errorf("%s %s %+v: signed as %s %s, want %s %s", tt.name, tt.contentType, tt.info,
				name, contentType, tt.wantName, tt.wantType)
		}
	}
}
