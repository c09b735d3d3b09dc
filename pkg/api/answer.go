package api

import (
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// dateFormat is ISO 8601 with milliseconds and a numeric offset, because old date parsers require
// them.
const dateFormat = "2006-01-02T15:04:05.000-07:00"

func formatDate(t time.Time) string { return t.UTC().Format(dateFormat) }

// writeSignOperation answers with a SignOperation. It streams the documents' content from disk.
func (x *exchange) writeSignOperation(op signing.Operation, content bool) error {
	x.operation = op.ID
	content = content && x.r.Method != http.MethodHead
	done, err := x.downloadOf(op, content)
	if err != nil {
		return err
	}
	defer done()
	from := newResults(x)
	err = x.w.writeJSON(http.StatusOK, func(w *jsonstream.Writer) (err error) {
		w.Object(func() {
			writeBase(w, op)
			w.Name("folder")
			w.Object(func() {
				w.Member("folderId", op.ID.String())
				w.Member("externalReference", op.ExternalReference)
				w.Member("description", op.Description)
				w.Member("folderContent", "HASH")
			})
			if op.Status.Ended() {
				// Clients store this value in 32 bits.
				w.Number("executionTime", min(op.Ended.Sub(op.Created).Milliseconds(), math.MaxInt32))
			}
			w.Name("documentList")
			w.Array(func() { err = writeDocuments(w, from, op, content) })
		})
		return err
	})
	if err == nil && content && op.Status.Ended() {
		from.fetched(op.ID)
	}
	return err
}

// writeBase writes the members of a BaseOperation.
func writeBase(w *jsonstream.Writer, op signing.Operation) {
	w.Number("id", int64(op.ID))
	w.Member("type", "SIGN")
	w.Member("status", string(op.Status))
	w.Member("issuerClientServiceAlias", op.ClientService)
	w.Member("creationDate", formatDate(op.Created))
	w.Member("folderExternalReference", op.ExternalReference)
	w.Name("signatureQueuePriority")
	w.Object(func() { w.Member("name", "DEFAULT") })
}

// writeStatus writes a BaseOperation with the endpoint of the instance that holds the operation.
func writeStatus(w *jsonstream.Writer, op signing.Operation, e affinity.Endpoint) {
	w.Object(func() {
		writeBase(w, op)
		w.Member("host", e.Host)
		w.Number("port", int64(e.Port))
	})
}

// writeAccepted answers with an AsyncOperation. at is the endpoint of this instance.
func writeAccepted(w *response, basePath string, op signing.Operation, at affinity.Endpoint) error {
	w.Header().Set("Location", basePath+apiPath+"operation/status/"+op.ID.String())
	return w.writeJSON(http.StatusAccepted, func(w *jsonstream.Writer) error {
		w.Object(func() {
			w.Number("id", int64(op.ID))
			w.Member("externalReference", op.ExternalReference)
			w.Member("status", string(op.Status))
			w.Member("host", at.Host)
			w.Number("port", int64(at.Port))
			w.Member("hostPort", at.HostPort())
		})
		return nil
	})
}

// writeID answers with the id of an operation.
func writeID(w *response, id signing.ID) error {
	return w.writeJSON(http.StatusOK, func(w *jsonstream.Writer) error {
		w.Int(int64(id))
		return nil
	})
}

// writeDocuments writes the items of documentList.
func writeDocuments(w *jsonstream.Writer, from results, op signing.Operation, content bool) error {
	return from.each(op, func(d *signing.Document) (err error) {
		w.Object(func() {
			w.Member("externalReference", d.ExternalReference)
			w.Member("name", d.Name)
			w.Member("contentType", d.ContentType)
			writeSignedName(w, d)
			w.Number("internalId", d.InternalID)
			writeSignStatus(w, d)
			w.Member("cipherStatus", "NO_CIPHER")
			w.Member("storageStatus", "CONTENT_NOT_STORED")
			w.Number("contentLength", d.Content.Size)
			w.Member("receptionDate", formatDate(d.Received))
			if content && d.State == signing.DocumentSigned {
				w.Name("signedContent")
				err = writeContent(w, from, d)
			}
			writeAttributes(w, &d.Signature)
		})
		if err == nil {
			err = w.Err()
		}
		return err
	})
}

// writeSignedName writes the name and the content type of a signed document where they differ from
// those of the request.
func writeSignedName(w *jsonstream.Writer, d *signing.Document) {
	if name := signing.SignedName(d); name != d.Name {
		w.Member("signedName", name)
	}
	if contentType := signing.SignedContentType(d); contentType != d.ContentType {
		w.Member("signedContentType", contentType)
	}
}

// writeSignStatus writes the state of a document and, if it failed, the reason.
func writeSignStatus(w *jsonstream.Writer, d *signing.Document) {
	switch d.State {
	case signing.DocumentSigned:
		w.Member("signStatus", "SIGNED")
		if d.CertificateSerial != "" {
			w.Member("certificateSerial", d.CertificateSerial)
		}
		return
	case signing.DocumentFailed:
		w.Member("signStatus", "ERROR_SIGNING")
	default:
		w.Member("signStatus", "RECEIVED")
		return
	}
	f := d.Failure
	if f == nil {
		f = &signing.Failure{}
	}
	w.Member("signError", signError(f.Kind))
	if isDocumentFault(f.Kind) {
		w.Member("signErrorCode", answers[f.Kind].code)
	}
	if f.Kind != signing.KindInternal && f.Detail != "" {
		w.Member("signErrorCause", f.Detail)
	}
}

// writeContent writes a signed document in base64.
func writeContent(w *jsonstream.Writer, from results, d *signing.Document) error {
	f, err := from.open(d)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := w.Base64(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		return err
	}
	if w.Err() != nil {
		return w.Err()
	}
	return checkLength(n, d)
}

// writeAttributes writes documentAttributes: the requested signature, in the vendor's names. It
// leaves out the image of a visible signature, because the client has it and it may be as large as
// a document.
func writeAttributes(w *jsonstream.Writer, s *signing.SignatureInfo) {
	w.Name("documentAttributes")
	w.Array(func() {
		add := func(key, value string) {
			if value == "" {
				return
			}
			w.Object(func() {
				w.Member("attributeKey", key)
				w.Member("attributeValue", value)
			})
		}
		add("GLOBAL_SIGNATURE_VISIBILITY_ENABLED", strconv.FormatBool(s.Visible != nil))
		if v := s.Visible; v != nil {
			add("VISIBLE_SIGNATURE_TEMPLATE_TYPE", v.TemplateType)
			add("VISIBLE_SIGNATURE_TEMPLATE_CONTENT", v.OneOffTemplate)
			add("VISIBLE_SIGNATURE_LOCATION_TYPE", v.LocationType)
			add("VISIBLE_SIGNATURE_LOCATION_VALUE", v.LocationValue)
			add("VISIBLE_SIGNATURE_AREA", v.Area)
			add("VISIBLE_SIGNATURE_AREA_BACKGROUND_COLOR", v.AreaBackgroundColor)
			add("VISIBLE_SIGNATURE_FONT", v.Font)
			add("VISIBLE_SIGNATURE_IMAGE_TYPE", v.ImageType)
		}
		add("SIGNATURE_ATTRIBUTE_REASON", s.Reason)
		add("SIGNATURE_ATTRIBUTE_LOCATION", s.Location)
		if a := s.Advanced; a != nil {
			add("SIGNATURE_ATTRIBUTE_XPATH_LOCATION", a.SignatureLocation)
			add("SIGNATURE_ATTRIBUTE_TRANSFORM", a.SignatureTransform)
			add("SIGNATURE_ATTRIBUTE_CANONICAL", a.CanonicalTransform)
		}
	})
}
