package cades

import (
	"mime"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// options are what a request asks for.
type options struct {
	detached bool
	cosign   bool
}

// parseOptions reads the fields of a request that only CAdES has.
func parseOptions(sig signing.SignatureInfo) (o options, err error) {
	switch sig.Packaging {
	case "", signing.Enveloping:
	case signing.Detached:
		o.detached = true
	default:
		return o, signing.Errorf(signing.KindInvalid, "packaging %.40q is not ENVELOPING or DETACHED", sig.Packaging)
	}
	switch sig.Existing {
	case "", signing.Wrap:
	case signing.Cosign:
		o.cosign = true
	default:
		return o, signing.Errorf(signing.KindInvalid, "existing %.40q is not WRAP or COSIGN", sig.Existing)
	}
	if o.cosign && o.detached {
		return o, signing.Errorf(signing.KindInvalid,
			"existing COSIGN adds a signature to a file that contains its content, so packaging cannot be DETACHED")
	}
	return o, nil
}

// maxMIMEType is the longest media type that is signed. RFC 6838 4.2 allows 127 characters for each
// of its two parts.
const maxMIMEType = 255

// mimeType returns the media type of a content type, without its parameters. It returns an empty
// string if the content type is malformed: then the attribute, which is optional, is left out.
func mimeType(contentType string) string {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || len(media) > maxMIMEType || !strings.Contains(media, "/") {
		return ""
	}
	return media
}
