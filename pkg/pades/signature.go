package pades

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

const (
	subFilterCAdES     = pdf.Name("ETSI.CAdES.detached")
	subFilterTimestamp = pdf.Name("ETSI.RFC3161")
	maxContents        = 16 << 20 // bytes of one SignedData; validation data belongs in the DSS
)

// signature is a signed field of a parsed document.
type signature struct {
	field field
	ref   pdf.Ref // of the signature dictionary; zero if it is a direct object
	dict  *pdf.Dict
}

// readSignatures returns the signed fields of a document in the order of its form.
func readSignatures(doc *pdf.Document) ([]signature, error) {
	catalog, _, err := doc.Catalog()
	if err != nil {
		return nil, err
	}
	form, err := doc.DictAt(catalog, "AcroForm")
	if err != nil || form == nil {
		return nil, err
	}
	var list []signature
	err = walkFields(doc, form, func(f field) error {
		if f.kind != "Sig" {
			return nil
		}
		s := signature{field: f}
		s.ref, _ = f.dict.Get("V").(pdf.Ref)
		if s.dict, err = doc.DictAt(f.dict, "V"); err == nil && s.dict != nil {
			list = append(list, s)
		}
		return err
	})
	return list, err
}

func (s *signature) subFilter() pdf.Name {
	n, _ := s.dict.Get("SubFilter").(pdf.Name)
	return n
}

// contentOf decodes the bytes of /Contents as they are in the file, brackets included.
func contentOf(raw []byte) ([]byte, error) {
	if len(raw) < 2 || raw[0] != '<' || raw[len(raw)-1] != '>' {
		return nil, fmt.Errorf("/Contents is not a hexadecimal string")
	}
	content := make([]byte, hex.DecodedLen(len(raw)-2))
	if _, err := hex.Decode(content, raw[1:len(raw)-1]); err != nil {
		return nil, fmt.Errorf("/Contents: %w", err)
	}
	return content, nil
}

// gap returns the ByteRange and the decoded /Contents, trailing zeros included. The gap of the
// ByteRange must be exactly the value of /Contents.
func (s *signature) gap(doc *pdf.Document) (byteRange, []byte, error) {
	r, err := readByteRange(doc, s.dict)
	if err != nil {
		return r, nil, err
	}
	start, end, ok, err := doc.ValueSpan(s.ref, "Contents")
	if err != nil {
		return r, nil, fmt.Errorf("/Contents: %w", err)
	}
	if !ok || start != r.gapStart || end != r.gapEnd {
		return r, nil, fmt.Errorf("the gap of its ByteRange is not its /Contents")
	}
	if end-start > 2*maxContents {
		return r, nil, fmt.Errorf("/Contents has more than %d bytes", maxContents)
	}
	raw, err := doc.RawBytes(start, int(end-start))
	if err != nil {
		return r, nil, fmt.Errorf("/Contents: %w", err)
	}
	content, err := contentOf(raw)
	if err != nil {
		return r, nil, err
	}
	return r, content, nil
}

// checkDictionary checks a signature dictionary against ETSI EN 319 142-1 6.3, or that of a
// document timestamp against 5.4.3.
func (s *signature) checkDictionary() error {
	if key, dup := s.dict.Duplicate(); dup {
		return fmt.Errorf("the signature dictionary has /%s twice", string(key))
	}
	filter, _ := s.dict.Get("Filter").(pdf.Name)
	_, hasTime := s.dict.Get("M").(pdf.String)
	switch {
	case filter != "Adobe.PPKLite":
		return fmt.Errorf("/Filter is %q", string(filter))
	case s.dict.Has("Cert"):
		return fmt.Errorf("the signature dictionary has /Cert, which PAdES forbids")
	case s.subFilter() == subFilterTimestamp:
		return nil
	case s.subFilter() != subFilterCAdES:
		return fmt.Errorf("/SubFilter is %q", string(s.subFilter()))
	case !hasTime:
		return fmt.Errorf("/M is missing")
	}
	return nil
}

// checkWidget checks the widget of the field: its flags, its appearance, and that it is on its
// page.
func (s *signature) checkWidget(ctx context.Context, doc *pdf.Document) error {
	ref, widget, err := widgetOf(doc, s.field)
	if err != nil {
		return fmt.Errorf("the widget: %w", err)
	}
	if flags, err := doc.Int(widget.Get("F"), 0); err != nil || flags&4 == 0 || flags&hidingFlags != 0 {
		return fmt.Errorf("the widget's flags are %d", flags)
	}
	appearance, err := doc.DictAt(widget, "AP")
	if err != nil || !appearance.Has("N") {
		return fmt.Errorf("the widget has no appearance")
	}
	return checkOnPage(ctx, doc, ref, widget)
}

// checkOnPage checks that a widget is among the annotations of the page that its /P names. If it is
// not, any other page is accepted, because an existing field may have no /P or a wrong one.
func checkOnPage(ctx context.Context, doc *pdf.Document, ref pdf.Ref, widget *pdf.Dict) error {
	if page, err := doc.DictAt(widget, "P"); err == nil {
		annotations, err := doc.ArrayAt(page, "Annots")
		if err == nil && slices.Contains(annotations, pdf.Object(ref)) {
			return nil
		}
	}
	found, err := pageOf(ctx, doc, ref)
	if err != nil {
		return fmt.Errorf("the widget's page: %w", err)
	}
	if found == nil {
		return fmt.Errorf("the widget is not on its page")
	}
	return nil
}

// verifyBaseline verifies a PAdES signature over digest and returns its SignedData and certificate.
// A certificate in the content that is byte for byte in known is not parsed again.
func verifyBaseline(content, digest []byte, known []*x509.Certificate) (*cms.SignedData, *x509.Certificate, error) {
	sd, err := cms.Parse(content, known...)
	if err != nil {
		return nil, nil, err
	}
	if err := sd.CheckBaseline(); err != nil {
		return sd, nil, err
	}
	cert, err := sd.Verify(digest)
	return sd, cert, err
}

// signatureTimestamp verifies all timestamps in a SignedData and returns the first. It returns nil
// if there is none.
func signatureTimestamp(sd *cms.SignedData) (*cms.Timestamp, error) {
	signer, err := sd.Signer()
	if err != nil {
		return nil, err
	}
	return signer.SignatureTimestamp()
}
