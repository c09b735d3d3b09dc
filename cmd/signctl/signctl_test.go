package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
)

// result is the output and the exit code of a command.
type result struct {
	code     int
	out, err string
}

// signctl runs a command against a proxy.
func signctl(t *testing.T, url string, args ...string) result {
	t.Helper()
	env := map[string]string{"SIGNSTASH_URL": url, "SIGNSTASH_CLIENT_ID": "PRT.1", "SIGNSTASH_SECRET": "hush-hush"}
	var out, errOut bytes.Buffer
	code := run(t.Context(), args, streams{out: &out, err: &errOut, env: func(k string) string { return env[k] }})
	if strings.Contains(out.String()+errOut.String(), "hush-hush") {
		t.Errorf("signctl %q printed the secret", args)
	}
	return result{code, out.String(), errOut.String()}
}

// write creates files with the given contents in a new folder and returns their paths.
func write(t *testing.T, contents map[string]string) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for name, content := range contents {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// wantFiles checks that dir contains exactly the given files.
func wantFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := want[e.Name()]; !ok {
			t.Errorf("%s holds %s, which nobody asked for", dir, e.Name())
		}
	}
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != content {
			t.Errorf("%s = %.60q, %v, want %.60q", name, got, err, content)
		}
	}
}

func TestSignFewInOneSyncRequest(t *testing.T) {
	p := newFakeProxy(t)
	paths := write(t, map[string]string{"a.pdf": "%PDF-A", "b.pdf": "%PDF-B"})
	out := filepath.Join(t.TempDir(), "new", "signed")
	r := signctl(t, p.URL, append([]string{"sign", "--reason", "why"}, append(paths, "--out", out)...)...)
	if r.code != exitOK {
		t.Fatalf("exit code %d\n%s", r.code, r.err)
	}
	wantFiles(t, out, map[string]string{"a.pdf": "%PDF-A" + signedBy, "b.pdf": "%PDF-B" + signedBy})
	if p.count("POST document/sign/base64/") != 1 || p.count("GET") != 0 {
		t.Errorf("calls were %q, want one synchronous request", p.calls)
	}
	if want := filepath.Join(out, "a.pdf") + "\n" + filepath.Join(out, "b.pdf") + "\n"; r.out != want {
		t.Errorf("stdout is %q, want %q", r.out, want)
	}
	if !strings.Contains(r.err, "2 signed, 0 failed") {
		t.Errorf("stderr is %q", r.err)
	}
}

// A name in an old encoding is not valid UTF-8, and JSON would change its bytes. The signed file
// keeps its name.
func TestSignNameThatIsNoText(t *testing.T) {
	p := newFakeProxy(t)
	names := map[string]string{"fatura_n\xba1.pdf": "%PDF-A", "fatura_n\xbb1.pdf": "%PDF-B", "ação�.pdf": "%PDF-C"}
	out, want := filepath.Join(t.TempDir(), "signed"), map[string]string{}
	for name, content := range names {
		want[name] = content + signedBy
	}
	r := signctl(t, p.URL, append([]string{"sign", "--reference", "r"}, append(write(t, names), "--out", out)...)...)
	if r.code != exitOK {
		t.Fatalf("exit code %d\n%s", r.code, r.err)
	}
	wantFiles(t, out, want)
	var sent []string
	for _, d := range p.ops["r"].Documents {
		sent = append(sent, d["name"].(string))
	}
	slices.Sort(sent)
	if want := []string{"ação�.pdf", "fatura_n%BA1.pdf", "fatura_n%BB1.pdf"}; !slices.Equal(sent, want) {
		t.Errorf("the request names %q, want %q", sent, want)
	}
}

func TestSignManyInAsyncChunks(t *testing.T) {
	p := newFakeProxy(t)
	p.pending = 1
	contents, want := map[string]string{}, map[string]string{}
	for i := range 105 {
		name := fmt.Sprintf("%03d.pdf", i)
		contents[name] = "%PDF-content " + name
		want[name] = contents[name] + signedBy
	}
	out := t.TempDir()
	args := append([]string{"sign", "--out", out, "--chunk", "40", "--reference", "run 7"}, write(t, contents)...)
	r := signctl(t, p.URL, args...)
	if r.code != exitOK {
		t.Fatalf("exit code %d\n%s", r.code, r.err)
	}
	wantFiles(t, out, want)
	if n := p.count("POST document/sign/async/base64/"); n != 3 {
		t.Errorf("%d asynchronous requests, want 3", n)
	}
	if !strings.Contains(r.err, "40 documents accepted as run 7-1 (operation ") {
		t.Errorf("stderr is %q", r.err)
	}
}

