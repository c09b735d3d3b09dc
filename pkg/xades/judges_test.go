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
	"sync"
	"testing"
)

// judges are programs that judge signatures and that this project did not write.
type judges struct {
	folder string
	xmlsec bool
	jdk    *jdk // nil if there is none
}

// jdk is a running JDK, which all tests share because it takes seconds to start.
type jdk struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer

	mu  sync.Mutex
	in  io.WriteCloser
	out *bufio.Reader
}

// sharedJDK is the JDK once a test has asked for it. It is nil if none is installed.
var sharedJDK = sync.OnceValue(func() *jdk {
	if _, err := exec.LookPath("java"); err != nil {
		return nil
	}
	k := &jdk{cmd: exec.Command("java", "testdata/Jdk.java")}
	k.cmd.Stderr = &k.stderr
	k.in = must(k.cmd.StdinPipe())
	k.out = bufio.NewReader(must(k.cmd.StdoutPipe()))
	if err := k.cmd.Start(); err != nil {
		panic(err)
	}
	stopJDK = func() error {
		k.in.Close()
		if err := k.cmd.Wait(); err != nil {
			return fmt.Errorf("JDK: %w: %s", err, k.stderr.String())
		}
		return nil
	}
	return k
})

// stopJDK ends the JDK.
var stopJDK = func() error { return nil }

func TestMain(m *testing.M) {
	code := m.Run()
	if err := stopJDK(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// startJudges starts the judges that are installed. In CI all must be.
func startJudges(t testing.TB) *judges {
	t.Helper()
	_, err := exec.LookPath("xmlsec1")
	j := &judges{folder: t.TempDir(), xmlsec: err == nil, jdk: sharedJDK()}
	if !j.xmlsec || j.jdk == nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a judge is not installed: xmlsec1 %v, JDK %v", j.xmlsec, j.jdk != nil)
		}
		t.Logf("not every judge is installed: xmlsec1 %v, JDK %v", j.xmlsec, j.jdk != nil)
	}
	return j
}

// ask returns the answer of the JDK about a document.
func (k *jdk) ask(t testing.TB, signed []byte) string {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.in.Write(slices.Concat(fmt.Appendf(nil, "%d\n", len(signed)), signed)); err != nil {
		t.Fatalf("JDK: %v", err)
	}
	answer, err := k.out.ReadString('\n')
	if err != nil {
		t.Fatalf("JDK: %v", err)
	}
	return strings.TrimSpace(answer)
}

// check lets the judges judge the last signature of a document.
func (j *judges) check(t testing.TB, name string, signed []byte) {
	t.Helper()
	// xmlsec1 before 1.3 does not know PSS.
	if j.xmlsec && !bytes.Contains(ascii(signed), []byte("MGF1")) {
		j.askXMLSec(t, name, signed)
	}
	if j.jdk == nil {
		return
	}
	if answer := j.jdk.ask(t, signed); answer != "ok" {
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
		"--id-attr:Id", xadesNamespace+":SignedProperties", "--id-attr:Id", dsNamespace+":KeyInfo",
		"--node-xpath", last, path).CombinedOutput()
	if err != nil {
		t.Errorf("%s: xmlsec1: %v\n%s", name, err, out)
	}
}
