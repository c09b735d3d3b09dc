package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/hack/verify"
)

// readmeCalls returns the README's block of curl calls as one script. The block begins where API is
// set and ends at the next line of prose.
func readmeCalls(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "\n    API=")
	if !found {
		t.Fatal("README.md has no block of calls that begins with API=")
	}
	var script strings.Builder
	for line := range strings.Lines("    API=" + block) {
		code, indented := strings.CutPrefix(line, "    ")
		if !indented && line != "\n" {
			break
		}
		script.WriteString(code)
	}
	return script.String()
}

// TestReadmeCalls runs the README's calls unchanged except for the port. Each call succeeds, and
// the signed documents are valid.
func TestReadmeCalls(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	bin, dir := build(t), t.TempDir()
	work := filepath.Join(dir, "work")
	if err := instance.WriteClients(work, map[string]string{"PRT.000000000-PRT.000000000-demo": "a-secret"}); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(work, "secret"), []byte("a-secret\n"))
	hack, err := filepath.Abs("../../hack")
	if err == nil {
		err = os.Symlink(hack, filepath.Join(dir, "hack"))
	}
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := instance.Start(t.Context(),
		instance.Options{Binary: filepath.Join(bin, "proxy"), Work: work, State: filepath.Join(dir, "state")})
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Kill()
	script := strings.ReplaceAll(readmeCalls(t), "http://localhost:8080", proxy.URL)
	// With an empty IFS, bash does not split variables into words, like zsh.
	script = "IFS=\n" + `curl() { command curl -sS --fail-with-body "$@"; }` + "\n" + script
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = dir
	var faults strings.Builder
	cmd.Stderr = &faults
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &faults)
	}
	signed, err := os.ReadFile(filepath.Join(dir, "signed.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(dir, "invoice.pdf")
	if err := verified(proxy.CAFile, original, signed); err != nil {
		t.Errorf("the synchronous one: %v", err)
	}
	wantReadmeAnswers(t, proxy, original, out)
	wantReadmeFiles(t, proxy.CAFile, dir)
}

// wantReadmeFiles checks the XML and CMS files that the calls write.
func wantReadmeFiles(t *testing.T, caFile, dir string) {
	t.Helper()
	v, err := verify.New(t.Context(), caFile)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, name := range []string{"signed.xml", "invoice.xml.p7m"} {
		report := v.File(t.Context(), filepath.Join(dir, "invoice.xml"), filepath.Join(dir, name))
		if err := report.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// wantReadmeAnswers checks the output of the asynchronous calls.
func wantReadmeAnswers(t *testing.T, proxy *instance.Instance, original string, out []byte) {
	t.Helper()
	accepted, status, detail := readmeAnswers(t, out)
	if accepted.ID == 0 || accepted.Host == "" || accepted.Port == 0 || status.Status != "EXECUTED" ||
		len(detail.DocumentList) != 1 {
		t.Fatalf("the asynchronous one was answered %+v, %+v, %+v", accepted, status, detail)
	}
	content, err := base64.StdEncoding.DecodeString(detail.DocumentList[0].SignedContent)
	if err == nil {
		err = verified(proxy.CAFile, original, content)
	}
	if err != nil {
		t.Errorf("the asynchronous one: %v", err)
	}
	if code := readmeStatus(t, proxy.URL, accepted.ID); code != http.StatusNotFound {
		t.Errorf("status of the removed operation = %d, want 404", code)
	}
}

// readmeStatus asks for an operation by its id.
func readmeStatus(t *testing.T, url string, id int64) int {
	t.Helper()
	url += fmt.Sprint("/signstash/einvoice-integration-client-ws/api/v0/operation/status/", id)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("PRT.000000000-PRT.000000000-demo", "a-secret")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// readmeAnswer is an answer to one of the README's calls.
type readmeAnswer struct {
	ID           int64
	Host, Status string
	Port         int
	DocumentList []struct{ SignedContent string }
}

// readmeAnswers reads the output of the calls, one answer after the other.
func readmeAnswers(t *testing.T, out []byte) (accepted, status, detail readmeAnswer) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(out)))
	var statuses []readmeAnswer
	for _, answer := range []any{&accepted, &statuses, &detail} {
		if err := d.Decode(answer); err != nil {
			t.Fatalf("%v in %.2000s", err, out)
		}
	}
	if len(statuses) != 1 || d.More() {
		t.Fatalf("answered %.2000s", out)
	}
	return accepted, statuses[0], detail
}