func TestSignNamesEachFailure(t *testing.T) {
	p := newFakeProxy(t)
	paths := write(t, map[string]string{"good.pdf": "%PDF-G", "bad.pdf": "%PDF-broken", "empty.pdf": ""})
	out := t.TempDir()
	folder := t.TempDir()
	args := append([]string{"sign", "--out", out}, append(paths, "missing.pdf", folder)...)
	r := signctl(t, p.URL, args...)
	if r.code != exitFailed {
		t.Errorf("exit code %d, want %d", r.code, exitFailed)
	}
	wantFiles(t, out, map[string]string{"good.pdf": "%PDF-G" + signedBy})
	for _, want := range []string{
		"FAILED missing.pdf: no such file or directory",
		"FAILED " + folder + ": is not a regular file",
		"empty.pdf: is empty",
		"bad.pdf: SIGN_OPERATION_INTERNAL_ERROR 2.2.3: is damaged",
		"1 signed, 4 failed",
	} {
		if !strings.Contains(r.err, want) {
			t.Errorf("stderr lacks %q:\n%s", want, r.err)
		}
	}
}

func TestSignFollowsHostAndPort(t *testing.T) {
	front, holder := newFakeProxy(t), newFakeProxy(t)
	front.holder = holder
	out := t.TempDir()
	r := signctl(t, front.URL,
		append([]string{"sign", "--mode", "async", "--out", out}, write(t, map[string]string{"a.pdf": "%PDF-A"})...)...)
	if r.code != exitOK {
		t.Fatalf("exit code %d\n%s", r.code, r.err)
	}
	wantFiles(t, out, map[string]string{"a.pdf": "%PDF-A" + signedBy})
	if front.count("GET") != 0 || holder.count("GET") < 2 {
		t.Errorf("front was asked %q, holder %q; want status and detail at the holder", front.calls, holder.calls)
	}
}

// TestSignFallsBack checks that signctl uses the given address if the instance named in the answer
// is unreachable.
func TestSignFallsBack(t *testing.T) {
	p := newFakeProxy(t)
	gone := newFakeProxy(t)
	p.holder = gone
	gone.Close()
	p.ops["ref"] = &fakeOperation{ID: 1, Status: "EXECUTED", Reference: "ref", Documents: []map[string]any{
		{
			"externalReference": "a.pdf",
			"signStatus":        "SIGNED",
			"signedContent":     base64.StdEncoding.EncodeToString([]byte("%PDF-A" + signedBy)),
		},
	}}
	out := t.TempDir()
	args := []string{"sign", "--mode", "async", "--patience", "1ms", "--reference", "ref", "--out", out}
	r := signctl(t, p.URL, append(args, write(t, map[string]string{"a.pdf": "%PDF-A"})...)...)
	if r.code != exitOK || !strings.Contains(r.err, "is unreachable") {
		t.Fatalf("exit code %d\n%s", r.code, r.err)
	}
	wantFiles(t, out, map[string]string{"a.pdf": "%PDF-A" + signedBy})
}

func TestSignTriesAgainWhenBusy(t *testing.T) {
	p := newFakeProxy(t)
	p.busy = 1
	out := t.TempDir()
	r := signctl(t, p.URL, append([]string{"sign", "--out", out}, write(t, map[string]string{"a.pdf": "%PDF-A"})...)...)
	if r.code != exitOK || !strings.Contains(r.err, "retrying in 1s") {
		t.Errorf("exit code %d\n%s", r.code, r.err)
	}
}

// TestSignWaitsAfterSlowSync checks that signctl waits for an operation that did not end within the
// proxy's own waiting time.
func TestSignWaitsAfterSlowSync(t *testing.T) {
	p := newFakeProxy(t)
	p.syncSlow, p.pending = true, 1
	out := t.TempDir()
	r := signctl(t, p.URL, append([]string{"sign", "--out", out}, write(t, map[string]string{"a.pdf": "%PDF-A"})...)...)
	if r.code != exitOK {
		t.Fatalf("exit code %d\n%s", r.code, r.err)
	}
	wantFiles(t, out, map[string]string{"a.pdf": "%PDF-A" + signedBy})
}

