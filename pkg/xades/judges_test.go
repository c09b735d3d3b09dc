package xades

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// judges are programs that judge signatures and that this project did not write.
type judges struct {
	folder string
	xmlsec bool
	in     io.Writer // of the JDK; nil if there is none
	out    *bufio.Reader
}

// startJudges starts the judges that are installed. In CI all must be.
func startJudges(t testing.TB) *judges {
	t.Helper()
	j := &judges{folder: t.TempDir()}
	_, err := exec.LookPath("xmlsec1")
	j.xmlsec = err == nil
	if _, err := exec.LookPath("java"); err == nil {
		j.startJDK(t)
	}
	if !j.xmlsec || j.in == nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a judge is not installed: xmlsec1 %v, JDK %v", j.xmlsec, j.in != nil)
		}
		t.Logf("not every judge is installed: xmlsec1 %v, JDK %v", j.xmlsec, j.in != nil)
	}
	return j
}

func (j *judges) startJDK(t testing.TB) {
	t.Helper()
	cmd := exec.Command("java", "testdata/Jdk.java")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in := must(cmd.StdinPipe())
	j.in, j.out = in, bufio.NewReader(must(cmd.StdoutPipe()))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("JDK: %v: %s", err, stderr.String())
		}
	})
}

// check lets the judges judge the last signature of a document.
func (j *judges) check(t testing.TB, name string, signed []byte) {
	t.Helper()
	// xmlsec1 before 1.3 does not know PSS.
	if j.xmlsec && !bytes.Contains(ascii(signed), []byte("MGF1")) {
		j.askXMLSec(t, name, signed)
	}
	if j.in == nil {
		return
	}
	if _, err := j.in.Write(slices.Concat(fmt.Appendf(nil, "%d\n", len(signed)), signed)); err != nil {
		t.Fatalf("JDK: %v", err)
	}
	answer, err := j.out.ReadString('\n')
	if err != nil {
		t.Fatalf("JDK: %v", err)
	}
	if answer = strings.TrimSpace(answer); answer != "ok" {
		t.Errorf("%s: JDK: %s", name, answer)
	}
}

// ascii removes the zero bytes of UTF-16.
func ascii(b []byte) []byte { return bytes.ReplaceAll(b, []byte{0}, nil) }

func (j *judges) askXMLSec(t testing.TB, name string, signed []byte) {
	t.Helper()
	path := filepath.Join(j.folder, "signed.xml")
	if err := os.WriteFile(path, signed, 0o600); err != nil {
		t.Fatal(err)
	}
	const last = "(//*[local-name()='Signature' and namespace-uri()='" + dsNamespace + "'])[last()]"
	out, err := exec.Command("xmlsec1", "--verify", "--insecure",
		"--id-attr:Id", xadesNamespace+":SignedProperties", "--node-xpath", last, path).CombinedOutput()
	if err != nil {
		t.Errorf("%s: xmlsec1: %v\n%s", name, err, out)
	}
}
