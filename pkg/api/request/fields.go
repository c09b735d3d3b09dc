package request

import (
	"cmp"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Limits of single fields, in bytes of UTF-8. Each is far above the values that real clients send.
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

// fieldReader reads one SignRequest, member by member in any order.
type fieldReader struct {
	*Reader
	s       *jsonstream.Scanner
	inline  bool // the content is in base64Content
	request *Received
}

// read reads the whole text. With an error it also returns what it has read so far.
func (q *fieldReader) read() (*Received, error) {
	r := q.request
	err := q.s.Object(func(name string) error {
		switch name {
		case "externalReference":
			return q.text(&r.ExternalReference, maxReferenceBytes)
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
			return q.Hold(len(raw))
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
func (q *fieldReader) text(v *string, limit int) (err error) {
	if *v, err = q.s.String(limit); err != nil {
		return err
	}
	return q.Hold(len(*v))
}

// longTexts are the limits of texts that may be longer than maxShortBytes.
var longTexts = map[string]int{"oneOffTemplate": maxTemplateBytes, "signatureLocation": maxXPathBytes}

// texts reads an object whose members are texts, except those that other reads. other may be nil.
func (q *fieldReader) texts(texts map[string]*string, other map[string]func() error) error {
	return q.s.Object(func(name string) error {
		if text, ok := texts[name]; ok {
			return q.text(text, cmp.Or(longTexts[name], maxShortBytes))
		}
		if read := other[name]; read != nil {
			return read()
		}
		return nil
	})
}

// document reads one item of documents.
func (q *fieldReader) document(index int) error {
	if index >= q.Limits.Documents {
		return signing.Errorf(signing.KindTooLarge, "documents: more than %d in one request", q.Limits.Documents)
	}
	if err := q.Hold(documentBytes); err != nil {
		return err
	}
	q.request.documents = append(q.request.documents, document{})
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

func (q *fieldReader) documentRequest(d *document) error {
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

// content spools a document's content while it arrives.
func (q *fieldReader) content(d *document) error {
	if !q.inline {
		return signing.Errorf(signing.KindInvalid, "%s: in a form, the content comes in a part named files", q.s.Path())
	}
	r, err := q.s.Base64()
	if err != nil {
		return err
	}
	c, err := q.Upload.Add(limitContent(r, q.Limits.DocumentBytes, q.s.Path()))
	d.content = &c
	return err
}

func (q *fieldReader) signatureInfo(d *document) error {
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
		case "profile":
			return q.text(&d.profile, maxShortBytes)
		case "packaging":
			return q.text(&d.packaging, maxShortBytes)
		case "existing":
			return q.text(&d.existing, maxShortBytes)
		case "applyTimestamp":
			d.applyTimestamp, err = q.s.Bool()
		case "visibleSignatureInfo":
			d.visible = new(signing.VisibleSignature)
			err = q.texts(d.visible.Texts(), map[string]func() error{
				"imageValue": func() error { return q.image(d.visible) },
			})
		case "advancedSignatureInfo":
			d.advanced = new(signing.AdvancedSignature)
			err = q.texts(d.advanced.Texts(), nil)
		}
		return err
	})
}