func TestSignPassesVisibleSignatureOn(t *testing.T) {
	p := newFakeProxy(t)
	const object = `{"locationType":"COORDINATE","locationValue":"page=1,x=1,y=2"}`
	visible := write(t, map[string]string{"visible.json": object})[0]
	args := []string{
		"sign",
		"--reference",
		"r",
		"--visible",
		visible,
		"--level",
		"B-T",
		"--timestamp",
		"--location",
		"Porto",
		"--out",
		t.TempDir(),
	}
	if r := signctl(t, p.URL, append(args, write(t, map[string]string{"a.pdf": "%PDF-A"})...)...); r.code != exitOK {
		t.Fatalf("exit code %d\n%s", r.code, r.err)
	}
	got := fmt.Sprint(p.ops["r"].Documents[0]["info"])
	want := "map[applyTimestamp:true level:B-T location:Porto signatureType:PAdES " +
		"visibleSignatureInfo:map[locationType:COORDINATE locationValue:page=1,x=1,y=2]]"
	if got != want {
		t.Errorf("signatureInfo = %s, want %s", got, want)
	}
}

func TestGetAndStatus(t *testing.T) {
	p := newFakeProxy(t)
	p.ops["r/1"] = &fakeOperation{
		ID:        9,
		Status:    "EXECUTED",
		Reference: "r/1",
		Created:   "then",
		Host:      "h",
		Port:      81,
		Documents: []map[string]any{
			{"name": "a.pdf", "signStatus": "SIGNED", "signedContent": "QQ=="},
			{"name": "../../a.pdf", "signStatus": "SIGNED", "signedContent": "Qg=="},
			{"name": "..", "signStatus": "SIGNED", "signedContent": "Qw=="},
			{"name": `c:\x\.hidden`, "signStatus": "SIGNED", "signedContent": "RA=="},
			{"name": "bad.pdf", "signStatus": "ERROR_SIGNING", "signError": "E"},
		},
	}
	if r := signctl(t, p.URL, "status", "r/1"); r.code != exitOK || r.out != "9\tEXECUTED\tthen\th:81\n" {
		t.Errorf("status ended with %d and printed %q%s", r.code, r.out, r.err)
	}
	out := t.TempDir()
	r := signctl(t, p.URL, "get", "r/1", "--out", out, "--wait")
	if r.code != exitFailed || !strings.Contains(r.err, "FAILED bad.pdf: E") {
		t.Errorf("get ended with %d and printed %s", r.code, r.err)
	}
	wantFiles(t, out, map[string]string{"a.pdf": "A", "2-a.pdf": "B", "3-": "C", "hidden": "D"})
}

// TestGetNamesWhatWasNotAskedFor answers with another operation, with content that is not a PDF,
// and with more content than allowed.
func TestGetNamesWhatWasNotAskedFor(t *testing.T) {
	p := newFakeProxy(t)
	text := base64.StdEncoding.EncodeToString([]byte("<html>"))
	p.ops["other"] = &fakeOperation{
		Status:    "EXECUTED",
		Reference: "mine",
		Documents: []map[string]any{{"name": "a", "signStatus": "SIGNED", "signedContent": text}},
	}
	p.ops["page"] = &fakeOperation{Status: "EXECUTED", Reference: "page", Documents: []map[string]any{
		{"name": "a.pdf", "contentType": "application/pdf", "signStatus": "SIGNED", "signedContent": text},
		{"name": "../b\x1b[2J.xml", "contentType": "application/xml", "signStatus": "SIGNED", "signedContent": text},
	}}
	for _, tt := range []struct {
		reference, flag, says string
		files                 int
	}{
		{"other", "--max-bytes=100", `with the operation "mine", not with other`, 0},
		{"page", "--max-bytes=100", "FAILED a.pdf: the proxy sent something that is not a PDF", 1},
		{"page", "--max-bytes=100", `the document named "../b\x1b[2J.xml" was written as`, 1},
		{"page", "--max-bytes=11", "the answer is larger than expected", 0},
	} {
		out := t.TempDir()
		r := signctl(t, p.URL, "get", tt.reference, "--out", out, tt.flag)
		if r.code != exitFailed || !strings.Contains(r.err, tt.says) {
			t.Errorf("get %s %s ended with %d and printed %s; want %q", tt.reference, tt.flag, r.code, r.err, tt.says)
		}
		if found, _ := os.ReadDir(out); len(found) != tt.files {
			t.Errorf("get %s %s left %v, want %d files", tt.reference, tt.flag, found, tt.files)
		}
	}
}

