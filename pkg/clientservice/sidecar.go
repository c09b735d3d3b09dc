package clientservice

import (
	"strings"
	"unicode/utf8"
)

// MaxSidecarBytes bounds the settings of one file. The image of a visible signature is the only
// long text in them.
const MaxSidecarBytes = 6 << 20

// Sidecar is what a file beside a document of the hot folder says of it. Its fields have the names
// and the meaning of the API.
type Sidecar struct {
	ExternalReference string // of the document; empty = its name
	ContentType       string // empty = by content
	// They replace those of the client service. Nil = not given.
	VisibleSignatureInfo *VisibleSignatureInfo
	SignatureInfo        *SignatureInfo
}

// sidecarLimit returns how many bytes a text of a sidecar may have: as many as the API allows. The
// texts are kept with the operation. The image is not.
func sidecarLimit(name string) int {
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "imageValue":
		return MaxSidecarBytes
	case "oneOffTemplate":
		return 16 << 10
	case "signatureLocation":
		return 4096
	}
	return 1024
}

// DecodeSidecar reads a sidecar. It is as strict as Decode. The error names the field.
func DecodeSidecar(data []byte) (*Sidecar, error) {
	s := &Sidecar{}
	var m mistakes
	switch text := syntaxMistake(data); {
	case len(data) > MaxSidecarBytes:
		m.add("", "", "larger than %d bytes", MaxSidecarBytes)
	case !utf8.Valid(data):
		m.add("", "", "not UTF-8")
	case text != "":
		m.add("", "", "%s", text)
	default:
		d := entryDecoder{mistakes: &m, limit: sidecarLimit}
		d.object("", data, fields{
			"externalReference": &s.ExternalReference,
			"contentType":       &s.ContentType,
			"visibleSignatureInfo": func() fields {
				s.VisibleSignatureInfo = &VisibleSignatureInfo{}
				return s.VisibleSignatureInfo.fields()
			},
			"signatureInfo": func() fields {
				s.SignatureInfo = &SignatureInfo{}
				return s.SignatureInfo.fields()
			},
		})
	}
	return s, m.err()
}
