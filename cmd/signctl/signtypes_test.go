package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/cades"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// mixed returns files of all types, with the signature type that each gets.
func mixed(t *testing.T) (contents, types map[string]string) {
	t.Helper()
	// A file is not co-signed with the same signature, so this one has another time.
	before := time.Now().Add(-time.Minute)
	p7m := string(signedAt(t, signing.SignatureInfo{Type: signing.CAdES}, []byte("inside"), before))
	return map[string]string{"a.pdf": "%PDF-1.7\n", "b.xml": invoice, "c.txt": "a text", "d.xml.p7m": p7m},
		map[string]string{"a.pdf": "PAdES application/pdf", "b.xml": "XAdES application/xml",
			"c.txt": "CAdES application/octet-stream", "d.xml.p7m": "CAdES application/pkcs7-mime"}
}

// wantNames checks the names of the files in dir.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s has %q, want %q", dir, got, want)
	}
}

// TestSignMixedFiles: one run and one request sign files of all types. get gives the same files.
func TestSignMixedFiles(t *testing.T) {
	for _, silent := range []bool{false, true} {
		p := newFakeProxy(t)
		p.silent = silent
		contents, types := mixed(t)
		out := filepath.Join(t.TempDir(), "signed")
		args := append([]string{"sign", "--reference", "r", "--out", out}, write(t, contents)...)
		if r := signctl(t, p.URL, args...); r.code != exitOK {
			t.Fatalf("exit code %d\n%s", r.code, r.err)
		}
		if n := p.count("POST"); n != 2 { // one for the token
			t.Errorf("%d requests, want one", n-1)
		}
		for _, d := range p.ops["r"].Documents {
			kind := d["info"].(map[string]any)["signatureType"]
			if got := fmt.Sprint(kind, " ", d["contentType"]); got != types[d["name"].(string)] {
				t.Errorf("%s was sent as %s, want %s", d["name"], got, types[d["name"].(string)])
			}
		}
		wantNames(t, out, "a.pdf", "b.xml", "c.txt.p7m", "d.xml.p7m.p7m")
		var signed []string
		for _, name := range []string{"b.xml", "c.txt.p7m", "d.xml.p7m.p7m"} {
			signed = append(signed, filepath.Join(out, name))
		}
		if r := signctl(t, "", append([]string{"verify", "--ca", caFile(t)}, signed...)...); r.code != exitOK {
			t.Errorf("verify ended with %d: %s%s", r.code, r.out, r.err)
		}
		fetched := filepath.Join(t.TempDir(), "fetched")
		if r := signctl(t, p.URL, "get", "r", "--out", fetched); r.code != exitOK {
			t.Fatalf("get ended with %d: %s", r.code, r.err)
		}
		if !silent {
			wantNames(t, fetched, "a.pdf", "b.xml", "c.txt.p7m", "d.xml.p7m.p7m")
		}
	}
}

// TestSignWithFlags: a flag that fits one signature type is sent with documents of that type alone.
func TestSignWithFlags(t *testing.T) {
	p := newFakeProxy(t)
	contents, _ := mixed(t)
	args := []string{"sign", "--reference", "r", "--out", t.TempDir(), "--reason", "why", "--profile", "baseline",
		"--signature-location", "invoice", "--transform", "XPATH", "--canonicalization", "EXCLUSIVE",
		"--packaging", "ENVELOPING", "--existing", "COSIGN"}
	if r := signctl(t, p.URL, append(args, write(t, contents)...)...); r.code != exitOK {
		t.Fatalf("exit code %d\n%s", r.code, r.err)
	}
	want := map[string]string{
		"a.pdf": "map[reason:why signatureType:PAdES]",
		"b.xml": "map[advancedSignatureInfo:map[canonicalTransform:EXCLUSIVE signatureLocation:invoice " +
			"signatureTransform:XPATH] profile:baseline reason:why signatureType:XAdES]",
		"c.txt":     "map[packaging:ENVELOPING reason:why signatureType:CAdES]",
		"d.xml.p7m": "map[existing:COSIGN packaging:ENVELOPING reason:why signatureType:CAdES]",
	}
	for _, d := range p.ops["r"].Documents {
		if got := fmt.Sprint(d["info"]); got != want[d["name"].(string)] {
			t.Errorf("signatureInfo of %s = %s, want %s", d["name"], got, want[d["name"].(string)])
		}
	}
}