// TestSignRefusesAnotherDocument gets answers that are not the file with a signature. signctl
// writes none of them.
func TestSignRefusesAnotherDocument(t *testing.T) {
	for content, says := range map[string]string{
		"%PDF-B" + signedBy: "does not begin with the file's bytes", "%PDF-A": "without a signature", "": "does not begin",
	} {
		p := newFakeProxy(t)
		p.syncSlow = true
		p.answer = map[string]string{"a.pdf": content}
		out := t.TempDir()
		r := signctl(t, p.URL, append([]string{"sign", "--out", out}, write(t, map[string]string{"a.pdf": "%PDF-A"})...)...)
		if r.code != exitFailed || !strings.Contains(r.err, says) {
			t.Errorf("answer %q: sign ended with %d and printed %s; want %q", content, r.code, r.err, says)
		}
		if found, _ := os.ReadDir(out); len(found) != 0 {
			t.Errorf("answer %q: %v was written", content, found)
		}
	}
}

// TestNoRawBytesOnTheTerminal checks that control characters from a proxy or a file do not reach
// the terminal.
func TestNoRawBytesOnTheTerminal(t *testing.T) {
	p := newFakeProxy(t)
	p.ops["r"] = &fakeOperation{
		Status:    "EXECUTED\x1b[2J",
		Reference: "r",
		Created:   "\x07",
		Host:      "h\x1b",
		Documents: []map[string]any{
			{"name": "a\x1b.pdf", "signStatus": "ERROR_SIGNING", "signError": "E\x1b]0;title\x07"},
		},
	}
	for _, args := range [][]string{
		{"status", "r"}, {"get", "r", "--out", t.TempDir()}, {"get", "\x1b[2J", "--out", t.TempDir()},
		{"verify", write(t, map[string]string{"x.pdf": "%PDF-1.7\n\x1b[2J"})[0]}, {"verify", "missing\x1b.pdf"},
	} {
		r := signctl(t, p.URL, args...)
		raw := func(c rune) bool { return c != '\n' && c != '\t' && !unicode.IsPrint(c) }
		if strings.ContainsFunc(r.out+r.err, raw) {
			t.Errorf("signctl %q printed %q", args, r.out+r.err)
		}
	}
}

func TestNotFound(t *testing.T) {
	p := newFakeProxy(t)
	for _, command := range []string{"status", "get"} {
		if r := signctl(t, p.URL, command, "nothing", "--patience=1s"); r.code != exitFailed || r.err == "" {
			t.Errorf("%s ended with %d and printed %q, want %d and a reason", command, r.code, r.err, exitFailed)
		}
	}
}

func TestGetOfPendingOperation(t *testing.T) {
	p := newFakeProxy(t)
	p.ops["r"] = &fakeOperation{ID: 9, Status: "PENDING_EXECUTION", Reference: "r"}
	out := t.TempDir()
	if r := signctl(t, p.URL, "get", "r", "--out", out); r.code != exitFailed ||
		!strings.Contains(r.err, "still PENDING_EXECUTION") {
		t.Errorf("get ended with %d and printed %q", r.code, r.err)
	}
	wantFiles(t, out, nil)
}

