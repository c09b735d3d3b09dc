package xmlc14n

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// differentialDocuments is how many generated documents the test compares. A long run sets the
// environment variable SIGNSTASH_XML_DOCUMENTS, for example to 100000.
const differentialDocuments = 400

// everyJDK is how many documents there are for each one that the JDK sees, which takes ten times as
// long as libxml2.
const everyJDK = 10

// TestGenerated compares the canonical form of generated documents with those of libxml2 and the
// JDK, for whole documents, elements in their place and documents without their signatures.
func TestGenerated(t *testing.T) {
	documents := differentialDocuments
	if s := os.Getenv("SIGNSTASH_XML_DOCUMENTS"); s != "" {
		var err error
		if documents, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	failures := 0
	for name, j := range judges(t) {
		every := map[string]uint64{"libxml2": 1, "JDK": everyJDK}[name]
		for seed := uint64(0); seed < uint64(documents); seed += every {
			for _, r := range requests(seed) {
				if name == "JDK" && r.inherits {
					continue
				}
				want, ok := j.ask(t, r)
				got, err := canonical(r.doc, r.config())
				if ok && err == nil && bytes.Equal(got, want) {
					continue
				}
				t.Errorf("seed %d, %s, prefixes %q, place %d, unsigned %v: error %v, %s accepts: %v\n%s",
					seed, r.form.URI(), r.form.Prefixes, r.place, r.unsigned, err, name, ok, difference(got, want))
				if failures++; failures == 5 {
					t.FailNow()
				}
			}
		}
	}
}

// requests returns requests about the document of a seed: the whole of it, one element of it, and
// all of it without signatures.
func requests(seed uint64) []request {
	g := rand.New(rand.NewPCG(seed, 1))
	text, elements := generate(seed)
	doc := encoded(g, text)
	form := forms[g.IntN(len(forms))]
	if form.Method == Exclusive && g.IntN(2) == 0 {
		for _, p := range []string{"#default", "a", "ab", "ds", "unknown"} {
			if g.IntN(3) == 0 {
				form.Prefixes = append(form.Prefixes, p)
			}
		}
	}
	return []request{
		{form: form, doc: doc},
		{
			form: form, doc: doc, place: 1 + g.IntN(elements),
			inherits: form.Method != Exclusive && strings.Contains(text, "xml:"),
		},
		{form: form, doc: doc, unsigned: true},
	}
}

// encoded returns the text with an XML declaration in a random encoding that has all its
// characters.
func encoded(g *rand.Rand, text string) []byte {
	declared := func(name string) string { return `<?xml version="1.0" encoding="` + name + `"?>` + text }
	e := Encoding(g.IntN(int(encodings)))
	name := e.String()
	if g.IntN(2) == 0 {
		name = strings.ToLower(name)
	}
	switch {
	case g.IntN(3) == 0:
		return []byte(text)
	case e == UTF8 && g.IntN(2) == 0:
		return append([]byte("\xEF\xBB\xBF"), text...)
	case e == UTF8:
		return append([]byte("<?xml version='1.0'\tencoding='utf-8'\nstandalone='yes' ?>"), text...)
	case e == UTF16LE:
		return e.Append([]byte("\xFF\xFE"), declared("UTF-16"))
	case e == UTF16BE && g.IntN(2) == 0:
		return e.Append(nil, declared("UTF-16"))
	case e == UTF16BE:
		return e.Append([]byte("\xFE\xFF"), text)
	}
	b := e.Append(nil, declared(name))
	if bytes.Count(b, []byte("&#")) != strings.Count(text, "&#") {
		return []byte(text) // a character reference is not the same everywhere
	}
	return b
}
