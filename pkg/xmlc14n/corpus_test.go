package xmlc14n

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/refusals.txt; needs the whole corpus")

// refusalsFile lists the documents of the corpus that are refused, with the reason.
const refusalsFile = "testdata/refusals.txt"

// TestCorpus compares the six canonical forms of real documents with those of libxml2 and the JDK,
// for the whole document and for elements in their place. A refused document must be in the list,
// which says whether the judges refuse it too.
func TestCorpus(t *testing.T) {
	asked := judges(t)
	expected := refusals(t)
	var refused []string
	for _, path := range corpusFiles(t) {
		name := filepath.Base(path)
		doc, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		elements, err := countElements(doc)
		if err != nil {
			var fault *Error
			if !errors.As(err, &fault) {
				t.Fatal(err)
			}
			line := string(fault.Reason) + "\t" + acceptors(t, asked, doc, fault.Reason)
			refused = append(refused, name+"\t"+line+"\n")
			if line != expected[name] && len(asked) == 2 && !*update {
				t.Errorf("%s is refused with %q, want %q", name, line, expected[name])
			}
			continue
		}
		if reason := expected[name]; reason != "" && !*update {
			t.Errorf("%s is accepted, want refusal with %q", name, reason)
		}
		for _, r := range corpusRequests(doc, elements) {
			compare(t, asked, name, r)
		}
	}
	if *update {
		slices.Sort(refused)
		if err := os.WriteFile(refusalsFile, []byte(strings.Join(refused, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// onlyHere says why a document is refused although a judge accepts it. The JDK refuses every
// document type declaration because Jdk.java asks it to.
var onlyHere = map[Reason]string{
	Doctype:          "entities and default attributes change what is signed, external ones read files",
	Version:          "XML 1.1 has other rules for line breaks and names, and its canonical form is not defined",
	UndeclaredPrefix: "Namespaces in XML forbids it, and names without a namespace name have no canonical order",
}

// acceptors returns the judges that accept a document that is refused here, with the reason why
// they are not followed, or "all" if every judge refuses it too.
func acceptors(t *testing.T, asked map[string]*judge, doc []byte, reason Reason) string {
	t.Helper()
	var who []string
	for name, j := range asked {
		for _, form := range forms {
			if _, ok := j.ask(t, request{form: form, doc: doc}); ok {
				who = append(who, name)
				break
			}
		}
	}
	if len(who) == 0 {
		return "all"
	}
	slices.Sort(who)
	if onlyHere[reason] == "" {
		t.Errorf("%s accept what is refused here with %q, without a justification", who, reason)
	}
	return "accepted by " + strings.Join(who, ", ") + ": " + onlyHere[reason]
}

// manyElements is the number of elements above which only the whole document is compared, because
// libxml2 takes time that grows with the square of the number of selected nodes.
const manyElements = 1000

// corpusRequests asks for all forms of the document and of a few of its elements.
func corpusRequests(doc []byte, elements int) []request {
	var list []request
	for _, form := range forms {
		list = append(list, request{form: form, doc: doc})
		if elements > manyElements {
			continue
		}
		list = append(list, request{form: form, doc: doc, unsigned: true})
		for place := 1; place <= elements; place += 1 + elements/5 {
			list = append(list, request{form: form, doc: doc, place: place})
		}
	}
	return list
}

// compare compares the canonical form with that of each judge.
func compare(t *testing.T, asked map[string]*judge, name string, r request) {
	t.Helper()
	got, err := canonical(r.doc, r.config())
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for who, j := range asked {
		want, ok := j.ask(t, r)
		if !ok || !bytes.Equal(got, want) {
			t.Errorf("%s, %s, place %d, unsigned %v: %s accepts: %v\n%s",
				name, r.form.URI(), r.place, r.unsigned, who, ok, difference(got, want))
		}
	}
}

// countElements reads the document to its end.
func countElements(doc []byte) (int, error) {
	elements := 0
	err := Canonicalize(NewTokenizer(bytes.NewReader(doc)), New(new(bytes.Buffer), Config{
		Omit: func(*Token) bool { elements++; return false },
	}))
	return elements, err
}

func refusals(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile(refusalsFile)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for line := range strings.Lines(string(b)) {
		name, reason, _ := strings.Cut(strings.TrimSpace(line), "\t")
		list[name] = reason
	}
	return list
}

// TestXmllint compares with the program xmllint itself, which always keeps comments.
func TestXmllint(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("xmllint is not installed")
		}
		t.Skip("xmllint is not installed")
	}
	options := map[Method]string{Inclusive10: "--c14n", Inclusive11: "--c14n11", Exclusive: "--exc-c14n"}
	for _, path := range corpusFiles(t) {
		doc, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for method, option := range options {
			got, err := canonical(doc, Config{Form: Form{Method: method, Comments: true}})
			if err != nil {
				continue // TestCorpus knows why
			}
			want, err := exec.Command(xmllint, "--huge", "--nonet", option, path).Output()
			if err != nil {
				t.Errorf("%s: xmllint %s: %v", path, option, err)
				continue
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s, %s: %s", path, option, difference(got, want))
			}
		}
	}
}

// difference shows where two canonical forms differ.
func difference(got, want []byte) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	near := func(b []byte) []byte { return b[max(0, i-60):min(len(b), i+60)] }
	return fmt.Sprintf("they differ at byte %d\ngot  ... %q\nwant ... %q", i, near(got), near(want))
}