func TestUsage(t *testing.T) {
	files := write(t, map[string]string{"a.pdf": "%PDF-A", "v.json": "[1]"})
	other := write(t, map[string]string{"a.pdf": "%PDF-B"})
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "signctl signs documents"},
		{"unknown command", []string{"sing"}, `no command "sing"`},
		{"no files", []string{"sign"}, "no files"},
		{"unknown flag", []string{"sign", files[0], "--secret", "x"}, "flag provided but not defined: -secret"},
		{"mode", []string{"sign", files[0], "--mode", "fast"}, "--mode must be auto, sync or async"},
		{"chunk", []string{"sign", files[0], "--chunk", "0"}, "--chunk must be at least 1"},
		{"url", []string{"sign", files[0], "--url", "proxy", "--out", "nowhere"}, "--url"},
		{"visible is no object", []string{"sign", files[0], "--visible", files[1]}, "is not a JSON object"},
		{"visible is missing", []string{"sign", files[0], "--visible", "nowhere.json"}, "--visible"},
		{"same name twice", []string{"sign", files[0], other[0]}, "have the same name"},
		{"over the original", []string{"sign", files[0], "--out", filepath.Dir(files[0])}, "would overwrite"},
		{"secret file", []string{"status", "r", "--secret-file", "nowhere"}, "--secret-file"},
		{"no certificates", []string{"status", "r", "--ca", files[0]}, "contains no PEM certificate"},
		{"two references", []string{"status", "r", "s"}, "exactly one reference"},
		{"no reference", []string{"get"}, "exactly one reference"},
		{"nothing to verify", []string{"verify"}, "no files"},
		{"nobody to trust", []string{"verify", files[0], "--ca", files[0]}, "contains no PEM certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := signctl(t, "http://127.0.0.1:1", tt.args...)
			if r.code != exitUsage || !strings.Contains(r.err, tt.want) {
				t.Errorf("ended with %d and printed %q, want %d and %q", r.code, r.err, exitUsage, tt.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{
		{"--help"}, {"sign", "--help"}, {"status", "-h"}, {"get", "-help"}, {"verify", "-h"}, {"version"},
	} {
		if r := signctl(t, "", args...); r.code != exitOK || r.out == "" || r.err != "" {
			t.Errorf("signctl %q ended with %d and printed %q and %q", args, r.code, r.out, r.err)
		}
	}
}

func TestVerifyNamesWhatItCannotRead(t *testing.T) {
	notAPDF := write(t, map[string]string{"a.pdf": "Dear Sir or Madam"})[0]
	r := signctl(t, "", "verify", notAPDF, "missing.pdf")
	if r.code != exitFailed || !strings.Contains(r.err, "FAILED "+notAPDF+": ") ||
		!strings.Contains(r.err, "FAILED missing.pdf: no such file") {
		t.Errorf("verify ended with %d and printed %q", r.code, r.err)
	}
}

// TestVerifyFile checks that the report names the verdict, the time at which the certificate is
// judged, and the forged bytes.
func TestVerifyFile(t *testing.T) {
	const cases = "../../pkg/pades/testdata/cases/"
	forged, err := os.ReadFile(cases + "forged-tail.pdf")
	if err != nil {
		t.Fatal(err)
	}
	whole := write(t, map[string]string{"whole.pdf": string(forged[:87882])})[0]
	const judged = "    judged   2026-11-30T06:05:52Z, the time that the signer claims\n"
	for _, tt := range []struct {
		name, path string
		code       int
		want       []string
	}{
		{"as it was signed", whole, exitOK, []string{
			": valid\n", `"Signature1": valid, PAdES B-B`, judged, "covers   the whole file"}},
		{"with a forged page behind", cases + "forged-tail.pdf", exitFailed, []string{
			": NOT VALID\n", `"Signature1": NOT VALID`, judged, "TAMPERED the bytes from offset 87882 belong to no revision"}},
		{"with a form that nobody knows", write(t, map[string]string{"new.pdf": strings.Replace(string(forged[:87882]),
			"/SubFilter /ETSI.CAdES.detached", "/SubFilter /ETSI.CAdES.newshape", 1)})[0], exitFailed, []string{
			": CANNOT BE JUDGED\n", `"Signature1": CANNOT BE JUDGED`,
			`UNKNOWN  signatures of type "ETSI.CAdES.newshape" are not supported`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := signctl(t, "", "verify", tt.path, "--ca", cases+"forged-tail-ca.pem")
			if r.code != tt.code || r.err != "" {
				t.Errorf("ended with %d and printed %q, want %d", r.code, r.err, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(r.out, want) {
					t.Errorf("printed %q, want %q", r.out, want)
				}
			}
		})
	}
}

// TestPrintReport prints a report with everything that it may have.
func TestPrintReport(t *testing.T) {
	var out bytes.Buffer
	reportOfPDF(&pades.Report{Size: 100, Signatures: []pades.SignatureReport{
		{
			Field:    "S\x1b[2J",
			Level:    "B-T",
			End:      50,
			Faults:   []string{"the digest is another\x07"},
			Tampered: []string{"a page"},
			Notes:    []string{"n"},
		},
		{Field: "T", Timestamp: true, End: 100, Whole: true},
	}}).print(&out, "a.pdf")
	want := `a.pdf: NOT VALID
  1 signature "S\x1b[2J": NOT VALID, PAdES B-T
    covers   the first 50 of 100 bytes
    FAULT    the digest is another?
    TAMPERED a page
    note     n
  2 document timestamp "T": valid
    covers   the whole file
`
	if out.String() != want {
		t.Errorf("print wrote %q, want %q", out.String(), want)
	}
}

func TestProxyOutOfReach(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	out := t.TempDir()
	r := signctl(t, url,
		append([]string{"sign", "--patience", "1ms", "--out", out}, write(t, map[string]string{"a.pdf": "%PDF-A"})...)...)
	if r.code != exitFailed || !strings.Contains(r.err, "a.pdf: ") || !strings.Contains(r.err, "connection refused") {
		t.Errorf("ended with %d and printed %q", r.code, r.err)
	}
	wantFiles(t, out, nil)
}
