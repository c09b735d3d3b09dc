package api

import (
	"io"
	"mime"
	"strings"

	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/transform"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// asUTF8 decodes JSON from the charset that its Content-Type names, a few kilobytes at a time. RFC 8259 8.1 knows UTF-8 alone and gives the
// parameter no meaning, but Java's older clients declare what they write. A Content-Type that cannot be read is none.
func asUTF8(r io.Reader, contentType string) (io.Reader, error) {
	_, params, err := mime.ParseMediaType(contentType)
	name := strings.TrimSpace(params["charset"])
	switch {
	case err != nil, name == "", strings.EqualFold(name, "UTF-8"), strings.EqualFold(name, "UTF8"), strings.EqualFold(name, "US-ASCII"):
		return r, nil
	}
	charset, err := ianaindex.MIME.Encoding(name)
	if err != nil || charset == nil { // nil: a charset that is registered, and that package text does not have
		return nil, signing.Errorf(kindMediaType, "Content-Type: charset %.40q is not supported: send UTF-8", name)
	}
	return transform.NewReader(r, charset.NewDecoder()), nil
}
