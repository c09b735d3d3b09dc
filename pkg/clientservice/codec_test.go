package clientservice

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files")

// TestDecodeFiles decodes testdata: valid-* must survive Encode and Decode unchanged, invalid-*
// must give the text beside them.
func TestDecodeFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*valid-*.json")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Decode(data)
			if strings.HasPrefix(filepath.Base(file), "valid-") {
				if err != nil {
					t.Fatalf("Decode: %v", err)
				}
				roundTrip(t, s)
				return
			}
			if err == nil {
				t.Fatalf("Decode accepted the file")
			}
			if strings.Contains(err.Error(), "geheim") {
				t.Errorf("the error shows a secret: %v", err)
			}
			golden(t, strings.TrimSuffix(file, ".json")+".txt", err.Error()+"\n")
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func roundTrip(t *testing.T, s *Services) {
	t.Helper()
	first, err := Encode(s)
	if err != nil {
		t.Fatalf("Encode: %v", err)
	}
	again, err := Decode(first)
	if err != nil {
		t.Fatalf("Decode of what Encode wrote: %v\n%s", err, first)
	}
	if diff := cmp.Diff(s.byID, again.byID); diff != "" {
		t.Errorf("Decode(Encode(s)) (-want +got):\n%s", diff)
	}
	second, err := Encode(again)
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("Encode is not deterministic: %v\n%s\n%s", err, first, second)
	}
}

func TestEncodeGolden(t *testing.T) {
	s, err := ReadFile("testdata/valid-everything.json")
	if err != nil {
		t.Fatal(err)
	}
	data, err := Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/encoded-everything.golden", string(data))
}

func TestDecodeBounds(t *testing.T) {
	for name, test := range map[string]struct{ in, want string }{
		"file":   {`{"a": {"secret": "` + strings.Repeat("x", MaxFileBytes) + `"}}`, "larger than"},
		"secret": {`{"a": {"secret": "` + strings.Repeat("x", maxSecretBytes+1) + `"}}`, "longer than"},
		"id":     {`{"` + strings.Repeat("x", maxIDBytes+1) + `": {"secret": "s"}}`, "longer than"},
		"depth":  {strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000), "not JSON"},
	} {
		if _, err := Decode([]byte(test.in)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Decode = %v, want an error with %q", name, cut(err), test.want)
		} else if len(err.Error()) > 1000 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
}

func cut(err error) string {
	if err == nil {
		return "nil"
	}
	return err.Error()[:min(len(err.Error()), 200)]
}

func TestErrorIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("{")
	for i := range 10_000 {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(`"a":1`)
	}
	b.WriteString("}")
	_, err := Decode([]byte(b.String()))
	if err == nil || len(err.Error()) > 10_000 || !strings.Contains(err.Error(), "more") {
		t.Errorf("Decode = %v, want a short error", cut(err))
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Decode(data)
		if err == nil {
			roundTrip(t, s)
		}
	})
}

func TestDecodeSettings(t *testing.T) {
	got, err := DecodeSettings("a", []byte(`{"provider": "p", "inputFolder": "/in", "signatureInfo": {"level": "B-T"}}`))
	want := ClientService{ID: "a", Provider: "p", InputFolder: "/in", SignatureInfo: &SignatureInfo{Level: "B-T"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("DecodeSettings: %v (-want +got):\n%s", err, diff)
	}
	for in, want := range map[string]string{
		"":                                       "empty",
		"{":                                      "not JSON",
		"[]":                                     "want an object",
		"{} {}":                                  "not JSON",
		"{\"a\xff\": 1}":                         "not UTF-8",
		`{"provider": 1}`:                        "provider: want a string",
		`{"secret": "geheim"}`:                   "secret: unknown key",
		`{"previousSecret": "x"}`:                "previousSecret: unknown key",
		`{"Provider": "geheim"}`:                 "did you mean provider?",
		`{"provider": "geheim", "provider": ""}`: "occurs twice",
	} {
		_, err := DecodeSettings("a", []byte(in))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("DecodeSettings(%q) = %v, want an error with %q and no value", in, err, want)
		}
	}
}

// TestFoldersInBuckets accepts the URL of a folder in object storage.
func TestFoldersInBuckets(t *testing.T) {
	for folder, good := range map[string]bool{
		"s3://invoices/in": true, "gs://invoices/in/": true, "azblob://invoices": true,
		"s3:/invoices": false, "http://invoices/in": false, `s3://invoices/\u0001`: false,
	} {
		_, err := Decode([]byte(`{"a": {"secret": "s", "inputFolder": "` + folder + `"}}`))
		if (err == nil) != good {
			t.Errorf("inputFolder %s: %v, want accepted: %v", folder, err, good)
		}
	}
}
