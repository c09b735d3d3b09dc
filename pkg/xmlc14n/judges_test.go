package xmlc14n

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// forms are the six forms.
var forms = []Form{
	{Method: Inclusive10}, {Method: Inclusive10, Comments: true},
	{Method: Inclusive11}, {Method: Inclusive11, Comments: true},
	{Method: Exclusive}, {Method: Exclusive, Comments: true},
}

// request is a question to a judge.
type request struct {
	form     Form
	place    int  // number of the element in document order, 0 for the whole document
	unsigned bool // leave out signatures
	doc      []byte

	// inherits says that the element may inherit attributes of the xml namespace. The JDK takes those
	// of the outermost element around instead of the nearest one, and in Canonical XML 1.1 also others
	// than xml:lang, xml:space and xml:base. libxml2 follows the recommendations.
	inherits bool
}

// config returns what this package is to do for the request.
func (r request) config() Config {
	cfg := Config{Form: r.form}
	if r.place > 0 {
		cfg.Select = nth(r.place)
	}
	if r.unsigned {
		cfg.Omit = Named(signatureNamespace, "Signature")
	}
	return cfg
}

// nth selects the element with the number n in document order, counted from 1.
func nth(n int) Selector {
	seen := 0
	return func(*Token) bool {
		seen++
		return seen == n
	}
}

// judges starts the judges that are installed. In CI all must be.
func judges(t testing.TB) map[string]*judge {
	t.Helper()
	found := map[string]*judge{}
	if exec.Command(python, "-c", `import ctypes; ctypes.CDLL("libxml2.so.2")`).Run() == nil {
		found["libxml2"] = startJudge(t, python, "testdata/libxml2.py")
	}
	if java, err := exec.LookPath("java"); err == nil {
		found["JDK"] = startJudge(t, java, slices.Concat(jdkInternals, []string{"testdata/Jdk.java"})...)
	}
	if len(found) < 2 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("python3 with libxml2, or a JDK, is not installed; found only %v", slices.Collect(maps.Keys(found)))
		}
		t.Logf("not every judge is installed; found %v", slices.Collect(maps.Keys(found)))
	}
	return found
}

// python is the interpreter of the system, which finds the system's libxml2.
const python = "/usr/bin/python3"

// jdkInternals opens the packages of the JDK that Jdk.java calls.
var jdkInternals = []string{
	"--add-exports=java.xml.crypto/com.sun.org.apache.xml.internal.security=ALL-UNNAMED",
	"--add-exports=java.xml.crypto/com.sun.org.apache.xml.internal.security.c14n=ALL-UNNAMED",
}

// judge is a program that canonicalizes with a library that this project did not write.
type judge struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func startJudge(t testing.TB, name string, args ...string) *judge {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("judge: %v: %s", err, stderr.String())
		}
	})
	return &judge{in: in, out: bufio.NewReader(out)}
}

// ask returns the canonical form, and false if the judge refuses the document.
func (j *judge) ask(t testing.TB, r request) ([]byte, bool) {
	t.Helper()
	method := map[Method]int{Inclusive10: 0, Exclusive: 1, Inclusive11: 2}[r.form.Method]
	number := map[bool]int{true: 1}
	prefixes := strings.Join(r.form.Prefixes, " ")
	head := fmt.Sprintf("%d %d %d %d %d %d\n",
		method, number[r.form.Comments], r.place, number[r.unsigned], len(prefixes), len(r.doc))
	// The judge reads the whole request before it answers.
	if _, err := j.in.Write(slices.Concat([]byte(head+prefixes), r.doc)); err != nil {
		t.Fatalf("judge: %v", err)
	}
	var n int
	if _, err := fmt.Fscanf(j.out, "%d\n", &n); err != nil {
		t.Fatalf("judge: %v", err)
	}
	if n < 0 {
		return nil, false
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(j.out, b); err != nil {
		t.Fatalf("judge: %v", err)
	}
	return b, true
}

// canonical returns the canonical form of a document.
func canonical(doc []byte, cfg Config) ([]byte, error) {
	var out bytes.Buffer
	err := Canonicalize(NewTokenizer(bytes.NewReader(doc)), New(&out, cfg))
	return out.Bytes(), err
}

// corpusFiles returns the XML files of testdata and of the folder that SIGNSTASH_CORPUS names.
func corpusFiles(t testing.TB) []string {
	t.Helper()
	dirs := []string{"testdata/edges"}
	if more := os.Getenv("SIGNSTASH_CORPUS"); more != "" {
		dirs = append(dirs, filepath.Join(more, "xml"), filepath.Join(more, "xml-edges"))
	}
	var files []string
	seen := map[string]bool{}
	for _, dir := range dirs {
		found, err := filepath.Glob(filepath.Join(dir, "*.[xX][mM][lL]"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			if !seen[filepath.Base(path)] {
				seen[filepath.Base(path)] = true
				files = append(files, path)
			}
		}
	}
	if len(files) == 0 {
		t.Fatal("there are no documents")
	}
	return files
}
