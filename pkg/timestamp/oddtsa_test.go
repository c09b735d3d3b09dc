package timestamp

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// startOddTSA runs testdata/cases/tsa.py on a free port and returns its address.
func startOddTSA(t *testing.T) string {
	t.Helper()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import asn1crypto, cryptography").Run(); err != nil {
		const missing = "python3 with asn1crypto and cryptography is not installed"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	cases, err := filepath.Abs("testdata/cases")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "certs"), 0o700); err != nil {
		t.Fatal(err)
	}
	const script = `
import http.server, tsa
s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), tsa.H)
print(s.server_address[1], flush=True)
s.serve_forever()
`
	cmd := exec.Command(python, "-W", "ignore", "-c", script)
	cmd.Dir, cmd.Stderr = folder, os.Stderr
	cmd.Env = append(os.Environ(), "PYTHONPATH="+cases, "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the authority did not start: %v", err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port) + "/"
}

// TestOddAuthority checks that the answers of another implementation are accepted if validators
// accept them, and are refused with a clear reason otherwise.
func TestOddAuthority(t *testing.T) {
	address := startOddTSA(t)
	for _, good := range []string{
		"plain", "sha512", "essv1", "ess3", "ber", "berall", "leafonly", "many", "nested", "h201", "mods", "statustext",
		"failinfo0", "frac", "ordering", "tsaname", "qcstmt", "noacc", "emptyacc", "bigserial", "serial0", "nosigningtime",
		"imprint_nonull", "ct_text", "ct_none", "skew4m", "sigalgwithhash",
	} {
		c := newClient(t, Config{Authorities: []Authority{{URL: address + good}}, Timeout: time.Minute})
		if _, err := c.Timestamp(t.Context(), digest[:], sha); err != nil {
			t.Errorf("%s: Timestamp = %v, want a token", good, err)
		}
	}
	for bad, want := range map[string]string{
		"sha1":         "the timestamp is signed with SHA-1",
		"reject":       "rejection (badAlg): Unknown hash, não aceite",
		"wait":         "waiting",
		"html":         "the answer is not a TimeStampResp",
		"empty":        "the answer is not a TimeStampResp",
		"h503":         "HTTP status 503",
		"redir307":     "HTTP status 307",
		"noeku":        "the certificate is not one for timestamps alone",
		"ekunoncrit":   "the certificate is not one for timestamps alone",
		"tsaexpired":   "the certificate was not valid at the time stated",
		"noess":        "there is no signing-certificate attribute",
		"nocerts":      "the signing certificate is missing",
		"badnonce":     "the token's nonce is missing or wrong",
		"nononce":      "the token's nonce is missing or wrong",
		"imprint_sha1": "it is over another digest",
		"skew10m":      "is too far from ours",
	} {
		c := newClient(t, Config{Authorities: []Authority{{URL: address + bad}}, Timeout: time.Minute})
		_, err := c.Timestamp(t.Context(), digest[:], sha)
		if err == nil || !strings.Contains(signing.AsError(err).Detail, want) {
			t.Errorf("%s: Timestamp = %v, want %q", bad, err, want)
		}
	}
}
