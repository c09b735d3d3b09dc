package verify

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/cades"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/software"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xades"
)

// sample signs one of the samples and returns the paths of CA, original and signed file.
func sample(t *testing.T) (ca, original, signed string) {
	t.Helper()
	return sampleOf(t, &pades.Format{}, signing.SignatureInfo{Type: signing.PAdES}, "hybrid-xref.pdf")
}

// sampleOf signs a sample with a format. The signed file has the name that the API gives it.
func sampleOf(
	t *testing.T, format signing.Format, info signing.SignatureInfo, name string,
) (ca, original, signed string) {
	t.Helper()
	provider, err := software.OpenEmbedded(filepath.Join(t.TempDir(), "key"), logr.Discard(), software.EmbeddedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	credential, err := provider.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	original = filepath.Join("..", "samples", name)
	content, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	info.Level = signing.LevelB
	in := signing.Input{File: file{bytes.NewReader(content)}, Time: time.Now(), Signature: info}
	prepared, err := format.Prepare(t.Context(), in, credential)
	if err != nil {
		t.Fatal(err)
	}
	values, err := provider.Sign(t.Context(), signing.Call{ID: "1", Digests: [][]byte{prepared.Digest}})
	if err != nil {
		t.Fatal(err)
	}
	section, pieces, err := format.Embed(t.Context(), in, prepared, values[0])
	if err != nil {
		t.Fatal(err)
	}
	d := &signing.Document{}
	d.Name, d.Signature = name, info
	signed = filepath.Join(t.TempDir(), signing.SignedName(d))
	writeJoined(t, signed, in.File, section, pieces)
	return provider.CAFile(), original, signed
}

// writeJoined writes a signed document to a file.
func writeJoined(t *testing.T, path string, original signing.File, section []byte, pieces signing.Pieces) {
	t.Helper()
	joined, err := signing.Join(original, bytes.NewReader(section), pieces)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(io.NewSectionReader(joined, 0, joined.Size()))
	if err == nil {
		err = os.WriteFile(path, whole, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// file makes a bytes.Reader a signing.File.
type file struct{ *bytes.Reader }

func (file) Close() error { return nil }

// needTools skips the test if a verifier is missing. In CI all must be installed.
func needTools(t *testing.T) {
	t.Helper()
	missing := Missing()
	switch {
	case len(missing) == 0:
	case os.Getenv("CI") == "true":
		t.Fatalf("not installed: %v (hack/install-tools)", missing)
	default:
		t.Skipf("not installed: %v", missing)
	}
}

// change is a signed file that somebody changed, and the checks that must find a fault.
type change struct {
	name   string
	ca     string
	change func([]byte) []byte
	who    []string
}

// check changes the signed file and lets File check it.
func (c change) check(t *testing.T, original, signed string) {
	t.Helper()
	good, err := os.ReadFile(signed)
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(t.Context(), c.ca)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	path := filepath.Join(t.TempDir(), "changed"+filepath.Ext(signed))
	if err := os.WriteFile(path, c.change(good), 0o600); err != nil {
		t.Fatal(err)
	}
	report := v.File(t.Context(), original, path)
	for _, who := range c.who {
		if !slices.ContainsFunc(report.Faults, func(fault string) bool { return strings.HasPrefix(fault, who+": ") }) {
			t.Errorf("%s found no fault; faults are %q", who, report.Faults)
		}
	}
	if len(c.who) == 0 && report.Err() != nil {
		t.Errorf("faults are %q, want none", report.Faults)
	}
}

// replaced returns a function that replaces a text, which must be there.
func replaced(t *testing.T, old, with string) func([]byte) []byte {
	return func(b []byte) []byte {
		if !bytes.Contains(b, []byte(old)) {
			t.Errorf("the signed file does not contain %q", old)
		}
		return bytes.Replace(b, []byte(old), []byte(with), 1)
	}
}

func same(b []byte) []byte { return b }

// TestFileFindsFaults checks that each check of a PDF can find a fault.
func TestFileFindsFaults(t *testing.T) {
	needTools(t)
	ca, original, signed := sample(t)
	otherCA, _, _ := sample(t)
	for _, c := range []change{
		{"as it is", ca, same, nil},
		{"a byte of the original changed", ca, func(b []byte) []byte { b[len(b)/8] ^= 1; return b },
			[]string{"prefix", "pdfsig", "openssl"}},
		{"a byte of the section changed", ca, replaced(t, "/SigFlags 3", "/SigFlags 2"), []string{"pdfsig", "openssl"}},
		{"something after the end", ca, func(b []byte) []byte { return append(b, "%%EOF\n"...) }, []string{"openssl"}},
		{"cut off", ca, func(b []byte) []byte { return b[:len(b)-200] }, []string{"qpdf", "openssl"}},
		{"not signed", ca, func(b []byte) []byte { return b[:0] }, []string{"prefix", "pdfsig", "openssl"}},
		{"another CA", otherCA, same, []string{"pdfsig", "openssl"}},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, original, signed) })
	}
}

// TestXMLFindsFaults checks that each check of an XML file can find a fault.
func TestXMLFindsFaults(t *testing.T) {
	needTools(t)
	format, info := &xades.Format{}, signing.SignatureInfo{Type: signing.XAdES}
	ca, original, signed := sampleOf(t, format, info, "fatturapa-windows1252.xml")
	otherCA, _, _ := sampleOf(t, format, info, "fatturapa-windows1252.xml")
	unsigned, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"insertion", "xmlsec1", "JDK"}
	for _, c := range []change{
		{"as it is", ca, same, nil},
		{"a text changed", ca, replaced(t, "MARIO LEONI", "MARIA LEONI"), all},
		{"a comment in the original", ca, replaced(t, "<Nazione>", "<!-- --><Nazione>"), []string{"insertion"}},
		{"the signing time changed", ca, replaced(t, "SigningTime>2", "SigningTime>3"), []string{"xmlsec1", "JDK"}},
		{"not signed", ca, func([]byte) []byte { return unsigned }, all},
		{"cut off", ca, func(b []byte) []byte { return b[:len(b)-200] }, all},
		{"another CA", otherCA, same, []string{"xmlsec1"}},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, original, signed) })
	}
}

