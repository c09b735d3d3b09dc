package hotfolder

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestIsReason recognizes the texts of the engine, and no text that somebody else writes.
func TestIsReason(t *testing.T) {
	for _, kind := range append(reasonKinds, signing.KindInternal) {
		text := reason(&signing.Failure{Kind: kind, Detail: "why:\n  it is so"})
		if kind == signing.KindInternal {
			text = reason(&signing.Failure{})
		}
		if !IsReason(text) {
			t.Errorf("IsReason(%q) = false", text)
		}
	}
	for _, text := range []string{"total: 5\n", "note: paid\n", "invalid\n", "invalid: \nmore\n", "invalid: no end", ""} {
		if IsReason([]byte(text)) {
			t.Errorf("IsReason(%q) = true", text)
		}
	}
}

// TestReasonKinds compares the list of kinds with the constants of signing.
func TestReasonKinds(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../signing/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok && len(spec.Names) == 1 && strings.HasPrefix(spec.Names[0].Name, "Kind") {
			n++
		}
		return true
	})
	if n != len(reasonKinds)+1 { // KindInternal has a text of its own
		t.Errorf("signing has %d kinds, and %d are known here", n, len(reasonKinds)+1)
	}
}
