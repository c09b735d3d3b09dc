package xmlc14n

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"
)

// maxSeedBytes bounds the seeds. A fuzzer gets nowhere with long ones, and the tokens of a text
// that does not fit into the window depend on how the bytes arrive.
const maxSeedBytes = 10_000

// addSeeds adds the documents of testdata and some generated ones.
func addSeeds(f *testing.F) {
	for _, path := range corpusFiles(f) {
		doc, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(doc) < maxSeedBytes {
			f.Add(doc)
		}
	}
	for _, c := range refusedDocuments {
		f.Add([]byte(c.doc))
	}
	for seed := range uint64(30) {
		if text, _ := generate(seed); len(text) < maxSeedBytes {
			f.Add([]byte(text))
		}
	}
}

// FuzzTokenizer holds that tokens are in order and properly nested, and that it does not matter how
// the bytes arrive.
func FuzzTokenizer(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		whole, slow := NewTokenizer(bytes.NewReader(doc)), NewTokenizer(iotest.OneByteReader(bytes.NewReader(doc)))
		var at int64
		depth := 0
		for {
			a, err := whole.Next()
			b, slowErr := slow.Next()
			if err != nil || slowErr != nil {
				checkEnd(t, err, slowErr, depth)
				return
			}
			if a.Kind != b.Kind || a.Start() != b.Start() || a.End() != b.End() || !bytes.Equal(a.Data(), b.Data()) ||
				!bytes.Equal(a.Name(), b.Name()) {
				t.Fatalf("read at once: %+v, byte by byte: %+v", a, b)
			}
			if a.Start() < at || a.End() < a.Start() || a.End() > int64(len(doc)) {
				t.Fatalf("token [%d,%d) after byte %d of %d", a.Start(), a.End(), at, len(doc))
			}
			at = a.End()
			switch a.Kind {
			case StartElement:
				depth++
			case EndElement:
				depth--
			}
		}
	})
}

// checkEnd checks the errors that end the tokens.
func checkEnd(t *testing.T, err, slowErr error, depth int) {
	t.Helper()
	var fault, slowFault *Error
	switch {
	case err == io.EOF && slowErr == io.EOF && depth == 0:
	case errors.As(err, &fault) && errors.As(slowErr, &slowFault) && *fault == *slowFault:
	default:
		t.Fatalf("read at once: %v, byte by byte: %v, at depth %d", err, slowErr, depth)
	}
}

// FuzzCanonical holds that canonical form is canonical: it is accepted, and its own canonical form
// is itself. Where libxml2 is installed, it must find the same form.
func FuzzCanonical(f *testing.F) {
	addSeeds(f)
	asked := judges(f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, form := range forms {
			got, err := canonical(doc, Config{Form: form})
			if err != nil {
				return
			}
			again, err := canonical(got, Config{Form: form})
			if err != nil || !bytes.Equal(got, again) {
				t.Fatalf("%s: canonical form of canonical form: %v, %s", form.URI(), err, difference(again, got))
			}
			j := asked["libxml2"]
			if j == nil {
				continue
			}
			if want, ok := j.ask(t, request{form: form, doc: doc}); ok && !bytes.Equal(got, want) {
				t.Fatalf("%s: libxml2: %s", form.URI(), difference(got, want))
			}
		}
	})
}
