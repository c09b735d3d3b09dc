package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestSignAlone signs a document of each kind and of each structure of XML, so that what the cases
// measure is known to be accepted.
func TestSignAlone(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("no /proc here")
	}
	dir := t.TempDir()
	for _, k := range []*kind{&pdf, &xml, &other} {
		path := filepath.Join(dir, "kind"+k.extension)
		if err := k.write(path, 20_000, 1); err != nil {
			t.Fatal(err)
		}
		checkAlone(t, path, k == &xml)
	}
	for i := range xmlShapes {
		path := filepath.Join(dir, "shape.xml")
		if err := writeXML(path, &xmlShapes[i], 20_000, 1); err != nil {
			t.Fatal(err)
		}
		checkAlone(t, path, true)
	}
}

func checkAlone(t *testing.T, path string, compared bool) {
	t.Helper()
	var out bytes.Buffer
	if err := signAlone(t.Context(), path, &out); err != nil {
		t.Fatalf("%s: %v", filepath.Base(path), err)
	}
	var took alone
	if err := json.Unmarshal(out.Bytes(), &took); err != nil {
		t.Fatal(err)
	}
	if took.Peak == 0 || took.Sign == 0 || (took.Hash != 0) != compared {
		t.Errorf("%s: %+v", filepath.Base(path), took)
	}
}
