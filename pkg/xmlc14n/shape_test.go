package xmlc14n

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestShapes checks tags that differ from an earlier tag of the same place in the names, the order
// or the form of their attributes.
func TestShapes(t *testing.T) {
	const want = ` a="1" b="2" c="3"`
	tags := []struct{ tag, want string }{
		{` c="3" a="1" b="2"`, want},
		{` c="3" a="1" b="2"/`, want},
		{` c="3" a="1" b="2"  /`, want},
		{` c="3" a="1" b="2" d="4"`, want + ` d="4"`},
		{` c="3" a="1" b="2" ab="4"`, ` a="1" ab="4" b="2" c="3"`},
		{` c="3" a="1"`, ` a="1" c="3"`},
		{` c="3"`, ` c="3"`},
		{` c="3" b="2" a="1"`, want},
		{` a="1" b="2" c="3"`, want},
		{` c='3' a="1" b="2"`, want},
		{` c="3" a = "1" b="2"`, want},
		{` c="3"  a="1" b="2"`, want},
		{` c="3" a="&lt;>" b="ä"`, ` a="&lt;>" b="ä" c="3"`},
		{` c="3" a="" b='"'`, ` a="" b="&quot;" c="3"`},
		{` c="3" a="1" b="2" xmlns:p="u:"`, want},
		{` c="3" a="1" b="2" xml:lang="pt"`, want + ` xml:lang="pt"`},
		{` c="3" a="1" b="2" q:a="4"`, want + ` q:a="4"`},
	}
	var doc, canonical strings.Builder
	doc.WriteString(`<r xmlns:q="urn:q">`)
	canonical.WriteString(`<r>`)
	for i := range tags {
		for j := range tags { // each tag after each other
			for _, x := range []int{i, j} {
				end := "</e>"
				if strings.HasSuffix(tags[x].tag, "/") {
					end = ""
				}
				fmt.Fprintf(&doc, "<e%s>%s", tags[x].tag, end)
				names := ""
				if strings.Contains(tags[x].want, "q:") {
					names = ` xmlns:q="urn:q"`
				}
				fmt.Fprintf(&canonical, "<e%s%s></e>", names, tags[x].want)
			}
		}
	}
	doc.WriteString(`</r>`)
	canonical.WriteString(`</r>`)
	var got bytes.Buffer
	c := New(&got, Config{Form: Form{Method: Exclusive}})
	if err := Canonicalize(NewTokenizer(strings.NewReader(doc.String())), c); err != nil {
		t.Fatal(err)
	}
	if got.String() != canonical.String() {
		t.Errorf("canonical form\n%s\nwant\n%s", &got, &canonical)
	}
}

// TestShapesRefuse checks that a tag with the shape of an earlier tag is refused for what follows
// the attributes.
func TestShapesRefuse(t *testing.T) {
	for tag, want := range map[string]Reason{
		`<e b="1" a="2" b="3"/>`:  DuplicateAttribute,
		`<e b="1" a="2"c="3"/>`:   Syntax,
		`<e b="1" a="<"/>`:        Syntax,
		`<e b="1" a="&x;"/>`:      Entity,
		"<e b=\"1\" a=\"\x01\"/>": IllegalCharacter,
		`<e b="1" a="2" c:d=""/>`: UndeclaredPrefix,
	} {
		if got := reasonOf(t, strings.NewReader(`<r><e b="1" a="2"/>`+tag+`</r>`)); got != want {
			t.Errorf("%s: %q, want %q", tag, got, want)
		}
	}
}
