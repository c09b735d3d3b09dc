package xades

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// levelDocument is the document that the tests of levels change.
const levelDocument = `<a><b>100</b></a>`

// mustSignLevel signs levelDocument at a level.
func mustSignLevel(t *testing.T, level signing.Level) string {
	t.Helper()
	signed, err := signLevel(t, []byte(levelDocument), level, nil, pkis()["P-256"], &baseline)
	if err != nil {
		t.Fatal(err)
	}
	return string(signed)
}

// elementNamed matches an element of XAdES that has no element of its own name inside.
func elementNamed(name string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)<(xades|xades141):` + name + `[ >].*?</(xades|xades141):` + name + `>`)
}

// drop removes the first element with the name.
func drop(name string) change {
	return func(doc string) string { return strings.Replace(doc, elementNamed(name).FindString(doc), "", 1) }
}

// last moves the first element with the name behind the other unsigned properties.
func last(name string) change {
	return func(doc string) string {
		moved := elementNamed(name).FindString(doc)
		return strings.Replace(drop(name)(doc), unsignedEnd, moved+unsignedEnd, 1)
	}
}

// alter changes one character of the base64 in the first element with the name. It is near the end,
// where tokens, certificates and CRLs have their signature.
func alter(name string) change {
	return func(doc string) string {
		old := elementNamed(name).FindString(doc)
		b := []byte(old)
		at := strings.LastIndexByte(old, '<') - 40
		b[at] = map[bool]byte{true: 'B', false: 'A'}[b[at] == 'A']
		return strings.Replace(doc, old, string(b), 1)
	}
}

const (
	stampStart = `<xades:SignatureTimeStamp>`
	c14nInside = `(<xades:SignatureTimeStamp><ds:CanonicalizationMethod Algorithm=")[^"]*`
	tokenStart = `<xades:EncapsulatedTimeStamp>`
)

// TestChangedLevels judges signatures whose unsigned properties somebody changed. Only timestamps
// protect them, so without an archive timestamp they can be removed, and the level says so.
func TestChangedLevels(t *testing.T) {
	other := mustSignLevel(t, signing.LevelLTA)
	foreign := func(name string) change { // puts in an element of another signature
		return func(doc string) string {
			return strings.Replace(doc, elementNamed(name).FindString(doc), elementNamed(name).FindString(other), 1)
		}
	}
	const b, t1, lt, lta = signing.LevelB, signing.LevelT, signing.LevelLT, signing.LevelLTA
	for _, c := range []struct {
		level  signing.Level
		name   string
		change change
		want   Verdict
		become signing.Level
		reason string
	}{
		{t1, "altered timestamp", alter("EncapsulatedTimeStamp"), Invalid, "", "its timestamp"},
		{t1, "timestamp of another", foreign("SignatureTimeStamp"), Invalid, "", "another digest"},
		{t1, "cut off", replace(tokenStart, tokenStart+"AAAA"), Invalid, "", "its timestamp"},
		{t1, "not base64", replace(tokenStart, tokenStart+"!"), Invalid, "", "its timestamp: it is malformed"},
		{t1, "no timestamp", drop("SignatureTimeStamp"), Valid, b, ""},
		{t1, "no token", drop("EncapsulatedTimeStamp"), Undetermined, b, "form that is not supported"},
		{t1, "unknown form", replaceFirst(c14nInside, "${1}urn:x"), Undetermined, b, "form that is not supported"},
		{t1, "part of it", replace(stampStart, stampStart+"<xades:Include/>"), Undetermined, b, "not supported"},
		{t1, "encoding", replace("EncapsulatedTimeStamp>", `EncapsulatedTimeStamp Encoding="urn:x">`), Undetermined, b,
			"not supported"},
		{t1, "twice", replace(unsignedStart, unsignedStart+unsignedEnd+unsignedStart), Undetermined, b, "several"},
		{t1, "counter signature", replace(unsignedEnd, "<xades:CounterSignature/>"+unsignedEnd), Valid, t1, ""},
		{t1, "two timestamps", func(doc string) string {
			return strings.Replace(doc, unsignedEnd, elementNamed("SignatureTimeStamp").FindString(doc)+unsignedEnd, 1)
		}, Valid, t1, ""},
		{t1, "value", replaceFirst(valueStart+`....`, "${1}AAAA"), Invalid, "", "value is wrong"},
		{t1, "text", replace("100", "900"), Invalid, "", "reference 1"},

		{lt, "no revocation values", drop("RevocationValues"), Valid, t1, ""},
		{lt, "altered CRLs", func(doc string) string {
			return strings.ReplaceAll(doc, "<xades:EncapsulatedCRLValue>M", "<xades:EncapsulatedCRLValue>N")
		}, Valid, t1, ""},
		{lt, "no validation data of the timestamp", drop("TimeStampValidationData"), Valid, t1, ""},
		{lt, "references", replace(unsignedEnd, "<xades:CompleteRevocationRefs/>"+unsignedEnd), Valid, t1, ""},

		{lta, "nothing", replace("", ""), Valid, lta, ""},
		{lta, "altered archive timestamp", func(doc string) string {
			i := strings.Index(doc, "<xades141:ArchiveTimeStamp")
			return doc[:i] + alter("EncapsulatedTimeStamp")(doc[i:])
		}, Invalid, "", "its archive timestamp"},
		{lta, "archive timestamp of another", foreign("ArchiveTimeStamp"), Invalid, "", "archive timestamp: verify"},
		{lta, "altered timestamp", alter("EncapsulatedTimeStamp"), Invalid, "", "its timestamp"},
		{lta, "altered certificate", alter("EncapsulatedX509Certificate"), Invalid, "", "another digest"},
		{lta, "altered CRL", alter("EncapsulatedCRLValue"), Invalid, "", "another digest"},
		{lta, "altered OCSP response", alter("EncapsulatedOCSPValue"), Invalid, "", "another digest"},
		{lta, "no timestamp", drop("SignatureTimeStamp"), Invalid, "", "another digest"},
		{lta, "no revocation values", drop("RevocationValues"), Invalid, "", "another digest"},
		{lta, "no archive timestamp", drop("ArchiveTimeStamp"), Valid, lt, ""},
		{lta, "order", last("SignatureTimeStamp"), Invalid, "", "another digest"},
		{lta, "further property", replace(unsignedStart, unsignedStart+"<x/>"), Invalid, "", "another digest"},
		{lta, "property behind", replace(unsignedEnd, "<x/>"+unsignedEnd), Valid, lta, ""},
		{lta, "further object", replace("</ds:Signature>", "<ds:Object/></ds:Signature>"), Invalid, "", "another digest"},
		{lta, "further certificate", replace("</ds:X509Data>", "<ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data>"),
			Invalid, "", "another digest"},
		{lta, "text", replace("100", "900"), Invalid, "", "reference 1"},
	} {
		name := fmt.Sprintf("%s, %s", c.level, c.name)
		signed := mustSignLevel(t, c.level)
		changed := c.change(signed)
		if changed == signed && c.name != "nothing" {
			t.Errorf("%s: the change did not change anything", name)
		}
		checkVerdict(t, name, []byte(changed), c.want, c.reason)
		all, err := Verify(t.Context(), inMemory([]byte(changed)), VerifyOptions{})
		if err != nil || all[0].Level != c.become {
			t.Errorf("%s: level %q, %v, want %q", name, all[0].Level, err, c.become)
		}
	}
}

// augmented signs levelDocument at a level and returns the augmentation with the signed document.
func augmented(t *testing.T, level signing.Level) (*augmentation, signing.Sized) {
	t.Helper()
	p := pkis()["P-256"]
	f := &Format{Timestamper: p, Revocation: p}
	in := levelInput([]byte(levelDocument), level, nil)
	prepared, err := f.Prepare(t.Context(), in, p.Credential)
	if err != nil {
		t.Fatal(err)
	}
	s := must(readState(prepared.State))
	a, err := f.augment(t.Context(), s, must(s.signature(must(p.Sign(prepared.Digest)))), level)
	if err != nil {
		t.Fatal(err)
	}
	section, pieces := s.insert(a.text())
	return a, must(signing.Join(in.File, bytes.NewReader(section), pieces))
}

// TestCheckLevel: the check of a signed document finds that the level is not reached.
func TestCheckLevel(t *testing.T) {
	for i, level := range levels {
		a, signed := augmented(t, level)
		if err := a.check(t.Context(), signed, level); err != nil {
			t.Errorf("%s: %v", level, err)
		}
		for _, higher := range levels[i+1:] {
			err := a.check(t.Context(), signed, higher)
			if signing.KindOf(err) != signing.KindInternal || !strings.Contains(err.Error(), "level "+string(higher)) {
				t.Errorf("%s as %s: error = %v", level, higher, err)
			}
		}
	}
}

// TestOnePass: the check of a signed document measures everything in one pass.
func TestOnePass(t *testing.T) {
	for _, level := range levels {
		a, signed := augmented(t, level)
		m := a.expect(a.state.Place.At)
		before := len(m.digests)
		if _, err := verify(t.Context(), signed, m, func(*foundSignature) bool { return true }); err != nil {
			t.Fatal(err)
		}
		if len(m.digests) != before {
			t.Errorf("%s: %d digests were not expected", level, len(m.digests)-before)
		}
	}
}

// TestStateOfOtherLevel: a state does not serve a level above the one for which it was prepared.
func TestStateOfOtherLevel(t *testing.T) {
	p := pkis()["P-256"]
	f := &Format{Timestamper: p, Revocation: p}
	for i, level := range levels {
		in := levelInput([]byte(levelDocument), level, nil)
		prepared, err := f.Prepare(t.Context(), in, p.Credential)
		if err != nil {
			t.Fatal(err)
		}
		value := must(p.Sign(prepared.Digest))
		for _, other := range levels[i+1:] {
			in.Signature.Level = other
			_, _, err := f.Embed(t.Context(), in, prepared, value)
			refused := level == signing.LevelB || other == signing.LevelLTA
			if (err != nil) != refused {
				t.Errorf("%s as %s: error = %v", level, other, err)
			}
		}
	}
}

// sources are a Timestamper and a Revocation that fail.
type sources struct {
	token []byte
	data  []byte
	err   error
}

func (s sources) Timestamp(context.Context, []byte, crypto.Hash) ([]byte, error) {
	return s.token, s.err
}

func (s sources) Gather(context.Context, []*x509.Certificate) (certs, ocsps, crls [][]byte, err error) {
	return nil, nil, [][]byte{s.data}, s.err
}

// TestSourcesFail: errors of the sources are returned, and unusable answers are refused.
func TestSourcesFail(t *testing.T) {
	p := pkis()["P-256"]
	failure := signing.Errorf(signing.KindRevocation, "no responder answered")
	large := make([]byte, maxValidationBytes)
	stamp := must(p.Timestamp(t.Context(), make([]byte, 32), crypto.SHA256))
	for name, c := range map[string]struct {
		format Format
		kind   signing.Kind
	}{
		"timestamp fails":       {Format{Timestamper: sources{err: failure}, Revocation: p}, signing.KindRevocation},
		"unusable token":        {Format{Timestamper: sources{token: []byte("x")}, Revocation: p}, signing.KindTimestamp},
		"token of other digest": {Format{Timestamper: sources{token: stamp}, Revocation: p}, signing.KindInternal},
		"revocation fails":      {Format{Timestamper: p, Revocation: sources{err: failure}}, signing.KindRevocation},
		"no validation data":    {Format{Timestamper: p, Revocation: sources{}}, signing.KindInternal},
		"too much data":         {Format{Timestamper: p, Revocation: sources{data: large}}, signing.KindRevocation},
	} {
		in := levelInput([]byte(levelDocument), signing.LevelLT, nil)
		prepared, err := c.format.Prepare(t.Context(), in, p.Credential)
		if err != nil {
			t.Fatal(err)
		}
		section, _, err := c.format.Embed(t.Context(), in, prepared, must(p.Sign(prepared.Digest)))
		if err == nil || section != nil || signing.KindOf(err) != c.kind {
			t.Errorf("%s: Embed = %d bytes, %v, want kind %s", name, len(section), err, c.kind)
		}
		if c.kind == signing.KindRevocation && strings.HasSuffix(name, "fails") && !errors.Is(err, failure) {
			t.Errorf("%s: error = %v, want that of the source", name, err)
		}
	}
}

// TestKeptForms: the canonical forms that a measurer keeps are bounded in number and in size.
func TestKeptForms(t *testing.T) {
	m := newMeasurer()
	for i := range maxForms {
		if m.add(part{element: int64(i + 1)}) == nil {
			t.Fatalf("form %d is refused, want %d", i, maxForms)
		}
	}
	if m.add(part{element: maxForms + 1}) != nil {
		t.Errorf("more than %d forms are kept", maxForms)
	}
	m = newMeasurer()
	m.room = 10
	doc := `<a><b>12345</b><c>12</c></a>`
	large := m.add(part{element: int64(strings.Index(doc, "<a>") + 3)}.withForm(xmlc14n.Form{}))
	small := m.add(part{element: int64(strings.Index(doc, "<c>"))}.withForm(xmlc14n.Form{}))
	tokens := xmlc14n.NewTokenizer(strings.NewReader(doc))
	if err := m.pass(t.Context(), tokens, func(*xmlc14n.Token) {}); err != nil {
		t.Fatal(err)
	}
	if !large.form.tooLarge || large.form.bytes != nil || string(small.form.bytes) != "<c>12</c>" || m.room != 1 {
		t.Errorf("large %+v, small %q, room %d", large.form, small.form.bytes, m.room)
	}
}