// TestEmptyElement: the root <a/> becomes <a>…</a>, in any encoding.
func TestEmptyElement(t *testing.T) {
	original, signed := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	for _, c := range []struct{ original, signed, fault string }{
		{"<a/>\n", "<a><s/></a>\n", ""},
		{"<a />", "<a><s/></a>", ""},
		{"\x00<\x00a\x00/\x00>", "\x00<\x00a\x00>\x00s\x00<\x00/\x00a\x00>", ""},
		{"<\x00a\x00/\x00>\x00", "<\x00a\x00>\x00s\x00<\x00/\x00a\x00>\x00", ""},
		{"<a/>", "<b><s/></b>", "not the original"},
		{"<a/>", "<a/>", "nothing was added"},
	} {
		for path, content := range map[string]string{original: c.original, signed: c.signed} {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := insertion(original, signed); (got == "") != (c.fault == "") || !strings.Contains(got, c.fault) {
			t.Errorf("%q, %q: %q, want %q", c.original, c.signed, got, c.fault)
		}
	}
}

// TestCMSFindsFaults checks that OpenSSL can find faults in CMS files.
func TestCMSFindsFaults(t *testing.T) {
	needTools(t)
	for _, packaging := range []signing.Packaging{signing.Enveloping, signing.Detached} {
		format, info := &cades.Format{}, signing.SignatureInfo{Type: signing.CAdES, Packaging: packaging}
		ca, original, signed := sampleOf(t, format, info, "fatturapa-windows1252.xml")
		otherCA, _, _ := sampleOf(t, format, info, "fatturapa-windows1252.xml")
		judge := []string{"openssl"}
		changes := []change{
			{"as it is", ca, same, nil},
			{"a byte of the signature changed", ca, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, judge},
			{"cut off", ca, func(b []byte) []byte { return b[:len(b)-200] }, judge},
			{"another CA", otherCA, same, judge},
		}
		if packaging == signing.Enveloping {
			changes = append(changes, change{"a text changed", ca, replaced(t, "MARIO LEONI", "MARIA LEONI"), judge})
		}
		for _, c := range changes {
			t.Run(string(packaging)+" "+c.name, func(t *testing.T) { c.check(t, original, signed) })
		}
		c := change{"another original", ca, same, judge}
		t.Run(string(packaging)+" "+c.name, func(t *testing.T) {
			c.check(t, filepath.Join("..", "samples", "xrechnung-ubl.xml"), signed)
		})
	}
}
