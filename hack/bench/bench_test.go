package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMadeDocumentsAreGood checks that the generated documents differ and are valid PDFs.
func TestMadeDocumentsAreGood(t *testing.T) {
	dir := t.TempDir()
	docs, err := makeDocuments(dir, 2, 200_000, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := os.ReadFile(docs[0].path)
	b, _ := os.ReadFile(docs[1].path)
	if string(a) == string(b) {
		t.Error("both documents are the same")
	}
	for _, d := range docs {
		if d.size < 199_000 || d.size > 201_000 {
			t.Errorf("%s has %d bytes, want about 200,000", filepath.Base(d.path), d.size)
		}
		if _, err := exec.LookPath("qpdf"); err != nil {
			continue
		}
		if out, err := exec.Command("qpdf", "--check", d.path).CombinedOutput(); err != nil {
			t.Errorf("qpdf --check: %v\n%s", err, out)
		}
	}
}

func TestFloor(t *testing.T) {
	dir := t.TempDir()
	docs, err := makeDocuments(dir, 3, 10_000, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := measureFloor(dir, docs, 2)
	if err != nil || c.wall <= 0 {
		t.Errorf("measureFloor = %+v, %v", c, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "floor-*")); len(left) != 0 {
		t.Errorf("the floor left %v", left)
	}
}

func TestProcessCPU(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	if _, err := processCPU(os.Getpid()); err != nil {
		t.Error(err)
	}
}
