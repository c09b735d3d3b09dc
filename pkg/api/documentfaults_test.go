package api_test

import (
	"context"
	"encoding/base64"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/signstash-proxy/signstash-proxy/pkg/cades"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// formatSources are the folders with the code that runs when a document is prepared or embedded.
var formatSources = []string{
	"pades", "pdf", "xades", "cades", "cms", "internal/evidence", "internal/certchain", "timestamp", "revocation",
}

// TestKindsOfFormats checks that each kind of error in the code of the formats leads to an answer
// that says what is wrong: a code 2.2.x or a signError other than SIGN_OPERATION_INTERNAL_ERROR,
// and the text of the error.
func TestKindsOfFormats(t *testing.T) {
	values := kindValues(t)
	used := map[string]bool{}
	for _, folder := range formatSources {
		kindsIn(t, filepath.Join("..", folder), used)
	}
	delete(used, "KindInternal") // its text is not for clients
	delete(used, "KindStorage")  // the service tries again until the disk works
	if len(used) < 12 {
		t.Errorf("the formats use only %v: their code was not understood", slices.Sorted(maps.Keys(used)))
	}
	h := start(t, nil)
	for _, name := range slices.Sorted(maps.Keys(used)) {
		cause := "why " + name
		resp := h.do(request{path: "document/sign/base64", text: signRequest(name, "%PDF", "fail:"+values[name]+":"+cause)})
		resp.is(http.StatusOK, map[string]string{
			"documentList.0.signStatus": "SIGNED", "documentList.1.signStatus": "ERROR_SIGNING",
			"documentList.1.signErrorCause": cause,
		})
		code, word := resp.at("documentList.1.signErrorCode"), resp.at("documentList.1.signError")
		if !strings.HasPrefix(code, "2.2.") && word == "SIGN_OPERATION_INTERNAL_ERROR" {
			t.Errorf("%s leads to the code %q and the signError %s", name, code, word)
		}
	}
}

// parsed returns the syntax trees of the Go files below a folder, without tests.
func parsed(t *testing.T, folder string) (files []*ast.File) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), path, nil, parser.SkipObjectResolution)
		files = append(files, file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// kindsIn adds the names of the error kinds in the code below a folder.
func kindsIn(t *testing.T, folder string, names map[string]bool) {
	t.Helper()
	for _, file := range parsed(t, folder) {
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			from, ok := s.X.(*ast.Ident)
			if ok && from.Name == "signing" && strings.HasPrefix(s.Sel.Name, "Kind") && len(s.Sel.Name) > len("KindOf") {
				names[s.Sel.Name] = true
			}
			return true
		})
	}
}

// kindValues returns the values of the error kinds by their names.
func kindValues(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, file := range parsed(t, filepath.Join("..", "signing")) {
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.ValueSpec)
			if !ok || len(s.Values) != 1 || !strings.HasPrefix(s.Names[0].Name, "Kind") {
				return true
			}
			if text, ok := s.Values[0].(*ast.BasicLit); ok {
				values[s.Names[0].Name], _ = strconv.Unquote(text.Value)
			}
			return true
		})
	}
	return values
}

// TestCosignFaults checks how the API refuses two files that cannot be co-signed: one that has the
// same signature already, and one in base64 with a large content.
func TestCosignFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock stands still, so all signatures are of the same second
		h := newHarness(t, func(h *harness) {
			h.useFormats(map[signing.SignatureType]signing.Format{signing.CAdES: &cades.Format{}})
		})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- h.service.Start(ctx) }()
		<-h.opened
		const cosign = `"signatureType":"CAdES","existing":"COSIGN"`
		sign := func(reference, content, members string) response {
			return h.do0(request{path: "document/sign/base64", text: requestOf(reference,
				ofType("a", "application/octet-stream", content, members))})
		}
		signed := func(r response) string {
			r.is(http.StatusOK, map[string]string{"documentList.0.signStatus": "SIGNED"})
			return r.at("documentList.0.signedContent")
		}
		first := unbase64(t, signed(sign("first", "text", `"signatureType":"CAdES"`)))
		second := unbase64(t, signed(sign("second", first, cosign)))
		sign("third", second, cosign).fails(http.StatusBadRequest, "2.2.6", "contains this signature already")

		large := signed(sign("large", strings.Repeat("text", 4<<20+1), `"signatureType":"CAdES"`))
		sign("large again", large, cosign).fails(http.StatusBadRequest, "2.2.7", "has a content of 16777220 bytes")
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func unbase64(t *testing.T, text string) string {
	t.Helper()
	binary, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(binary)
}
