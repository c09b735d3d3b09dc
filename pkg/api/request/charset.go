package request

import (
	"cmp"
	"io"
	"mime"
	"strings"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// charsetNames maps names that are not registered with IANA to registered ones: old names of Java,
// and common misspellings.
var charsetNames = map[string]string{
	"utf8": "UTF-8", "ascii": "US-ASCII", "iso8859_1": "ISO-8859-1", "iso8859-1": "ISO-8859-1", "latin-1": "ISO-8859-1",
	"cp1252": "windows-1252", "iso8859_15": "ISO-8859-15", "iso8859-15": "ISO-8859-15",
}

// asUTF8 decodes JSON from the charset that its Content-Type names, a few kilobytes at a time. A
// byte order mark takes precedence over that name. RFC 8259 8.1 allows UTF-8 only and gives the
// parameter no meaning, but older Java clients declare the charset that they write. The error is
// KindMediaType.
func asUTF8(r io.Reader, contentType string) (io.Reader, error) {
	_, params, _ := mime.ParseMediaType(contentType) // a Content-Type that cannot be parsed declares nothing
	name := cmp.Or(strings.TrimSpace(params["charset"]), "UTF-8")
	charset, err := ianaindex.MIME.Encoding(cmp.Or(charsetNames[strings.ToLower(name)], name))
	if err != nil || charset == nil { // nil: registered, but not supported by package text
		return nil, signing.Errorf(KindMediaType, "Content-Type: charset %.40q is not known: send UTF-8", name)
	}
	switch known, _ := ianaindex.MIME.Name(charset); known {
	case "UTF-8", "US-ASCII": // a client that declares ASCII and writes other bytes means UTF-8
		return r, nil
	case "ISO-8859-1": // read as windows-1252, as the WHATWG Encoding Standard does
		charset = charmap.Windows1252
	}
	return transform.NewReader(r, unicode.BOMOverride(charset.NewDecoder())), nil
}
