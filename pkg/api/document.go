package api

import (
	"cmp"
	"encoding/hex"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// documentByIndex answers with one signed document as it is, or with a range of its bytes.
func documentByIndex(x *exchange) error {
	index, err := x.path.documentIndex()
	if err != nil {
		return err
	}
	op, err := x.operationByID()
	if err != nil {
		return err
	}
	done, err := x.download(downloadWait)
	if err != nil {
		return err
	}
	defer done()
	from := newResults(x)
	if from.reading != nil {
		defer from.reading(op.ID)()
	}
	d, err := from.signed(op, index)
	if err != nil {
		return err
	}
	f, err := from.open(d)
	if err != nil {
		return err
	}
	defer f.Close()
	sum, err := from.service.SignedDigest(x.r.Context(), *d, f)
	if err != nil {
		return err
	}
	if err := x.serveDocument(d, f, hex.EncodeToString(sum[:])); err != nil {
		return err
	}
	if x.r.Method == http.MethodGet && x.w.written == f.Size() && op.Status.Ended() {
		x.api.sent.note(op, d, from)
	}
	return nil
}

// signed returns a document of an operation that was signed. KindNotEnded if it may still be
// signed, KindNotFound if it does not exist or was not signed.
func (s results) signed(op signing.Operation, index int) (*signing.Document, error) {
	docs, err := s.service.Documents(s.request(), op.ID, index, 1)
	switch {
	case err != nil:
		return nil, err
	case index >= op.DocumentCount:
		return nil, signing.Errorf(signing.KindNotFound, "operation %s has only %d documents", op.ID, op.DocumentCount)
	case len(docs) == 0:
		return nil, s.missing(op, index)
	case docs[0].State == signing.DocumentSigned:
		return &docs[0], nil
	case docs[0].State == signing.DocumentFailed:
		return nil, signing.Errorf(signing.KindNotFound, "document %d was not signed", index)
	}
	return nil, signing.Errorf(signing.KindNotEnded, "document %d is not signed yet", index)
}

// serveDocument sends a signed document, or what the conditions and the range of the request ask
// for (RFC 9110 13 and 14).
func (x *exchange) serveDocument(d *signing.Document, f signing.File, sum string) error {
	h := x.w.Header()
	h.Set("Content-Type", cmp.Or(signing.SignedContentType(d), "application/octet-stream"))
	h.Set("Content-Disposition", attachment(safeName(signing.SignedName(d))))
	h.Set("Cache-Control", "no-store")
	h.Set("ETag", `"`+sum+`"`)
	to := &firstFault{ResponseWriter: x.w}
	content := &firstFaultReader{ReadSeeker: io.NewSectionReader(f, 0, f.Size())}
	http.ServeContent(to, x.r, "", time.Time{}, content)
	return cmp.Or(content.fault, to.fault)
}

// attachment returns the Content-Disposition of a file (RFC 6266).
func attachment(name string) string {
	return cmp.Or(mime.FormatMediaType("attachment", map[string]string{"filename": name}), "attachment")
}

// firstFault keeps the first error of Write, because http.ServeContent does not return it.
type firstFault struct {
	http.ResponseWriter
	fault error
}

// Write implements http.ResponseWriter.
func (w *firstFault) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	if err != nil && w.fault == nil {
		w.fault = err
	}
	return n, err
}

// firstFaultReader keeps the first error of Read.
type firstFaultReader struct {
	io.ReadSeeker
	fault error
}

// Read implements io.Reader.
func (r *firstFaultReader) Read(p []byte) (int, error) {
	n, err := r.ReadSeeker.Read(p)
	if err != nil && err != io.EOF && r.fault == nil {
		r.fault = err
	}
	return n, err
}
