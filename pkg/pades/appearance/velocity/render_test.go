package velocity

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func sample() Data {
	return Data{
		Certificate: &x509.Certificate{
			SerialNumber: big.NewInt(1255),
			Subject: pkix.Name{
				CommonName: "João Álvares", Organization: []string{"ACME, Lda"}, Country: []string{"PT"}, SerialNumber: "NIF-123",
				Names: []pkix.AttributeTypeAndValue{
					{Type: asn1.ObjectIdentifier{1, 2, 3}, Value: `#1 "x" `},
					{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "ACME, Lda"},
					{Type: asn1.ObjectIdentifier{2, 5, 4, 42}, Value: "João"},
					{Type: asn1.ObjectIdentifier{2, 5, 4, 97}, Value: "VATPT-505767457"},
					{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "João Álvares"},
				},
			},
			Issuer:    pkix.Name{CommonName: "Test CA", Country: []string{"PT"}},
			NotBefore: time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC),
			NotAfter:  time.Date(2027, 12, 31, 23, 59, 59, 0, time.UTC),
		},
		Reason: "Approval", Location: "Lisbon",
		Time: time.Date(2026, 11, 22, 15, 4, 5, 678_000_000, time.FixedZone("WET", 3600)),
	}
}

func TestRender(t *testing.T) {
	tests := []struct{ name, template, want string }{
		{"documented", "Signed by $certificate.getCommonName()", "Signed by João Álvares"},
		{"full stop behind", "Digitally Signed by $certificate.getCommonName().", "Digitally Signed by João Álvares."},
		{"property", "$certificate.commonName", "João Álvares"},
		{"braces", "${certificate.getCommonName()}x ${reason}s", "João Álvaresx Approvals"},
		{"quiet", "$!reason $!{location}", "Approval Lisbon"},
		{"line feed", "a\nb\r\nc\\nd", "a\nb\nc\nd"},
		{
			"subject",
			"$certificate.subject",
			`CN=João Álvares,organizationIdentifier=VATPT-505767457,GIVENNAME=João,O=ACME\, Lda,1.2.3=\#1 \"x\"\ `,
		},
		{"the certificate itself", "$certificate.getIssuerDN()", "CN=Test CA,C=PT"},
		{
			"parts",
			"$certificate.organization|$certificate.givenName|$certificate.getOrganizationIdentifier()|" +
				"$certificate.subjectSerialNumber|$certificate.email|",
			"ACME, Lda|João|VATPT-505767457|NIF-123||",
		},
		{"issuer", "$certificate.getIssuerCommonName()", "Test CA"},
		{"serial number", "$certificate.serialNumber $certificate.getSerialNumberHex()", "1255 4E7"},
		{
			"dates",
			"$certificate.getNotBefore() to $certificate.notAfter.format('dd/MM/yy')",
			"2025-01-02 03:04:05 UTC to 31/12/27",
		},
		{"date", "$date", "2026-11-22 15:04:05 WET"},
		{"format", `$date.format("EEE, d MMMM yyyy 'at' h:mm a, SSS XXX")`, "Sun, 22 November 2026 at 3:04 PM, 678 +01:00"},
		{"format in a zone", "$signature.date.format('HH:mm z', 'UTC')", "14:04 UTC"},
		{"unknown zone", "$date.format('HH:mm', '../etc/passwd')", "$date.format('HH:mm', '../etc/passwd')"},
		{"signature", "$signature.getReason() in $signature.location", "Approval in Lisbon"},
		{"case", "$reason.toUpperCase() $reason.toLowerCase()", "APPROVAL approval"},
		{
			"unknown reference",
			"$nobody $nobody.getName() ${nobody} $certificate.getNothing() $reason.x",
			"$nobody $nobody.getName() ${nobody} $certificate.getNothing() $reason.x",
		},
		{"unknown and quiet", "[$!nobody][$!{nobody.name}][$!certificate.getNothing()]", "[][][]"},
		{
			"unknown arguments",
			"$certificate.getCommonName('x') $date.format(1)",
			"$certificate.getCommonName('x') $date.format(1)",
		},
		{"money", "costs $5.00, $ 5, 5$", "costs $5.00, $ 5, 5$"},
		{"two dollars", "$$reason", "$Approval"},
		{"open brace", "${reason and more", "${reason and more"},
		{"escaped", `\$reason \$nobody \$5`, `$reason \$nobody \$5`},
		{"comments", "a ## gone\nb#* gone\ngone *#c", "a bc"},
		{"comment to the end", "a#* gone", "a"},
		{"directive", "#if($reason)x#end #1", "#if(Approval)x#end #1"},
		{"hyphen", "$reason-$location", "Approval-Lisbon"},
		{"empty", "", ""},
		{"long chain", "$reason" + strings.Repeat(".toString()", 8) + ".x", "Approval.x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Render(tt.template, sample())
			if err != nil {
				t.Fatalf("Render: %v", err)
			}
			if got.String() != tt.want {
				t.Errorf("Render(%q) = %q, want %q", tt.template, got, tt.want)
			}
		})
	}
}

