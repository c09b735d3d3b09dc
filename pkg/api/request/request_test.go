package request

import (
	"bytes"
	"io"
	"slices"
	"testing"
	"testing/iotest"

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

// FuzzSignRequest checks four things for any body. Nothing panics. A fault has one of the kinds of
// a request and a detail. An accepted request is complete. It makes no difference in which pieces
// the body comes.
func FuzzSignRequest(f *testing.F) {
	f.Add([]byte(`{"externalReference":"r","description":"d","documents":[{"documentRequest":{` +
		`"externalReference":"e","name":"n","contentType":"application/pdf","base64Content":"JVBERg=="},` +
		`"signatureInfo":{"signatureType":"PAdES","level":"B-T","visibleSignatureInfo":{"locationType":"COORDINATE",` +
		`"locationValue":"page=1,x=1,y=1","imageValue":"AAAA","imageType":"IMAGE_PNG"},` +
		`"advancedSignatureInfo":{"signatureLocation":"/a"}}}],` +
		`"preservationInfo":{"a":[1]},"returnSignedContent":false}`))
	f.Add([]byte(`{"externalReference":20260001,"description":-1.5e3,"returnSignedContent":"false",` +
		`"documents":[{"documentRequest":{"externalReference":true,"name":7,` +
		`"contentType":"application/pdf","base64Content":"JVBERg=="},` +
		`"signatureInfo":{"signatureType":"PAdES","applyTimestamp":"true"}}]}`))
	f.Add([]byte(`{"externalReference":"r","description":"d","documents":[{"documentRequest":{` +
		`"externalReference":"e","name":"n","contentType":"text/xml","base64Content":"PGEvPg=="},` +
		`"signatureInfo":{"signatureType":"XAdES","profile":"baseline","advancedSignatureInfo":{` +
		`"signatureTransform":"XPATH"}}},{"documentRequest":{` +
		`"externalReference":"e","name":"n","contentType":"a/b","base64Content":"PGEvPg=="},` +
		`"signatureInfo":{"signatureType":"CAdES","packaging":"ENVELOPING","existing":"COSIGN"}}]}`))
	f.Add([]byte(`{"documents":[{"documentRequest":null,"signatureInfo":[]}]}`))
	available := Signatures{
		Types:        []signing.SignatureType{signing.PAdES, signing.XAdES, signing.CAdES},
		CheckOptions: signing.New(signing.Config{}).CheckOptions,
	}
	parse := func(body io.Reader) (signing.Request, []signing.Content, error) {
		r := &Reader{
			Upload: &blindUpload{},
			Limits: Limits{Documents: 3, DocumentBytes: 1000, ImageBytes: 100, MetadataBytes: 10_000},
			Hold:   func(int) error { return nil },
		}
		received, err := r.ReadJSON(body, "application/json")
		if err != nil {
			return signing.Request{}, nil, err
		}
		return received.Validate(available)
	}
	kinds := []signing.Kind{
		signing.KindMissing, signing.KindMalformed, signing.KindInvalid, signing.KindTooLarge,
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, contents, err := parse(bytes.NewReader(body))
		_, _, again := parse(iotest.OneByteReader(bytes.NewReader(body)))
		if signing.KindOf(err) != signing.KindOf(again) {
			t.Errorf("whole: %v; in pieces: %v", err, again)
		}
		if err != nil {
			e := signing.AsError(err)
			if !slices.Contains(kinds, e.Kind) || e.Detail == "" {
				t.Errorf("fault = %v, kind %s", e, e.Kind)
			}
			return
		}
		if got.ExternalReference == "" || len(got.Documents) == 0 || len(contents) != len(got.Documents) {
			t.Errorf("accepted %+v with %d contents", got, len(contents))
		}
		for i, d := range got.Documents {
			if contents[i].Size == 0 || d.Name == "" || d.ContentType == "" || d.ExternalReference == "" ||
				d.Signature.Level == "" ||
				d.Signature.Type != signing.XAdES && (d.Signature.Profile != "" || d.Signature.Advanced != nil) ||
				d.Signature.Type != signing.CAdES && d.Signature.Packaging+signing.Packaging(d.Signature.Existing) != "" {
				t.Errorf("accepted document %+v", d)
			}
		}
	})
}
