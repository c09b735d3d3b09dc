package layers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestModule checks the whole module, including the cluster tests, against the table.
func TestModule(t *testing.T) {
	for _, fault := range check(load(t)) {
		t.Error(fault)
	}
}

// load asks the go command for the packages of this module and everything that they depend on.
func load(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-deps", "-tags", "e2e", "-json=ImportPath,Standard,Imports", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	graph := map[string]pkg{}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p struct {
			ImportPath string
			pkg
		}
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("go list printed: %v", err)
		}
		graph[p.ImportPath] = p.pkg
	}
	if _, ok := graph[module+"pkg/signing"]; !ok {
		t.Fatal("go list did not list pkg/signing: nothing was checked")
	}
	return graph
}

// TestCheckFinds checks that each kind of fault is reported, and that allowed imports are not.
func TestCheckFinds(t *testing.T) {
	const logr, router = "github.com/go-logr/logr", "github.com/julienschmidt/httprouter"
	tests := []struct {
		name    string
		path    string // of the importing package, in this module
		imports []string
		want    string // part of the only fault; empty = no fault
	}{
		{"domain imports a leaf", "pkg/signing", []string{module + "pkg/pdf"}, "pkg/signing imports pkg/pdf"},
		{"domain imports an internal package", "pkg/signing", []string{module + "pkg/internal/durable"},
			"pkg/signing imports pkg/internal/durable"},
		{"domain imports a third party", "pkg/signing", []string{"golang.org/x/sync/errgroup"},
			"pkg/signing imports golang.org/x/sync"},
		{"domain imports logr and the standard library", "pkg/signing", []string{logr, "context"}, ""},
		{"plug imports a plug", "pkg/pades", []string{module + "pkg/store"}, "pkg/pades imports pkg/store"},
		{"provider imports a provider", "pkg/provider/csc", []string{module + "pkg/provider/software"},
			"pkg/provider/csc imports pkg/provider/software"},
		{"plug imports domain and leaves", "pkg/pades",
			[]string{module + "pkg/signing", module + "pkg/pdf", module + "pkg/cms"}, ""},
		{"leaf imports a plug", "pkg/pdf", []string{module + "pkg/pades"}, "pkg/pdf imports pkg/pades"},
		{"door imports a plug", "pkg/api", []string{module + "pkg/store"}, "pkg/api imports pkg/store"},
		{"router outside the API", "pkg/hotfolder", []string{router}, "belongs to pkg/api"},
		{"router in the API", "pkg/api", []string{router}, ""},
		{"Kubernetes outside the controller", "pkg/affinity", []string{"k8s.io/client-go/rest"}, "belongs to pkg/controller"},
		{"client imports a third party", "pkg/client", []string{logr}, "may import nothing"},
		{"test package in a program", "cmd/proxy", []string{module + "pkg/store/storetest"}, "must not be in it"},
		{"package without a row", "pkg/util", nil, "no row of the table"},
		{"look-alike name", "pkg/signinghelp", nil, "no row of the table"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			graph := map[string]pkg{"context": {Standard: true}, module + tt.path: {Imports: tt.imports}}
			faults := check(graph)
			switch {
			case tt.want == "" && len(faults) != 0:
				t.Errorf("check found %q, want nothing", faults)
			case tt.want != "" && (len(faults) != 1 || !strings.Contains(faults[0], tt.want)):
				t.Errorf("check found %q, want one fault with %q", faults, tt.want)
			}
		})
	}
}

// TestCheckFindsLinked checks that a package that a program must not link is found behind several
// imports.
func TestCheckFindsLinked(t *testing.T) {
	graph := map[string]pkg{
		module + "cmd/proxy":     {Imports: []string{module + "pkg/config"}},
		module + "pkg/config":    {Imports: []string{"example.org/clever"}},
		"example.org/clever":     {Imports: []string{"k8s.io/client-go/rest"}},
		"k8s.io/client-go/rest":  {},
		module + "cmd/signctl":   {Imports: []string{module + "pkg/client"}},
		module + "pkg/client":    {},
		module + "pkg/signing":   {},
		module + "cmd/proxy/own": {},
	}
	want := []string{"cmd/proxy links k8s.io/client-go/rest, which must not be in it"}
	if got := check(graph); !slices.Equal(got, want) {
		t.Errorf("check found %q, want %q", got, want)
	}
}
