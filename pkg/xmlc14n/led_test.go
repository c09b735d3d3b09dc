package xmlc14n

import (
	"strings"
	"testing"
)

// TestLedTags checks tags that stand behind other blanks than the last tag in the same place, or
// are other tags behind the same blanks. A tokenizer that reports leaves must report the same
// document.
func TestLedTags(t *testing.T) {
	leads := []string{
		"", " ", "\n  ", "\n   ", "\n\t", "\r\n  ", "\n  x", "&#10;", "<!-- -->\n  ", strings.Repeat(" ", maxLedTagBytes),
	}
	elements := []string{
		"<a>1</a>", "<a>12345678</a>", "<a></a>", "<a/>", "<a> </a>", "<a>\n</a>", "<a>é&amp;&#38;</a>", "<ab>1</ab>",
		`<a k="1">1</a>`, `<a k="2">1</a>`, `<a k='1'>1</a>`, `<a  k="1">1</a>`, `<a k="1" q:l="2"></a>`, "<q:a>1</q:a>",
		"<q:a xmlns:q='urn:b'>1</q:a>", "<a>\n  <b>1</b>\n  </a>", "<a>\n  <b>1</b></a>", "<a>\n  <b><c/></b>\n  </a >",
		`<a k="1"><b>1</b>\n  </a>`,
	}
	var docs []string
	for i := range elements {
		for j := range elements {
			var b strings.Builder
			for k := range 3 * len(leads) { // each lead after each other, with both elements
				b.WriteString(leads[k%len(leads)] + elements[i] + leads[k*k/3%len(leads)] + elements[j])
				b.WriteString(leads[k/3] + elements[i] + leads[k/3] + elements[i])
			}
			docs = append(docs, "<r xmlns:q='urn:q'>"+b.String()+"</r>")
		}
	}
	for _, doc := range docs {
		if got, want := flat(t, doc, true), flat(t, doc, false); got != want {
			t.Fatalf("%.300s\nwith leaves: %s", doc, difference([]byte(got), []byte(want)))
		}
	}
	for i, doc := range docs[:len(elements)] {
		cfg := Config{Form: forms[i%len(forms)]}
		got, err := canonical([]byte(doc), cfg)
		if err != nil {
			t.Fatal(err)
		}
		want, err := withoutLeaves(doc, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s\n%.300s\n%s", cfg.Form.URI(), doc, difference(got, want))
		}
	}
}

// TestLedTagsRefuse checks that an element is refused that stands behind the same blanks as one
// that is accepted.
func TestLedTagsRefuse(t *testing.T) {
	accepted := strings.Repeat("\n <p:a>1</p:a>", 4)
	for rest, want := range map[string]Reason{
		"</q>\n <q>\n <p:a>1</p:a>": UndeclaredPrefix,
		"\n <p:a>\x01</p:a>":        IllegalCharacter,
		"\n <p:a>]]></p:a>":         SectionEnd,
		"\n <p:a>1</p:b>":           Nesting,
		"\n <p:a>&x;</p:a>":         Entity,
		"\n <p:a>1":                 Nesting,
	} {
		tokens := NewTokenizer(strings.NewReader("<r><q xmlns:p='urn:p'>" + accepted + rest + "</q></r>"))
		tokens.Leaves = true
		var err error
		for err == nil {
			_, err = tokens.Next()
		}
		if fault, ok := err.(*Error); !ok || fault.Reason != want {
			t.Errorf("%q: %v, want %q", rest, err, want)
		}
	}
}
