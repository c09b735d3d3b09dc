package api

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// blindUpload counts what it is given.
type blindUpload struct{ n int64 }

func (u *blindUpload) Add(r io.Reader) (signing.Content, error) {
	n, err := io.Copy(io.Discard, r)
	u.n += n
	return signing.Content{Size: n}, err
}
func (u *blindUpload) AddShared(r io.Reader) (signing.Content, error) { return u.Add(r) }
func (u *blindUpload) Discard()                                       {}

// FuzzSignRequest holds for any body: no panic; a fault is of a request's own kinds and says
// something; what is accepted is complete; the pieces in which it comes make no difference.
func FuzzSignRequest(f *testing.F) {
	f.Add(
		[]byte(
			`{"externalReference":"r","description":"d","documents":[{"documentRequest":{"externalReference":"e","name":"n","contentType":"application/pdf",` +
				`"base64Content":"JVBERg=="},"signatureInfo":{"signatureType":"PAdES","level":"B-T","visibleSignatureInfo":{"locationType":"COORDINATE",` +
				`"locationValue":"page=1,x=1,y=1","imageValue":"AAAA","imageType":"IMAGE_PNG"},"advancedSignatureInfo":{"signatureLocation":"/a"}}}],` +
				`"preservationInfo":{"a":[1]},"returnSignedContent":false}`,
		),
	)
	f.Add(
		[]byte(
			`{"externalReference":20260001,"description":-1.5e3,"returnSignedContent":"false","documents":[{"documentRequest":{"externalReference":true,"name":7,` +
				`"contentType":"application/pdf","base64Content":"JVBERg=="},"signatureInfo":{"signatureType":"PAdES","applyTimestamp":"true"}}]}`,
		),
	)
	f.Add([]byte(`{"documents":[{"documentRequest":null,"signatureInfo":[]}]}`))
	a := &API{text: limits.NewShares(64 << 20)}
	a.cfg.setDefaults()
	a.cfg.MaxDocuments, a.cfg.MaxDocumentBytes, a.cfg.MaxImageBytes, a.cfg.MaxMetadataBytes = 3, 1000, 100, 10_000
	x := &exchange{api: a, client: &clientservice.ClientService{}}
	parse := func(r io.Reader) (signing.Request, []signing.Content, error) {
		up := &blindUpload{}
		defer x.letGo()
		received, err := x.newRequestReader(a.scanner(r), up, true).read()
		if err != nil {
			return signing.Request{}, nil, err
		}
		v := validator{types: a.cfg.SignatureTypes, contentKey: base64Form.contentKey}
		return v.request(received)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		request, contents, err := parse(bytes.NewReader(body))
		_, _, again := parse(iotest.OneByteReader(bytes.NewReader(body)))
		if signing.KindOf(err) != signing.KindOf(again) {
			t.Errorf("whole: %v; in pieces: %v", err, again)
		}
		if err != nil {
			e := signing.AsError(err)
			if row := answerFor(e, false); row.status != 400 && row.status != 413 || e.Detail == "" {
				t.Errorf("fault = %v, status %d", e, row.status)
			}
			return
		}
		if request.ExternalReference == "" || len(request.Documents) == 0 || len(contents) != len(request.Documents) {
			t.Errorf("accepted %+v with %d contents", request, len(contents))
		}
		for i, d := range request.Documents {
			if contents[i].Size == 0 || d.Name == "" || d.ContentType == "" || d.ExternalReference == "" ||
				d.Signature.Level == "" ||
				d.Signature.Type != signing.PAdES {
				t.Errorf("accepted document %+v", d)
			}
		}
	})
}