// TestSignCosignsAndDetaches: a co-signed file keeps its name and has two signatures. A detached
// signature stands beside the file.
func TestSignCosignsAndDetaches(t *testing.T) {
	p := newFakeProxy(t)
	contents, _ := mixed(t)
	out := t.TempDir()
	path := write(t, map[string]string{"d.xml.p7m": contents["d.xml.p7m"]})[0]
	if r := signctl(t, p.URL, "sign", "--out", out, "--existing", "COSIGN", path); r.code != exitOK {
		t.Fatalf("exit code %d\n%s", r.code, r.err)
	}
	wantNames(t, out, "d.xml.p7m")
	r := signctl(t, "", "verify", filepath.Join(out, "d.xml.p7m"))
	if r.code != exitOK || !strings.Contains(r.out, "  2 signature: valid") {
		t.Errorf("verify ended with %d and printed %s%s", r.code, r.out, r.err)
	}
	paths := write(t, map[string]string{"b.xml": invoice, "d.xml.p7m": contents["d.xml.p7m"]})
	args := append([]string{"sign", "--type", "CAdES", "--packaging", "DETACHED", "--out", out + "2"}, paths...)
	if r := signctl(t, p.URL, args...); r.code != exitOK {
		t.Fatalf("exit code %d\n%s", r.code, r.err)
	}
	wantNames(t, out+"2", "b.xml.p7s", "d.xml.p7m.p7s")
	if r := signctl(t, "", "verify", filepath.Join(out+"2", "b.xml.p7s"), "--content", paths[0]); r.code != exitOK {
		t.Errorf("verify ended with %d and printed %s%s", r.code, r.out, r.err)
	}
}

// TestSignKeepsAnOddName: the proxy adds a suffix to the name in the request, and signctl to the
// name of the file.
func TestSignKeepsAnOddName(t *testing.T) {
	p := newFakeProxy(t)
	out := t.TempDir()
	path := write(t, map[string]string{"n\xba1.txt": "A"})[0]
	if r := signctl(t, p.URL, "sign", "--out", out, path); r.code != exitOK {
		t.Fatalf("exit code %d\n%s", r.code, r.err)
	}
	wantNames(t, out, "n\xba1.txt.p7m")
}

// TestSignRefusesOtherDocuments gets answers that are not the file with a signature. signctl writes
// none of them.
func TestSignRefusesOtherDocuments(t *testing.T) {
	xadesOf := func(doc string) string {
		return string(signedAs(t, signing.SignatureInfo{Type: signing.XAdES}, []byte(doc)))
	}
	cadesOf := func(doc string, packaging signing.Packaging) string {
		return string(signedAs(t, signing.SignatureInfo{Type: signing.CAdES, Packaging: packaging}, []byte(doc)))
	}
	changed := strings.Replace(xadesOf(invoice), "100", "900", 1)
	for name, c := range map[string]struct{ file, content, answer, packaging, says string }{
		"XML, without a signature":   {"a.xml", invoice, invoice, "", "without a signature"},
		"XML, other content":         {"a.xml", invoice, xadesOf("<a>x</a>"), "", "not the file with one insertion"},
		"XML, altered":               {"a.xml", invoice, changed, "", "one insertion"},
		"XML, shorter":               {"a.xml", invoice, invoice[:50], "", "one insertion"},
		"XML, empty":                 {"a.xml", invoice, "", "", "one insertion"},
		"empty element, other":       {"a.xml", "<a/>", "<b></b>", "", "one insertion"},
		"text, other content":        {"a.txt", "A", cadesOf("B", ""), "", "its content is not the file"},
		"text, without a signature":  {"a.txt", "A", "A", "", "not a .p7m file"},
		"text, detached":             {"a.txt", "A", cadesOf("A", signing.Detached), "", "not a .p7m file"},
		"detached, other content":    {"a.txt", "A", cadesOf("B", signing.Detached), "DETACHED", "not a signature of this"},
		"detached, with the content": {"a.txt", "A", cadesOf("A", ""), "DETACHED", "not a .p7s file"},
	} {
		p := newFakeProxy(t)
		p.answer = map[string]string{c.file: c.answer}
		out := t.TempDir()
		args := []string{"sign", "--out", out, write(t, map[string]string{c.file: c.content})[0]}
		if c.packaging != "" {
			args = append(args, "--packaging", c.packaging)
		}
		r := signctl(t, p.URL, args...)
		if r.code != exitFailed || !strings.Contains(r.err, c.says) {
			t.Errorf("%s: sign ended with %d and printed %s; want %q", name, r.code, r.err, c.says)
		}
		wantNames(t, out)
	}
}

