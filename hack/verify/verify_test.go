package verify

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/software"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// sample signs one of the samples and returns the paths of CA, original and signed file.
func sample(t *testing.T) (ca, original, signed string) {
	t.Helper()
	provider, err := software.OpenEmbedded(filepath.Join(t.TempDir(), "key"), logr.Discard(), software.EmbeddedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	credential, err := provider.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	original = filepath.Join("..", "samples", "hybrid-xref.pdf")
	content, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	in := signing.Input{
		File:      file{bytes.NewReader(content)},
		Time:      time.Now(),
		Signature: signing.SignatureInfo{Type: signing.PAdES, Level: signing.LevelB},
	}
	format := &pades.Format{}
	prepared, err := format.Prepare(t.Context(), in, credential)
	if err != nil {
		t.Fatal(err)
	}
	values, err := provider.Sign(t.Context(), signing.Call{ID: "1", Digests: [][]byte{prepared.Digest}})
	if err != nil {
		t.Fatal(err)
	}
	section, _, err := format.Embed(t.Context(), in, prepared, values[0])
	if err != nil {
		t.Fatal(err)
	}
	signed = filepath.Join(t.TempDir(), "signed.pdf")
	if err := os.WriteFile(signed, append(content, section...), 0o600); err != nil {
		t.Fatal(err)
	}
	return provider.CAFile(), original, signed
}

// file makes a bytes.Reader a signing.File.
type file struct{ *bytes.Reader }

func (file) Close() error { return nil }

// TestFileFindsFaults checks that each check of File can find a fault.
func TestFileFindsFaults(t *testing.T) {
	if missing := Missing(); len(missing) > 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("not installed: %v (hack/install-tools)", missing)
		}
		t.Skipf("not installed: %v", missing)
	}
	ca, original, signed := sample(t)
	otherCA, _, _ := sample(t)
	good, err := os.ReadFile(signed)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		ca     string
		change func([]byte) []byte
		who    []string // the checks that find a fault
	}{
		{"as it is", ca, func(b []byte) []byte { return b }, nil},
		{"a byte of the original changed", ca, func(b []byte) []byte { b[len(b)/8] ^= 1; return b },
			[]string{"prefix", "pdfsig", "openssl"}},
		{"a byte of the section changed", ca,
			func(b []byte) []byte { return bytes.Replace(b, []byte("/SigFlags 3"), []byte("/SigFlags 2"), 1) },
			[]string{"pdfsig", "openssl"}},
		{"something after the end", ca, func(b []byte) []byte { return append(b, "%%EOF\n"...) }, []string{"openssl"}},
		{"cut off", ca, func(b []byte) []byte { return b[:len(b)-200] }, []string{"qpdf", "openssl"}},
		{"not signed", ca, func(b []byte) []byte { return b[:0] }, []string{"prefix", "pdfsig", "openssl"}},
		{"another CA", otherCA, func(b []byte) []byte { return b }, []string{"pdfsig", "openssl"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := New(t.Context(), tt.ca)
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			path := filepath.Join(t.TempDir(), "changed.pdf")
			if err := os.WriteFile(path, tt.change(bytes.Clone(good)), 0o600); err != nil {
				t.Fatal(err)
			}
			report := v.File(t.Context(), original, path)
			for _, who := range tt.who {
				if !slices.ContainsFunc(report.Faults, func(fault string) bool { return strings.HasPrefix(fault, who+": ") }) {
					t.Errorf("%s found no fault; faults are %q", who, report.Faults)
				}
			}
			if len(tt.who) == 0 && report.Err() != nil {
				t.Errorf("faults are %q, want none", report.Faults)
			}
		})
	}
}
