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

// charsetNames are names that IANA does not have: Java's of old, and what people write.
var charsetNames = map[string]string{
	"utf8": "UTF-8", "ascii": "US-ASCII", "iso8859_1": "ISO-8859-1", "iso8859-1": "ISO-8859-1", "latin-1": "ISO-8859-1",
	"cp1252": "windows-1252", "iso8859_15": "ISO-8859-15", "iso8859-15": "ISO-8859-15",
}

// asUTF8 decodes JSON from the charset that its Content-Type names, a few kilobytes at a time; a
// byte order mark says more than that name. RFC 8259 8.1 knows UTF-8 alone and gives the parameter
// no meaning, but Java's older clients declare what they write.
func asUTF8(r io.Reader, contentType string) (io.Reader, error) {
	_, params, _ := mime.ParseMediaType(contentType) // what cannot be read declares nothing
	name := cmp.Or(strings.TrimSpace(params["charset"]), "UTF-8")
	charset, err := ianaindex.MIME.Encoding(cmp.Or(charsetNames[strings.ToLower(name)], name))
	if err != nil || charset == nil { // nil: a charset that is registered, and that package text does not have
		return nil, signing.Errorf(KindMediaType, "Content-Type: charset %.40q is not known: send UTF-8", name)
	}
	switch known, _ := ianaindex.MIME.Name(charset); known {
	case "UTF-8", "US-ASCII": // who declares ASCII and writes more than that writes UTF-8
		return r, nil
	case "ISO-8859-1": // with € where Latin-1 has control characters, as the WHATWG Encoding Standard reads it
		charset = charmap.Windows1252
	}
	return transform.NewReader(r, unicode.BOMOverride(charset.NewDecoder())), nil
}
