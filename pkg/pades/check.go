package pades

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// errCheck is wrapped by every finding of the checker: a fault of ours, which never becomes a signed document.
var errCheck = errors.New("the signed document did not pass its check")

func finding(format string, args ...any) error {
	return internal("check signed document", fmt.Errorf("%w: "+format, append([]any{errCheck}, args...)...))
}

// check verifies the signed document by a way of its own: it parses the joined document from its end, takes the gap from the
// ByteRange found there, and continues the stored hash of the original for the digest.
func (s *state) check(in signing.Input, section []byte) error {
	joined := &joinedFile{head: in.File, split: in.File.Size(), tail: section}
	doc, err := pdf.Open(joined, joined.size())
	if err != nil {
		return finding("open: %v", err)
	}
	if doc.StartsAt() < joined.split {
		return finding("its newest cross-reference section lies in the original")
	}
	signature, err := findSignature(doc, s.Signature)
	if err != nil {
		return err
	}
	if err := checkDictionary(doc, signature.dict); err != nil {
		return err
	}
	r, der, err := checkGap(doc, signature, joined.split)
	if err != nil {
		return err
	}
	if r.end != joined.size() {
		return finding("its ByteRange ends at %d of %d", r.end, joined.size())
	}
	digest, err := continueHash(crypto.Hash(s.Hash), s.Midstate, section[:r.gapStart-joined.split], section[r.gapEnd-joined.split:])
	if err != nil {
		return err
	}
	return s.checkSignedData(der, digest)
}

// checkSignedData verifies the SignedData found in the gap against the digest and the certificate that the key belongs to.
func (s *state) checkSignedData(der, digest []byte) error {
	sd, err := cms.Parse(der)
	if err != nil {
		return finding("SignedData: %v", err)
	}
	if err := sd.CheckBaseline(); err != nil {
		return finding("SignedData: %v", err)
	}
	cert, err := sd.Verify(digest)
	if err != nil {
		return finding("SignedData: %v", err)
	}
	if !bytes.Equal(cert.Raw, s.Chain[0]) {
		return finding("it is signed with another certificate")
	}
	return nil
}

// foundSignature is a signature dictionary with its field, as the parsed document has them.
type foundSignature struct {
	ref  pdf.Ref
	dict *pdf.Dict
}

// findSignature looks for the field whose value is the signature of that object number, and checks field, form and page.
func findSignature(doc *pdf.Document, number int) (foundSignature, error) {
	catalog, _, err := doc.Catalog()
	if err != nil {
		return foundSignature{}, finding("catalog: %v", err)
	}
	form, err := doc.Dict(catalog.Get("AcroForm"))
	if err != nil {
		return foundSignature{}, finding("form: %v", err)
	}
	if flags, err := doc.Int(form.Get("SigFlags"), 0); err != nil || flags&sigFlags != sigFlags {
		return foundSignature{}, finding("SigFlags are %d", flags)
	}
	var found foundSignature
	names := map[string]bool{}
	err = walkFields(doc, form, func(f field) error {
		ref, _ := f.dict.Get("V").(pdf.Ref)
		if f.kind != "Sig" {
			return nil
		}
		if names[f.name] {
			return finding("two signature fields have the same name")
		}
		names[f.name] = true
		if ref.Number != number {
			return nil
		}
		found.ref = ref
		if found.dict, err = doc.Dict(ref); err != nil {
			return err
		}
		return checkWidget(doc, f)
	})
	if err == nil && found.dict == nil {
		err = finding("its form does not hold the signature")
	}
	return found, err
}

// checkWidget holds the field's widget against what a signature field must be, and wants it on its page.
func checkWidget(doc *pdf.Document, f field) error {
	if flags, err := doc.Int(f.dict.Get("F"), 0); err != nil || flags != widgetFlags {
		return finding("the widget's flags are %d", flags)
	}
	appearance, err := doc.Dict(f.dict.Get("AP"))
	if err != nil || !appearance.Has("N") {
		return finding("the widget has no appearance")
	}
	page, err := doc.Dict(f.dict.Get("P"))
	if err != nil {
		return finding("the widget's page: %v", err)
	}
	annotations, err := doc.Array(page.Get("Annots"))
	if err != nil {
		return finding("the page's annotations: %v", err)
	}
	for _, a := range annotations {
		if a == f.ref {
			return nil
		}
	}
	return finding("the widget is not on its page")
}

// checkDictionary holds the signature dictionary against ETSI EN 319 142-1 6.3.
func checkDictionary(doc *pdf.Document, v *pdf.Dict) error {
	if key, dup := v.Duplicate(); dup {
		return finding("the signature dictionary has /%s twice", string(key))
	}
	for _, want := range []struct{ key, value pdf.Name }{{"Filter", "Adobe.PPKLite"}, {"SubFilter", "ETSI.CAdES.detached"}} {
		if got := v.Get(want.key); got != want.value {
			return finding("/%s is %v", string(want.key), got)
		}
	}
	if _, ok := v.Get("M").(pdf.String); !ok {
		return finding("/M is missing")
	}
	if v.Has("Cert") {
		return finding("/Cert is there")
	}
	return nil
}

// checkGap takes the gap from the ByteRange and wants it to be the very place of the /Contents value, in the appended section. It
// returns the content.
func checkGap(doc *pdf.Document, signature foundSignature, split int64) (byteRange, []byte, error) {
	r, err := readByteRange(doc, signature.dict)
	if err != nil {
		return r, nil, finding("%v", err)
	}
	start, end, ok, err := doc.ValueSpan(signature.ref, "Contents")
	if err != nil {
		return r, nil, finding("/Contents: %v", err)
	}
	if !ok || start != r.gapStart || end != r.gapEnd || start < split {
		return r, nil, finding("the gap of its ByteRange is not /Contents")
	}
	raw, err := doc.RawBytes(r.gapStart, int(r.gapEnd-r.gapStart))
	if err != nil {
		return r, nil, finding("/Contents: %v", err)
	}
	if raw[0] != '<' || raw[len(raw)-1] != '>' {
		return r, nil, finding("/Contents is no hexadecimal string")
	}
	der := make([]byte, hex.DecodedLen(len(raw)-2))
	if _, err := hex.Decode(der, raw[1:len(raw)-1]); err != nil {
		return r, nil, finding("/Contents: %v", err)
	}
	return r, der, nil
}

// joinedFile is the original with sections behind it.
type joinedFile struct {
	head  io.ReaderAt
	split int64
	tail  []byte
}

func (j *joinedFile) size() int64 { return j.split + int64(len(j.tail)) }

// ReadAt implements io.ReaderAt.
func (j *joinedFile) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	if off < j.split {
		var err error
		if n, err = j.head.ReadAt(p[:min(int64(len(p)), j.split-off)], off); n < len(p) && off+int64(n) < j.split {
			return n, err
		}
	}
	if n == len(p) {
		return n, nil
	}
	from := off + int64(n) - j.split
	if from >= int64(len(j.tail)) {
		return n, io.EOF
	}
	m := copy(p[n:], j.tail[from:])
	if n += m; n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
