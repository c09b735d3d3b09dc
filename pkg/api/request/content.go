package request

import (
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// image reads the image of a visible signature and adds it to the upload. An empty value means that
// the signature has no image.
func (q *fieldReader) image(v *signing.VisibleSignature) error {
	r, err := q.s.Base64()
	if err != nil {
		return err
	}
	c, err := q.Upload.AddShared(limitContent(r, q.Limits.ImageBytes, q.s.Path()))
	if err == nil && c.Size > 0 {
		v.Image = &c
	}
	return err
}

// limitContent returns a reader of at most limit bytes of r. If r has more, Read fails with
// KindTooLarge. The detail of the error names field.
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
