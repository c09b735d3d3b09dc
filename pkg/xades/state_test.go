package xades

import (
	"bytes"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// embedChanged prepares a document, changes the stored state and embeds the signature.
func embedChanged(t *testing.T, change func(*state)) ([]byte, error) {
	t.Helper()
	k := testKeys()["P-256"]
	in := inputOf([]byte(awkward), nil)
	p, err := (&Format{}).Prepare(t.Context(), in, k.credential)
	if err != nil {
		t.Fatal(err)
	}
	value, err := k.sign(p.Digest)
	if err != nil {
		t.Fatal(err)
	}
	s, err := readState(p.State)
	if err != nil {
		t.Fatal(err)
	}
	change(s)
	p.State = must(s.encode())
	section, _, err := (&Format{}).Embed(t.Context(), in, p, value)
	return section, err
}

// TestStateThatIsWrong: Embed refuses a state that does not give a valid signature.
func TestStateThatIsWrong(t *testing.T) {
	other := testKeys()["P-384"].credential.Certificate()
	replaced := func(b []byte, old, with string) []byte { return bytes.Replace(b, []byte(old), []byte(with), 1) }
	for name, change := range map[string]func(*state){
		"version":        func(s *state) { s.Version++ },
		"place":          func(s *state) { s.Place.At = 30 },
		"place behind":   func(s *state) { s.Place.At = s.OriginalSize },
		"negative place": func(s *state) { s.Place.At = -1 },
		"empty":          func(s *state) { s.Place.Empty = "a" },
		"encoding":       func(s *state) { s.Encoding = xmlc14n.UTF16LE },
		"bad encoding":   func(s *state) { s.Encoding = 200 },
		"hash":           func(s *state) { s.Hash = 1 },
		"size":           func(s *state) { s.OriginalSize++ },
		"certificate":    func(s *state) { s.Certificate = other.Raw },
		"no certificate": func(s *state) { s.Certificate = nil },
		"SignedInfo":     func(s *state) { s.Head = replaced(s.Head, "<ds:DigestValue>", "<ds:DigestValue> ") },
		"properties":     func(s *state) { s.Tail = replaced(s.Tail, "text/xml", "text/xm1") },
		"target":         func(s *state) { s.Tail = replaced(s.Tail, `Target="#`, `Target="#x`) },
		"KeyInfo":        func(s *state) { s.Tail = replaced(s.Tail, "X509Certificate>", "X509Certificate>AAAA") },
		"nothing behind": func(s *state) { s.Tail = nil },
	} {
		if section, err := embedChanged(t, change); err == nil || section != nil {
			t.Errorf("%s: Embed = %d bytes, %v, want an error alone", name, len(section), err)
		}
	}
}

// TestExpectedIsOnlyAHint: what the state expects of the signature saves a pass over the document
// and decides nothing.
func TestExpectedIsOnlyAHint(t *testing.T) {
	for name, change := range map[string]func(*state){
		"nothing":    func(*state) {},
		"transform":  func(s *state) { s.Expected.Transform = filter2 },
		"document":   func(s *state) { s.Expected.Data = "" },
		"SignedInfo": func(s *state) { s.Expected.Info = (xmlc14n.Form{Method: xmlc14n.Inclusive11}).URI() },
		"properties": func(s *state) { s.Expected.PropertiesID = "" },
	} {
		if _, err := embedChanged(t, change); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