func TestRenderWithoutValues(t *testing.T) {
	got, err := Render("[$reason][$certificate.commonName][$!certificate.commonName]", Data{})
	if want := "[][$certificate.commonName][]"; err != nil || got.String() != want {
		t.Errorf("Render = %q, %v, want %q", got, err, want)
	}
	got, err = Render("$certificate.getCommonName()",
		Data{Certificate: &x509.Certificate{Subject: pkix.Name{Organization: []string{"ACME"}}}})
	if want := "ACME"; err != nil || got.String() != want {
		t.Errorf("Render without a common name = %q, %v, want %q", got, err, want)
	}
}

func TestRenderKeepsValuesOnOneLine(t *testing.T) {
	data := sample()
	data.Certificate.Subject.CommonName = "A\nApproved by B\u202e\u2028$reason"
	got, err := Render("by $certificate.commonName", data)
	if want := "by A Approved by B  $reason"; err != nil || got.String() != want {
		t.Errorf("Render = %q, %v, want %q", got, err, want)
	}
}

// TestRenderKeepsJoiners tests that joiners stay in Persian and Indic names, and are removed
// elsewhere.
func TestRenderKeepsJoiners(t *testing.T) {
	for reason, want := range map[string]string{
		"می‌شود": "می‌شود", "क्‍ष": "क्‍ष", "a‌b‍c": "a b c", "‌ش 1‍": " ش 1 ",
	} {
		data := sample()
		data.Reason = reason
		if got, err := Render("$reason", data); err != nil || got.String() != want {
			t.Errorf("Render of %q = %q, %v, want %q", reason, got, err, want)
		}
	}
}

// TestRenderTellsWhereTextComesFrom checks the Reference of each piece.
func TestRenderTellsWhereTextComesFrom(t *testing.T) {
	got, err := Render(`by \$x $certificate.getCommonName()\non ${date.format("yyyy")}$!reason.`, sample())
	want := Text{
		{`by \$x `, ""}, {"João Álvares", "$certificate.getCommonName()"}, {"\non ", ""}, {"2026", "$date.format()"},
		{"Approval", "$reason"}, {".", ""},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Render = %q, %v, want %q", got, err, want)
	}
}

func TestRenderIsBounded(t *testing.T) {
	data := sample()
	data.Reason = strings.Repeat("x", 1000)
	if _, err := Render(strings.Repeat("$reason ", 2000), data); !errors.Is(err, ErrTooLong) {
		t.Errorf("Render = %v, want ErrTooLong", err)
	}
}

func FuzzRender(f *testing.F) {
	for _, s := range []string{
		"Signed by $certificate.getCommonName()", "${certificate.subject} $!{x} \\$reason",
		`$date.format("EEE dd'x'", "UTC")`, "## #* *# \\n", "${", "$!{a.b('",
	} {
		f.Add(s)
	}
	data := sample()
	f.Fuzz(func(t *testing.T, template string) {
		got, err := Render(template, data)
		if err != nil && !errors.Is(err, ErrTooLong) {
			t.Errorf("Render(%q): %v", template, err)
		}
		if len(got.String()) > maxOutput {
			t.Errorf("Render(%q) made %d bytes", template, len(got.String()))
		}
		if utf8.ValidString(template) && !utf8.ValidString(got.String()) {
			t.Errorf("Render(%q) = %q, not UTF-8", template, got)
		}
	})
}
