package api

import (
	"errors"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// image spools the image of a visible signature; an empty value is none.
func (q *requestReader) image(v *signing.VisibleSignature) error {
	r, err := q.s.Base64()
	if err != nil {
		return err
	}
	c, err := q.up.AddShared(limitContent(r, q.limits.MaxImageBytes, q.s.Path()))
	if err == nil && c.Size > 0 {
		v.Image = &c
	}
	return err
}

// limitContent returns a reader that fails, naming field, where io.LimitReader would end.
func limitContent(r io.Reader, limit int64, field string) io.Reader {
	return &limitedReader{
		r:     r,
		left:  limit,
		fault: signing.Errorf(signing.KindTooLarge, "%s is larger than %d bytes", field, limit),
	}
}

type limitedReader struct {
	r     io.Reader
	left  int64
	fault error
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, l.fault
	}
	return n, err
}

// requestFault turns a fault of the JSON text into one of the domain; other errors stay what they
// are.
func requestFault(err error) error {
	var known *signing.Error
	var e *jsonstream.Error
	if errors.As(err, &known) || !errors.As(err, &e) {
		return err
	}
	kind := map[jsonstream.Fault]signing.Kind{
		jsonstream.Malformed: signing.KindMalformed,
		jsonstream.Truncated: signing.KindMalformed,
		jsonstream.Duplicate: signing.KindMalformed,
		jsonstream.WrongType: signing.KindInvalid,
		jsonstream.BadBase64: signing.KindInvalid,
		jsonstream.TooLarge:  signing.KindTooLarge,
	}[e.Fault]
	return signing.Errorf(kind, "%s", e.Error())
}

// scanner returns a scanner of a SignRequest with the limits of the API.
func (a *API) scanner(r io.Reader) *jsonstream.Scanner {
	return jsonstream.NewScanner(r, jsonstream.Limits{TextBytes: a.cfg.MaxMetadataBytes})
}

// readJSON reads the body of the base64 calls.
func (x *exchange) readJSON(up signing.Upload) (*wireRequest, error) {
	return x.readSignRequest(x.body, x.r.Header.Get("Content-Type"), up, true)
}

// readSignRequest reads a SignRequest in the charset that its Content-Type declares; inline says
// whether content is in it.
func (x *exchange) readSignRequest(
	r io.Reader,
	contentType string,
	up signing.Upload,
	inline bool,
) (*wireRequest, error) {
	text, err := asUTF8(r, contentType)
	if err != nil {
		return nil, err
	}
	return x.newRequestReader(x.api.scanner(text), up, inline).read()
}
