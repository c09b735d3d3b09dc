package xades

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// expect asks for what the check of the new signature will need. The signature starts at the
// offset.
func (s *state) expect(start int64) *measurer {
	m := newMeasurer()
	e := &s.Expected
	form := func(uri string) xmlc14n.Form {
		f, _ := xmlc14n.ParseURI(uri)
		return f
	}
	document := part{hash: crypto.Hash(e.Digest)}.withForm(dereferenced(form(e.Data)))
	if e.Transform == enveloped {
		document.omit, document.omits = start, true
	} else {
		document.omitsSigs = true
	}
	before, _, _ := bytes.Cut(s.Head, []byte("<ds:SignedInfo>"))
	info := start + int64(len(s.Encoding.Append(nil, string(before))))
	m.add(document)
	m.add(part{hash: s.hash(), element: info}.withForm(form(e.Info)))
	m.add(part{hash: crypto.Hash(e.Digest), id: e.PropertiesID}.withForm(dereferenced(form(e.Properties))))
	m.lookUp(e.PropertiesID)
	return m
}

// checkSigned reads the signed document afresh and judges the new signature. An error is a fault of
// this program, or says that the document cannot be read.
func checkSigned(ctx context.Context, signed signing.Sized, s *state) error {
	start := s.Place.At
	if s.Place.Empty != "" {
		start += int64(len(s.Encoding.Append(nil, ">")))
	}
	all, err := verify(ctx, signed, s.expect(start), func(f *foundSignature) bool { return f.start == start })
	if err != nil {
		return err
	}
	if len(all) != 1 {
		return internal("check signed document", fmt.Errorf("%d signatures start at byte %d", len(all), start))
	}
	got := &all[0]
	switch {
	case got.Verdict != Valid:
		err = fmt.Errorf("the new signature is %s: %s", got.Verdict, got.Reason)
	case got.Covers != CoversDocument:
		err = fmt.Errorf("the new signature covers %q", got.Covers)
	case got.Level != signing.LevelB:
		err = fmt.Errorf("the new signature has level %q", got.Level)
	case !bytes.Equal(got.Certificate.Raw, s.Certificate):
		err = errors.New("the new signature names another certificate")
	default:
		return nil
	}
	return internal("check signed document", err)
}
