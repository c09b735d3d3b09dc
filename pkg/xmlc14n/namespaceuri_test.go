package xmlc14n

import (
	"html"
	"os/exec"
	"strings"
	"testing"
)

// TestNamespaceNames asks xmllint, if it is installed, about the same names.
func TestNamespaceNames(t *testing.T) {
	names := map[string]bool{
		"urn:oasis:names:specification:ubl:schema:xsd:Invoice-2": true,
		"http://www.w3.org/2000/09/xmldsig#":                     true,
		"clr-namespace:Invoices;assembly=Invoices":               true,
		"http://user:secret@example.org:8080/a?b={c}":            false,
		"http://user:secret@example.org:8080/a?b=c#d":            true,
		"http://example.org/it's(1)!$&*+,;=~":                    true,
		"http://example.org/a%20b":                               true,
		"http://a_b/":                                            true,
		"http://":                                                true,
		"x:":                                                     true,
		"http://www.w3.org/2000/svg ":                            false,
		"urn:a b":                                                false,
		"http://example.org/é":                                   false,
		"http://example.org/a|b":                                 false,
		"http://example.org/%zz":                                 false,
		"http://example.org/%4":                                  false,
		"http://example.org/#a#b":                                false,
		"http://example.org:port/":                               false,
		"http://example.org:/":                                   false,
		"http://a@b@example.org/":                                false,
		`C:\invoices`:                                            false,
	}
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Log("xmllint is not installed")
	}
	for name, want := range names {
		if got := hasScheme([]byte(name)) && isURI([]byte(name)); got != want {
			t.Errorf("%q is a URI: %t, want %t", name, got, want)
		}
		if xmllint == "" {
			continue
		}
		cmd := exec.Command(xmllint, "--exc-c14n", "-")
		cmd.Stdin = strings.NewReader(`<a xmlns="` + html.EscapeString(name) + `"/>`)
		if got := cmd.Run() == nil; got != want {
			t.Errorf("xmllint canonicalizes a document with %q: %t, want %t", name, got, want)
		}
	}
}