// TestSignEveryXML: the signed form is accepted whatever the encoding and the form of the root.
func TestSignEveryXML(t *testing.T) {
	p := newFakeProxy(t)
	contents := map[string]string{"a.xml": "<a/>", "b.xml": "<a   \n/>\n", "c.xml": "<a></a>", "i.xml": invoice,
		"d.xml": `<?xml version="1.0" encoding="ISO-8859-1"?><a>` + "\xe9</a>"}
	for name, text := range map[string]string{"e": "<a/>", "f": "<a  />", "g": "<a>é</a>"} {
		contents[name+"le.xml"], contents[name+"be.xml"] = utf16Text(text, false), utf16Text(text, true)
	}
	out := t.TempDir()
	r := signctl(t, p.URL, append([]string{"sign", "--out", out}, write(t, contents)...)...)
	if r.code != exitOK {
		t.Errorf("exit code %d\n%s", r.code, r.err)
	}
}

// TestSignUsage: flags that cannot have an effect are refused before anything is sent.
func TestSignUsage(t *testing.T) {
	contents, _ := mixed(t)
	paths := write(t, contents)
	xml, text, p7m := paths[1], paths[2], paths[3]
	same := write(t, map[string]string{"c.txt.p7m": contents["d.xml.p7m"]})[0]
	visible := write(t, map[string]string{"v.json": "{}"})[0]
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"--type must be PAdES, XAdES or CAdES", []string{"--type", "PDF", xml}},
		{"--visible is for PAdES", []string{"--visible", visible, xml}},
		{"--profile is for XAdES", []string{"--profile", "facturae", text}},
		{"--signature-location is for XAdES", []string{"--signature-location", "a", text}},
		{"--transform is for XAdES", []string{"--transform", "XPATH", "--type", "CAdES", xml}},
		{"--canonicalization is for XAdES", []string{"--canonicalization", "EXCLUSIVE", text}},
		{"--packaging is for CAdES", []string{"--packaging", "DETACHED", xml}},
		{"--existing is for CAdES", []string{"--existing", "WRAP", xml}},
		{"--packaging cannot be DETACHED", []string{"--existing", "COSIGN", "--packaging", "DETACHED", p7m}},
		{"have the same name", []string{"--existing", "COSIGN", text, same}},
	} {
		r := signctl(t, "http://127.0.0.1:1", append([]string{"sign"}, tt.args...)...)
		if r.code != exitUsage || !strings.Contains(r.err, tt.want) {
			t.Errorf("%q: ended with %d and printed %q, want %q", tt.args[0], r.code, r.err, tt.want)
		}
	}
}

// TestGetChecksContents: a signed document that is not of its type is not written.
func TestGetChecksContents(t *testing.T) {
	p := newFakeProxy(t)
	text := base64.StdEncoding.EncodeToString([]byte("<html>"))
	document := func(name, kind string) map[string]any {
		return map[string]any{"name": "a", "contentType": "application/pdf", "signedName": name,
			"signedContentType": kind, "signStatus": "SIGNED", "signedContent": text}
	}
	p.ops["r"] = &fakeOperation{Status: "EXECUTED", Reference: "r", Documents: []map[string]any{
		document("a.p7m", "application/pkcs7-mime"), document("a.p7s", "application/pkcs7-signature"),
		document("a.xml", "text/xml"), document("a.bin", "application/octet-stream"),
	}}
	out := t.TempDir()
	r := signctl(t, p.URL, "get", "r", "--out", out)
	want{exitFailed, nil, []string{
		"FAILED a.p7m: the proxy sent something that is not a CMS file (.p7m)",
		"FAILED a.p7s: the proxy sent something that is not a CMS file (.p7s)", "2 signed, 2 failed",
	}}.check(t, "get", r)
	wantNames(t, out, "a.bin", "a.xml")
}

// TestCosignedContent: a co-signed file has the content of the file before.
func TestCosignedContent(t *testing.T) {
	contents, _ := mixed(t)
	before := []byte(contents["d.xml.p7m"])
	after := signedAs(t, signing.SignatureInfo{Type: signing.CAdES, Existing: signing.Cosign}, before)
	var content bytes.Buffer
	if err := cades.CopyContent(t.Context(), memoryFile{bytes.NewReader(after)}, &content); err != nil ||
		content.String() != "inside" {
		t.Errorf("the content is %q, %v", content.String(), err)
	}
	other := signedAs(t, signing.SignatureInfo{Type: signing.CAdES}, []byte("other"))
	p := newFakeProxy(t)
	p.answer = map[string]string{"d.xml.p7m": string(other)}
	path := write(t, map[string]string{"d.xml.p7m": string(before)})[0]
	out := t.TempDir()
	r := signctl(t, p.URL, "sign", "--existing", "COSIGN", "--out", out, path)
	want{exitFailed, nil, []string{"its content is not the file"}}.check(t, "another content", r)
	wantNames(t, out)
}
