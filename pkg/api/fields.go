package api

import (
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Limits of single fields, in bytes of UTF-8. Each is far above what real clients send.
const (
	maxReferenceBytes    = 1024
	maxNameBytes         = 1024
	maxDescriptionBytes  = 4096
	maxShortBytes        = 1024 // reason, location, words of a list, values of a visible signature
	maxTemplateBytes     = 16 << 10
	maxXPathBytes        = 4096
	maxPreservationBytes = 64 << 10
	maxCallbackBytes     = clientservice.MaxCallbackBytes
)

// documentBytes is what a document takes in memory beside its texts, received and validated.
const documentBytes = 512

// wireRequest is a SignRequest as received, its documents' content spooled. Validation turns it
// into a signing.Request.
type wireRequest struct {
	externalReference string
	description       string
	preservation      string
	callback          string // callbackUrl
	withoutContent    bool   // returnSignedContent is there and false
	hasDocuments      bool
	documents         []wireDocument
}

// wireDocument is one item of documents.
type wireDocument struct {
	hasRequest, hasSignature bool
	externalReference        string
	name                     string
	contentType              string
	content                  *signing.Content // nil = there was none
	signatureType            string
	level                    string
	reason                   string
	location                 string
	applyTimestamp           bool
	visible                  *signing.VisibleSignature
	advanced                 *signing.AdvancedSignature
}

// requestReader reads a SignRequest, member by member in any order.
type requestReader struct {
	s       *jsonstream.Scanner
	up      signing.Upload
	limits  *Config
	hold    func(bytes int) error // counts text that is kept
	inline  bool                  // base64Content is where the content is
	request wireRequest
}

// newRequestReader returns a reader that hands content to up; contents come in the request itself
// if inline is set.
func (x *exchange) newRequestReader(s *jsonstream.Scanner, up signing.Upload, inline bool) *requestReader {
	return &requestReader{s: s, up: up, limits: &x.api.cfg, hold: x.hold, inline: inline}
}

// read reads the whole text.
func (q *requestReader) read() (*wireRequest, error) {
	r := &q.request
	err := q.s.Object(func(name string) error {
		switch name {
		case "externalReference":
			return q.text(&r.externalReference, maxReferenceBytes)
		case "description":
			return q.text(&r.description, maxDescriptionBytes)
		case "returnSignedContent":
			with, err := q.s.Bool()
			r.withoutContent = !with
			return err
		case "preservationInfo":
			raw, err := q.s.Raw(maxPreservationBytes)
			if err != nil {
				return err
			}
			r.preservation = raw
			return q.hold(len(raw))
		case "callbackUrl":
			return q.text(&r.callback, maxCallbackBytes)
		case "documents":
			r.hasDocuments = true
			return q.s.Array(q.document)
		}
		return nil
	})
	if err == nil {
		err = q.s.End()
	}
	return r, requestFault(err)
}

// text reads a string.
func (q *requestReader) text(v *string, limit int) (err error) {
	if *v, err = q.s.String(limit); err != nil {
		return err
	}
	return q.hold(len(*v))
}

// fields reads an object whose members are all strings of their limits.
func (q *requestReader) fields(fields map[string]field) error {
	return q.s.Object(func(name string) error {
		if f, ok := fields[name]; ok {
			return q.text(f.value, f.limit)
		}
		return nil
	})
}

type field struct {
	value *string
	limit int
}

// document reads one item of documents.
func (q *requestReader) document(index int) error {
	if index >= q.limits.MaxDocuments {
		return signing.Errorf(signing.KindTooLarge, "documents: more than %d in one request", q.limits.MaxDocuments)
	}
	if err := q.hold(documentBytes); err != nil {
		return err
	}
	q.request.documents = append(q.request.documents, wireDocument{})
	d := &q.request.documents[index]
	return q.s.Object(func(name string) error {
		switch name {
		case "documentRequest":
			d.hasRequest = true
			return q.documentRequest(d)
		case "signatureInfo":
			d.hasSignature = true
			return q.signatureInfo(d)
		}
		return nil
	})
}

func (q *requestReader) documentRequest(d *wireDocument) error {
	return q.s.Object(func(name string) error {
		switch name {
		case "externalReference":
			return q.text(&d.externalReference, maxReferenceBytes)
		case "name":
			return q.text(&d.name, maxNameBytes)
		case "contentType":
			return q.text(&d.contentType, maxShortBytes)
		case "base64Content":
			return q.content(d)
		}
		return nil
	})
}

// content spools a document while it arrives.
func (q *requestReader) content(d *wireDocument) error {
	if !q.inline {
		return signing.Errorf(signing.KindInvalid, "%s: content comes in a part named files here", q.s.Path())
	}
	r, err := q.s.Base64()
	if err != nil {
		return err
	}
	c, err := q.up.Add(limitContent(r, q.limits.MaxDocumentBytes, q.s.Path()))
	d.content = &c
	return err
}

func (q *requestReader) signatureInfo(d *wireDocument) error {
	return q.s.Object(func(name string) (err error) {
		switch name {
		case "signatureType":
			return q.text(&d.signatureType, maxShortBytes)
		case "level":
			return q.text(&d.level, maxShortBytes)
		case "reason":
			return q.text(&d.reason, maxShortBytes)
		case "location":
			return q.text(&d.location, maxShortBytes)
		case "applyTimestamp":
			d.applyTimestamp, err = q.s.Bool()
		case "visibleSignatureInfo":
			d.visible = new(signing.VisibleSignature)
			err = q.visible(d.visible)
		case "advancedSignatureInfo":
			d.advanced = new(signing.AdvancedSignature)
			err = q.fields(map[string]field{
				"signatureLocation":  {&d.advanced.SignatureLocation, maxXPathBytes},
				"signatureTransform": {&d.advanced.SignatureTransform, maxShortBytes},
				"canonicalTransform": {&d.advanced.CanonicalTransform, maxShortBytes},
			})
		}
		return err
	})
}

func (q *requestReader) visible(v *signing.VisibleSignature) error {
	return q.s.Object(func(name string) error {
		switch name {
		case "locationType":
			return q.text(&v.LocationType, maxShortBytes)
		case "locationValue":
			return q.text(&v.LocationValue, maxShortBytes)
		case "area":
			return q.text(&v.Area, maxShortBytes)
		case "areaBackgroundColor":
			return q.text(&v.AreaBackgroundColor, maxShortBytes)
		case "font":
			return q.text(&v.Font, maxShortBytes)
		case "templateType":
			return q.text(&v.TemplateType, maxShortBytes)
		case "oneOffTemplate":
			return q.text(&v.OneOffTemplate, maxTemplateBytes)
		case "imageType":
			return q.text(&v.ImageType, maxShortBytes)
		case "imageValue":
			return q.image(v)
		}
		return nil
	})
}
