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
		// The JDK takes ten times as long, so it sees every tenth document.
		every := map[string]uint64{"libxml2": 1, "JDK": 10}[name]
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

// encoded returns the text with an XML declaration in a random encoding.
func encoded(g *rand.Rand, text string) []byte {
	switch g.IntN(8) {
	case 0:
		return UTF16LE.Append([]byte("\xFF\xFE"), `<?xml version="1.0" encoding="UTF-16"?>`+text)
	case 1:
		return UTF16BE.Append([]byte("\xFE\xFF"), text)
	case 2:
		return append([]byte("\xEF\xBB\xBF"), text...)
	case 3:
		return append([]byte("<?xml version='1.0' encoding='utf-8' standalone='yes' ?>"), text...)
	}
	return []byte(text)
}
