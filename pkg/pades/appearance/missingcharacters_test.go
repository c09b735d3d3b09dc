package appearance

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestMakeRefusesWhatNoFontDraws tests that the error names each missing character and the field
// that it comes from, and that no replacement is drawn.
func TestMakeRefusesWhatNoFontDraws(t *testing.T) {
	tests := []struct {
		name, template, commonName, reason, location string
		want                                         string
	}{
		{
			"template",
			"漢字 by $certificate.commonName",
			"",
			"",
			"",
			"visibleSignatureInfo.oneOffTemplate: no font has U+6F22 (漢), U+5B57 (字)",
		},
		{
			"certificate", "by $certificate.getCommonName()", "王小明", "", "",
			"visibleSignatureInfo.oneOffTemplate: $certificate.getCommonName(): " +
				"no font has U+738B (王), U+5C0F (小), U+660E (明)",
		},
		{
			"operator's template",
			"",
			"王",
			"",
			"",
			"visibleSignatureInfo: $certificate.getCommonName(): no font has U+738B (王)",
		},
		{"reason", "$reason", "", "ok ✍", "", "reason: no font has U+270D (✍)"},
		{
			"location",
			"a\n$location",
			"",
			"",
			"กรุงเทพ",
			"location: no font has U+0E01 (ก), U+0E23 (ร), U+0E38, U+0E07 (ง), U+0E40 (เ) and 2 more",
		},
		{"each once", "漢漢漢", "", "", "", "oneOffTemplate: no font has U+6F22 (漢)"},
		{"not printable", "a\U000F0000", "", "", "", "no font has U+F0000"},
		{"beyond the basic plane", "$reason", "", "😀", "", "reason: no font has U+1F600 (😀)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := content(t, func(v *signing.VisibleSignature, c *Content) {
				v.OneOffTemplate, c.Reason, c.Location = tt.template, tt.reason, tt.location
				v.ImageType, v.Image, c.Image = "", nil, nil
				if tt.template == "" {
					v.TemplateType = signing.TemplateService
				}
				c.Certificate.Subject.CommonName = tt.commonName
			})
			_, err := Make(c)
			if e := signing.AsError(err); err == nil || e.Kind != signing.KindVisible || !strings.HasSuffix(e.Detail, tt.want) {
				t.Errorf("Make = %v, want %q with %q", err, signing.KindVisible, tt.want)
			}
		})
	}
}

// TestMakeLeavesOutWhatIsInvisible draws text with invisible characters.
func TestMakeLeavesOutWhatIsInvisible(t *testing.T) {
	for _, template := range []string{"Sig\u00adned\u200b by\u200e \u202aA\u202c", "\ufeffSigned by A\u0007\u0085\u2060"} {
		a, err := Make(content(t, func(v *signing.VisibleSignature, _ *Content) { v.OneOffTemplate = template }))
		if err != nil || strings.Join(a.layout.texts(), "|") != "Signed by A" {
			t.Errorf("Make of %q = %v, %v, want one line without the invisible characters", template, a, err)
		}
	}
}

// chinese returns a certificate for a name in Chinese.
func chinese(t *testing.T) *x509.Certificate {
	t.Helper()
	file, err := os.ReadFile("testdata/chinese.pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(file)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMakeRefusesAChineseCertificate(t *testing.T) {
	_, err := Make(content(t, func(_ *signing.VisibleSignature, c *Content) { c.Certificate = chinese(t) }))
	const want = "$certificate.getCommonName(): no font has U+5F20 (张), U+4F1F (伟), " +
		"U+53D1 (发), U+7968 (票), U+4E13 (专) and 2 more"
	if e := signing.AsError(err); err == nil || e.Kind != signing.KindVisible || !strings.HasSuffix(e.Detail, want) {
		t.Errorf("Make = %v, want %q with %q", err, signing.KindVisible, want)
	}
}
