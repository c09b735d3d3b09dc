package clientservice_test

import (
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
)

func TestDecodeSidecar(t *testing.T) {
	s, err := clientservice.DecodeSidecar([]byte(`{"externalReference": "R-1", "contentType": "text/plain",
		"signatureInfo": {"signatureType": "CAdES", "packaging": "DETACHED", "applyTimestamp": true}}`))
	if err != nil {
		t.Fatal(err)
	}
	if s.ExternalReference != "R-1" || s.ContentType != "text/plain" || s.VisibleSignatureInfo != nil ||
		s.SignatureInfo == nil || s.SignatureInfo.SignatureType != "CAdES" || s.SignatureInfo.Packaging != "DETACHED" ||
		!s.SignatureInfo.ApplyTimestamp {
		t.Errorf("DecodeSidecar = %+v, %+v", s, s.SignatureInfo)
	}
	long := strings.Repeat("x", 1025)
	image := `{"visibleSignatureInfo": {"imageValue": "` + strings.Repeat("AAAA", 100_000) + `"}}`
	if _, err := clientservice.DecodeSidecar([]byte(image)); err != nil {
		t.Errorf("DecodeSidecar refuses an image: %v", err)
	}
	for data, want := range map[string]string{
		`{"externalReference": "` + long + `"}`:         "externalReference: is longer than 1024 bytes",
		`{"contentType": "` + long + `"}`:               "contentType: is longer",
		`{"signatureInfo": {"reason": "` + long + `"}}`: "signatureInfo.reason: is longer",
		"":                                    "empty",
		"[]":                                  "want an object",
		`{"signatureinfo": {}}`:               "unknown key",
		`{"secret": "x"}`:                     "secret: unknown key",
		`{"signatureInfo": {"level": 1}}`:     "signatureInfo.level: want a string",
		`{"signatureInfo": []}`:               "signatureInfo: want an object",
		`{"externalReference": null}`:         "externalReference: want a string",
		"{\"externalReference\": \"\xff\"}":   "not UTF-8",
		`{"externalReference": "a`:            "not JSON",
		`{"contentType": "", "contentType":"`: "not JSON",
	} {
		if _, err := clientservice.DecodeSidecar([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("DecodeSidecar(%s) = %v, want an error with %q", data, err, want)
		}
	}
}
