package pades

import (
	"context"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestSeedValues signs a field with requirements (ISO 32000-2 table 237), with SHA-256 and the
// reason of input. An entry that is not flagged as required is only a proposal.
func TestSeedValues(t *testing.T) {
	const reason = "<FEFF0050007200FC00660075006E0067002000280031 0029>" // Prüfung (1)
	for _, tt := range []struct {
		seed     string
		level    signing.Level
		requires string // empty = signed
	}{
		{"/Ff 1/Filter/Adobe.PPKLite", signing.LevelB, ""},
		{"/Ff 1/Filter/Other", signing.LevelB, "handler"},
		{"/Ff 0/Filter/Other", signing.LevelB, ""},
		{"/Ff 2/SubFilter[/adbe.pkcs7.detached/ETSI.CAdES.detached]", signing.LevelB, ""},
		{"/Ff 2/SubFilter[/adbe.pkcs7.detached]", signing.LevelB, "encoding"},
		{"/Ff 4/V 3", signing.LevelB, ""}, // all entries of ISO 32000-2 are known
		{"/Ff 4/V 4", signing.LevelB, "newer version"},
		{"/V 4", signing.LevelB, ""},
		{"/Ff 8/Reasons[(Other)" + reason + "]", signing.LevelB, ""},
		{"/Ff 8/Reasons[(Other)]", signing.LevelB, "reason"},
		{"/Ff 8/Reasons[(.)]", signing.LevelB, "reason"},
		{"/Ff 8", signing.LevelB, "reason"},
		{"/Reasons[(Other)]", signing.LevelB, ""},
		{"/Ff 16/LegalAttestation[(a)]", signing.LevelB, "legal attestation"},
		{"/Ff 32/AddRevInfo true", signing.LevelLT, "revocation data"},
		{"/Ff 32/AddRevInfo false", signing.LevelB, ""},
		{"/Ff 64/DigestMethod[(SHA512)]", signing.LevelB, "hash"},
		{"/Ff 64/DigestMethod[(SHA512)(SHA256)]", signing.LevelB, ""},
		{"/Ff 64/DigestMethod[/SHA-256]", signing.LevelB, ""},
		{"/Ff 128/LockDocument/true", signing.LevelB, "locks"},
		{"/Ff 128/LockDocument/auto", signing.LevelB, ""},
		{"/Ff 256/AppearanceFilter(a)", signing.LevelB, "appearance"},
		{"/Ff 512", signing.LevelB, "not supported"},
		{"/Ff -1", signing.LevelB, "not supported"},
		{"/MDP<</P 2>>", signing.LevelB, "certifies"},
		{"/MDP<</P 0>>", signing.LevelB, ""},
		{"/Cert<</Ff 1/Subject[(abc)]>>", signing.LevelB, "certificate"},
		{"/Cert<</Subject[(abc)]>>", signing.LevelB, ""},
		{"/TimeStamp<</URL(http://a)/Ff 1>>", signing.LevelB, "timestamp"},
		{"/TimeStamp<</URL(http://a)/Ff 1>>", signing.LevelT, ""},
		{"/TimeStamp<</URL(http://a)/Ff 0>>", signing.LevelB, ""},
	} {
		t.Run(tt.seed, func(t *testing.T) {
			a := newAuthority(t, rsaKey())
			f := &Format{Timestamper: a, Revocation: a}
			_, err := signField(t, f, withEmptyField("/SV<<"+tt.seed+">>").bytes(), "S", tt.level)
			wantFieldRefused(t, err, tt.requires)
		})
	}
	in := input(t, withEmptyField("/SV<</Ff 8/Reasons[(.)]>>").bytes(), signing.LevelB)
	in.Signature.Visible = &signing.VisibleSignature{
		LocationType:   "SIGN_FIELD",
		LocationValue:  "S",
		TemplateType:   "ONE_OFF",
		OneOffTemplate: "x",
	}
	in.Signature.Reason = ""
	if _, err := (&Format{}).Prepare(context.Background(), in, rsaKey().credential); err != nil {
		t.Errorf("no reason where none is allowed: %v", err)
	}
}

func wantFieldRefused(t *testing.T, err error, text string) {
	t.Helper()
	e := signing.AsError(err)
	switch {
	case text == "" && err != nil:
		t.Errorf("refused: %v", err)
	case text != "" && (err == nil || e.Kind != signing.KindVisible || !strings.Contains(e.Detail, text)):
		t.Errorf("sign = %v, want %s with %q", err, signing.KindVisible, text)
	}
}

// TestFieldWithKids tests that a field with a separate widget is signed, and that a field is
// refused if a widget has a value or if it has several widgets.
func TestFieldWithKids(t *testing.T) {
	const widget = "<</Type/Annot/Subtype/Widget/Parent 10 0 R/Rect[100 100 300 200]/F 4%>>"
	field := func(kids, entries string) []byte {
		return onePage("/AcroForm<</Fields[10 0 R]>>", "/Annots[11 0 R 12 0 R]").with(10, "<</FT/Sig/T(S)/Kids["+kids+"]>>").
			with(
				11, strings.Replace(widget, "%", entries, 1),
			).with(12, strings.Replace(widget, "%", "", 1)).with(13, "<</Type/Sig>>").bytes()
	}
	for name, tt := range map[string]struct{ kids, entries, refused string }{
		"one":      {"11 0 R", "", ""},
		"one null": {"11 0 R", "/V null", ""},
		"signed":   {"11 0 R", "/V 13 0 R", "already signed"},
		"two":      {"11 0 R 12 0 R", "", "several widgets"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := signField(t, &Format{}, field(tt.kids, tt.entries), "S", signing.LevelB)
			wantFieldRefused(t, err, tt.refused)
		})
	}
}
