package xades

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// expect asks for what the check of the new signature will need. The signature starts at the
// offset.
func (a *augmentation) expect(start int64) *measurer {
	m := newMeasurer()
	s := a.state
	e := &s.Expected
	document := part{hash: crypto.Hash(e.Digest)}.withForm(dereferenced(formWith(e.Data)))
	if e.Transform == enveloped {
		document.omit, document.omits = start, true
	} else {
		document.omitsSigs = true
	}
	width := int64(len(s.Encoding.Append(nil, "<"))) // the text has only ASCII characters
	text := a.text()
	info := start + width*int64(strings.Index(text, infoTag))
	m.add(document)
	m.add(part{hash: s.hash(), element: info}.withForm(formWith(e.Info)))
	m.add(part{hash: crypto.Hash(e.Digest), id: e.PropertiesID}.withForm(dereferenced(formWith(e.Properties))))
	m.lookUp(e.PropertiesID)
	if e.KeyInfo != "" {
		keyInfo := part{id: e.KeyInfoID}.withForm(dereferenced(formWith(e.KeyInfo)))
		if len(a.properties) > 1 {
			m.add(keyInfo) // an archive timestamp covers the form that its reference has
		}
		keyInfo.hash = crypto.Hash(e.Digest)
		m.add(keyInfo)
		m.lookUp(e.KeyInfoID)
	}
	if len(a.properties) == 0 {
		return m
	}
	for _, l := range a.archived() { // level B-T needs only one of them, which are small then
		m.add(part{element: start + width*int64(l.at)}.withForm(l.form))
	}
	return m
}

// check reads the signed document afresh and judges the new signature. An error is a fault of this
// program, or says that the document cannot be read.
func (a *augmentation) check(ctx context.Context, signed signing.Sized, level signing.Level) error {
	s := a.state
	start := s.Place.At
	if s.Place.Empty != "" {
		start += int64(len(s.Encoding.Append(nil, ">")))
	}
	all, err := verify(ctx, signed, a.expect(start), func(f *foundSignature) bool { return f.start == start })
	if err != nil {
		return err
	}
	if len(all) != 1 {
		return internal("check signed document", fmt.Errorf("%d signatures start at byte %d", len(all), start))
	}
	got := all[0]
	switch {
	case got.Verdict != Valid:
		err = fmt.Errorf("the new signature is %s: %s", got.Verdict, got.Reason)
	case got.Covers != CoversDocument:
		err = fmt.Errorf("the new signature covers %q", got.Covers)
	case got.Level == "" && !s.Expected.Version1:
		err = errors.New("the new signature does not follow the baseline")
	case !bytes.Equal(got.Certificate.Raw, s.Certificate):
		err = errors.New("the new signature names another certificate")
	default:
		err = a.checkLevel(got, level)
	}
	if err != nil {
		return internal("check signed document", err)
	}
	return nil
}

// checkLevel checks that the signature has what the level requires. Validation data is required for
// what Revocation knows: a further certificate in a timestamp must not require more of it.
func (a *augmentation) checkLevel(got *judged, level signing.Level) error {
	if level == signing.LevelB {
		return nil
	}
	if got.Stamped.IsZero() {
		return fmt.Errorf("level %s: there is no timestamp", level)
	}
	if level == signing.LevelT {
		return nil
	}
	if len(a.gathered) != len(a.chains) {
		return fmt.Errorf("level %s: validation data of %d chains, want %d", level, len(a.gathered), len(a.chains))
	}
	for i, others := range a.gathered {
		if err := got.evidence.CoversAmong(a.chains[i], others); err != nil {
			return fmt.Errorf("level %s: %w", level, err)
		}
	}
	if level == signing.LevelLTA && len(got.archives) != 1 {
		return fmt.Errorf("level %s: %d archive timestamps, want one", level, len(got.archives))
	}
	return nil
}
