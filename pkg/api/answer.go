package api

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// documentPage is how many documents are in memory at a time while an answer is written.
const documentPage = 100

// dateFormat is ISO 8601 with milliseconds and a numeric offset, which old date parsers want.
const dateFormat = "2006-01-02T15:04:05.000-07:00"

func formatDate(t time.Time) string { return t.UTC().Format(dateFormat) }

// writeSignOperation writes a SignOperation, its documents' content streamed from disk.
func (x *exchange) writeSignOperation(op signing.Operation, content bool) error {
	x.operation = op.ID
	content = content && x.r.Method != http.MethodHead
	done, err := x.downloadOf(op, content)
	if err != nil {
		return err
	}
	defer done()
	err = x.writeJSON(http.StatusOK, func(w *jsonstream.Writer) (err error) {
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
				// Clients hold it in 32 bits.
				w.Number("executionTime", min(op.Ended.Sub(op.Created).Milliseconds(), math.MaxInt32))
			}
			w.Name("documentList")
			w.Array(func() { err = x.writeDocuments(w, op, content) })
		})
		return err
	})
	if err == nil && content && op.Status.Ended() {
		x.fetched(op.ID)
	}
	return err
}

// fetched notes that all of an operation's results went out. The client may be gone by now, so the
// note waits for nobody.
func (x *exchange) fetched(id signing.ID) {
	x.api.cfg.Service.Fetched(context.WithoutCancel(x.r.Context()), id)
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
func (x *exchange) writeStatus(w *jsonstream.Writer, op signing.Operation) {
	e := x.api.cfg.Endpoint()
	w.Object(func() {
		writeBase(w, op)
		w.Member("host", e.Host)
		w.Number("port", int64(e.Port))
	})
}

// eachDocument calls do for each document of an operation, a page of them in memory at a time. It
// returns an error unless they were all there.
func (x *exchange) eachDocument(op signing.Operation, do func(d *signing.Document) error) error {
	if reading := x.api.cfg.Reading; reading != nil {
		defer reading(op.ID)()
	}
	for seen := 0; seen < op.DocumentCount; {
		docs, err := x.api.cfg.Service.Documents(x.r.Context(), op.ID, seen, documentPage)
		if err == nil && len(docs) == 0 {
			err = x.missing(op, seen)
		}
		if err != nil {
			return err
		}
		for i := range docs {
			if err := do(&docs[i]); err != nil {
				return err
			}
		}
		seen += len(docs)
	}
	return nil
}

// missing is why an operation has no more documents than it has.
func (x *exchange) missing(op signing.Operation, seen int) error {
	if _, err := x.api.cfg.Service.Operation(x.r.Context(), x.client.ID, op.ID); err != nil {
		return err // it was removed meanwhile
	}
	return signing.Errorf(signing.KindStorage, "operation has %d documents in place of %d", seen, op.DocumentCount)
}

// writeDocuments writes the items of documentList.
func (x *exchange) writeDocuments(w *jsonstream.Writer, op signing.Operation, content bool) error {
	return x.eachDocument(op, func(d *signing.Document) (err error) {
		w.Object(func() {
			w.Member("externalReference", d.ExternalReference)
			w.Member("name", d.Name)
			w.Member("contentType", d.ContentType)
			w.Number("internalId", d.InternalID)
			writeSignStatus(w, d)
			w.Member("cipherStatus", "NO_CIPHER")
			w.Member("storageStatus", "CONTENT_NOT_STORED")
			w.Number("contentLength", d.Content.Size)
			w.Member("receptionDate", formatDate(d.Received))
			if content && d.State == signing.DocumentSigned {
				w.Name("signedContent")
				err = x.writeContent(w, d)
			}
			writeAttributes(w, &d.Signature)
		})
		if err == nil {
			err = w.Err()
		}
		return err
	})
}

// writeSignStatus writes how far a document has come, and why it was given up if it was.
func writeSignStatus(w *jsonstream.Writer, d *signing.Document) {
	switch d.State {
	case signing.DocumentSigned:
		w.Member("signStatus", "SIGNED")
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
func (x *exchange) writeContent(w *jsonstream.Writer, d *signing.Document) error {
	f, err := x.openSigned(d)
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

// openSigned opens a signed document of the length that it had when it was signed.
func (x *exchange) openSigned(d *signing.Document) (signing.File, error) {
	f, err := x.api.cfg.Service.OpenSigned(x.r.Context(), *d)
	if err != nil {
		return nil, err
	}
	if err := checkLength(f.Size(), d); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// checkLength makes sure that what is shorter than when it was signed does not pass for the
// document.
func checkLength(n int64, d *signing.Document) error {
	if n != d.SignedSize() {
		return signing.Errorf(signing.KindStorage, "document %d has %d bytes in place of %d", d.Index, n, d.SignedSize())
	}
	return nil
}

// writeAttributes writes documentAttributes: what was asked for, in the vendor's names. The image
// of a visible signature is left out: the client has it, and it may be as large as a document.
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
