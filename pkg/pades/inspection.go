package pades

import (
	"context"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Permission bits of ISO 32000-2 table 22, counted from 1 there.
const (
	mayModify   = 1 << 3 // bit 4
	mayAnnotate = 1 << 5 // bit 6
	mayFill     = 1 << 8 // bit 9
)

// inspect refuses a document that must not or cannot be signed, and returns its form. target is the
// name of the existing field to sign; it is empty for a new field.
func inspect(ctx context.Context, doc *pdf.Document, target string) (*form, error) {
	catalog, _, err := doc.Catalog()
	if err != nil {
		return nil, err
	}
	if key, dup := catalog.Duplicate(); dup {
		return nil, damaged("its catalog has the key /%s twice", string(key))
	}
	if err := doc.CheckFile(ctx); err != nil {
		return nil, err
	}
	if err := doc.CheckPageTree(); err != nil {
		return nil, err
	}
	if err := checkPermissions(doc, target); err != nil {
		return nil, err
	}
	permission, err := checkCertification(doc, catalog)
	if err != nil {
		return nil, err
	}
	f, err := readForm(ctx, doc)
	if err != nil || f.dict == nil {
		return f, err
	}
	f.noAnnotations = f.noAnnotations || permission == 2
	if err := f.checkLocks(target); err != nil {
		return nil, err
	}
	return f, f.checkXFA(doc, catalog)
}

// checkPermissions obeys the permissions of an encrypted document. Bit 6 or bit 9 allows filling in
// a field. Bits 4 and 6 together allow adding one.
func checkPermissions(doc *pdf.Document, target string) error {
	p := doc.Permissions()
	switch {
	case target != "" && p&(mayAnnotate|mayFill) == 0:
		return forbidden("its permissions do not allow a signature")
	case target == "" && (p&mayModify == 0 || p&mayAnnotate == 0):
		return forbidden("its permissions do not allow a new signature field")
	}
	return nil
}

// checkXFA refuses a form that exists only as XFA, because readers of XFA would not show a field
// outside of it.
func (f *form) checkXFA(doc *pdf.Document, catalog *pdf.Dict) error {
	xfa, err := doc.Get(f.dict.Get("XFA"))
	if err != nil || xfa == nil {
		return err
	}
	needs, err := doc.Get(catalog.Get("NeedsRendering"))
	if err != nil {
		return err
	}
	if needs == true || !f.any {
		return signing.Errorf(signing.KindUnsupported, "PDF is an XFA form without PDF fields, which cannot be signed")
	}
	return nil
}

// checkCertification obeys the DocMDP of the document and returns its /P: 1 forbids every change, 2
// allows filling in and signing forms, 3 also allows annotations (ISO 32000-2 12.8.2.2). It returns
// 0 if the document is not certified.
func checkCertification(doc *pdf.Document, catalog *pdf.Dict) (int64, error) {
	perms, err := doc.DictAt(catalog, "Perms")
	if err != nil {
		return 0, err
	}
	signature, err := doc.DictAt(perms, "DocMDP")
	if err != nil || signature == nil {
		return 0, err
	}
	p, err := certification(doc, signature)
	if err == nil && p == 1 {
		return p, forbidden("its certification allows no changes")
	}
	return p, err
}

// certification returns what a certification signature allows after it: /P from 1 to 3. It returns
// 0 if the signature certifies nothing.
func certification(doc *pdf.Document, signature *pdf.Dict) (int64, error) {
	var permission int64
	err := eachReference(doc, signature, func(method pdf.Name, params *pdf.Dict) error {
		if method != "DocMDP" {
			return nil
		}
		var err error
		permission, err = doc.Int(params.Get("P"), 2)
		return err
	})
	return permission, err
}

// eachReference visits the signature references of a signature (ISO 32000-2 table 256).
func eachReference(doc *pdf.Document, signature *pdf.Dict, visit func(method pdf.Name, params *pdf.Dict) error) error {
	references, err := doc.ArrayAt(signature, "Reference")
	if err != nil {
		return err
	}
	if len(references) > 100 {
		return signing.Errorf(signing.KindTooComplex, "PDF is too complex: a signature has more than 100 references")
	}
	for _, o := range references {
		reference, err := doc.Dict(o)
		if err != nil {
			return err
		}
		method, err := doc.Name(reference.Get("TransformMethod"))
		if err != nil {
			return err
		}
		params, err := doc.DictAt(reference, "TransformParams")
		if err != nil {
			return err
		}
		if err := visit(method, params); err != nil {
			return err
		}
	}
	return nil
}

// checkByteRange refuses a document with an earlier signature that cannot be valid. The gap of its
// ByteRange must be one hexadecimal string within the file. checkEarlier checks the digests.
func checkByteRange(doc *pdf.Document, signature *pdf.Dict) error {
	r, err := readByteRange(doc, signature)
	if err != nil {
		return signing.Errorf(signing.KindBroken, "an earlier signature is broken: %v", err)
	}
	ends, err := doc.RawBytes(r.gapStart, 1)
	if err != nil {
		return err
	}
	last, err := doc.RawBytes(r.gapEnd-1, 1)
	if err != nil {
		return err
	}
	if ends[0] != '<' || last[0] != '>' {
		return signing.Errorf(signing.KindBroken,
			"an earlier signature is broken: its ByteRange does not leave out its /Contents")
	}
	return nil
}

// byteRange is a ByteRange of two ranges, the first of which starts at 0 (ISO 32000-2 12.8.1). The
// gap is [gapStart, gapEnd). The end is exclusive.
type byteRange struct{ gapStart, gapEnd, end int64 }

func readByteRange(doc *pdf.Document, signature *pdf.Dict) (byteRange, error) {
	a, err := doc.ArrayAt(signature, "ByteRange")
	if err != nil || len(a) != 4 {
		return byteRange{}, fmt.Errorf("its ByteRange does not have four numbers")
	}
	var v [4]int64
	for i := range a {
		if v[i], err = doc.Int(a[i], -1); err != nil || v[i] < 0 {
			return byteRange{}, fmt.Errorf("its ByteRange holds values that are not numbers")
		}
	}
	r := byteRange{gapStart: v[1], gapEnd: v[2], end: v[2] + v[3]}
	if v[0] != 0 || r.gapEnd < r.gapStart+2 || r.end < r.gapEnd || r.end > doc.Size() {
		return byteRange{}, fmt.Errorf("its ByteRange does not lie within the file")
	}
	return r, nil
}
