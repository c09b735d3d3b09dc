package xades

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// Revocation gathers the validation data of a chain. Its errors are of kind signing.KindRevocation.
type Revocation = evidence.Source

// maxValidationBytes bounds the certificates, OCSP responses and CRLs of one signature, in DER. Two
// or three CRLs of the largest size that pkg/revocation accepts by default fit. The verifier reads
// as much (maxKeptBytes).
const maxValidationBytes = 16 << 20

// The elements around the unsigned properties.
const (
	unsignedStart = `<xades:UnsignedProperties><xades:UnsignedSignatureProperties>`
	unsignedEnd   = `</xades:UnsignedSignatureProperties></xades:UnsignedProperties>`
	qualifyingEnd = `</xades:QualifyingProperties>`
)

// augmentation is a signature with the unsigned properties that its level requires.
type augmentation struct {
	*Format
	state         *state
	before, after string   // what is in front of the unsigned properties and behind them
	properties    []string // children of UnsignedSignatureProperties
	chains        [][]*x509.Certificate
	// gathered holds, for each chain for which validation data was gathered, the certificates that
	// Revocation returned for it.
	gathered [][]*x509.Certificate
}

// text returns the whole signature. It has only ASCII characters.
func (a *augmentation) text() string {
	if len(a.properties) == 0 {
		return a.before + a.after
	}
	return a.before + unsignedStart + strings.Join(a.properties, "") + unsignedEnd + a.after
}

// propertiesAt returns the offset of each unsigned property in the text.
func (a *augmentation) propertiesAt() []int {
	at := len(a.before) + len(unsignedStart)
	offsets := make([]int, len(a.properties))
	for i, p := range a.properties {
		offsets[i] = at
		at += len(p)
	}
	return offsets
}

// augment adds what the level requires to a signature (ETSI EN 319 132-1 6.3).
func (f *Format) augment(
	ctx context.Context, s *state, signature string, level signing.Level,
) (*augmentation, error) {
	a := &augmentation{Format: f, state: s, before: signature}
	if level == signing.LevelB {
		return a, nil
	}
	at := strings.LastIndex(signature, qualifyingEnd)
	if at < 0 || s.Context == nil || len(s.Chain) == 0 || level == signing.LevelLTA && len(s.Midstate) == 0 {
		return nil, signing.Errorf(signing.KindInternal, "state is not for level %s", level)
	}
	a.before, a.after = signature[:at], signature[at:]
	chain, err := s.chain()
	if err != nil {
		return nil, err
	}
	a.chains = [][]*x509.Certificate{chain}
	if err := a.addTimestamp(ctx); err != nil || level == signing.LevelT {
		return a, err
	}
	if err := a.addValidation(ctx); err != nil || level == signing.LevelLT {
		return a, err
	}
	return a, a.addArchiveTimestamp(ctx)
}

// located is an element of the signature whose canonical form is needed.
type located struct {
	at   int // offset in the text
	form xmlc14n.Form
}

// canonical returns the canonical form of the elements, one after the other, as it is in the signed
// document.
func (a *augmentation) canonical(elements ...located) ([]byte, error) {
	parts := make([]bytes.Buffer, len(elements))
	var canonicalizers []*xmlc14n.Canonicalizer
	for i, e := range elements {
		canonicalizers = append(canonicalizers,
			xmlc14n.New(&parts[i], xmlc14n.Config{Form: e.form, Select: xmlc14n.At(int64(e.at))}))
	}
	tokens := xmlc14n.NewFragmentTokenizer(strings.NewReader(a.text()), *a.state.Context)
	if err := xmlc14n.Canonicalize(tokens, canonicalizers...); err != nil {
		return nil, placeError(err)
	}
	var all []byte
	for i := range parts {
		all = append(all, parts[i].Bytes()...)
	}
	return all, nil
}

// timestampXML returns the content of a property with a timestamp.
func (a *augmentation) timestampXML(token []byte) string {
	return algorithm("CanonicalizationMethod", a.state.Expected.Timestamps) + encapsulated("EncapsulatedTimeStamp", token)
}

// encapsulated returns an element with DER in base64.
func encapsulated(name string, der []byte) string {
	return `<xades:` + name + `>` + base64.StdEncoding.EncodeToString(der) + `</xades:` + name + `>`
}

// addTimestamp adds a SignatureTimeStamp (ETSI EN 319 132-1 5.3) over SignatureValue, and the chain
// of its authority to chains, because level B-LT needs validation data for it too.
func (a *augmentation) addTimestamp(ctx context.Context) error {
	value, err := a.canonical(located{strings.Index(a.before, valueTag), a.state.stampForm()})
	if err != nil {
		return err
	}
	token, chain, err := cms.RequestTimestamp(ctx, a.Timestamper, value, a.state.hash(), a.chains[0]...)
	if err != nil {
		return err
	}
	a.chains = append(a.chains, chain)
	a.properties = append(a.properties,
		`<xades:SignatureTimeStamp>`+a.timestampXML(token)+`</xades:SignatureTimeStamp>`)
	return nil
}

// addValidation adds the validation data of the timestamp, which directly follows the timestamp
// that it belongs to (ETSI EN 319 132-1 5.5.1), and that of the signer (5.4).
func (a *augmentation) addValidation(ctx context.Context) error {
	signer, others, err := evidence.Gather(ctx, a.Revocation, a.chains[:1])
	if err != nil {
		return err
	}
	authority, further, err := evidence.Gather(ctx, a.Revocation, a.chains[1:])
	if err != nil {
		return err
	}
	a.gathered = append(others, further...)
	// No value is stored twice in a signature (ETSI EN 319 132-1 6.3).
	var known evidence.Elements
	known.Add(a.state.Chain...)
	ours := valuesXML(&known, signer)
	if theirs := valuesXML(&known, authority); len(theirs) > 0 {
		a.properties = append(a.properties, `<xades141:TimeStampValidationData xmlns:xades141="`+xades141Namespace+`">`+
			strings.Join(theirs, "")+`</xades141:TimeStampValidationData>`)
	}
	size := 0
	for _, der := range known.List() {
		size += len(der)
	}
	if size > maxValidationBytes || len(known.List()) > maxValues {
		return signing.Errorf(signing.KindRevocation, "the validation data is larger than %d MiB or has more than %d values",
			maxValidationBytes>>20, maxValues)
	}
	a.properties = append(a.properties, ours...)
	return nil
}

// valuesXML returns the elements CertificateValues and RevocationValues (ETSI EN 319 132-1 5.4)
// with the data that is not in known, and adds the data to known. An element without a value is
// left out.
func valuesXML(known *evidence.Elements, data *evidence.Data) (elements []string) {
	values := func(element string, list [][]byte) string {
		before := len(known.List())
		known.Add(list...)
		var x strings.Builder
		for _, der := range known.List()[before:] {
			x.WriteString(encapsulated(element, der))
		}
		return x.String()
	}
	add := func(element, content string) string {
		if content == "" {
			return ""
		}
		return `<xades:` + element + `>` + content + `</xades:` + element + `>`
	}
	certificates := add("CertificateValues", values("EncapsulatedX509Certificate", data.Certificates.List()))
	revocation := add("RevocationValues",
		add("CRLValues", values("EncapsulatedCRLValue", data.CRLs.List()))+
			add("OCSPValues", values("EncapsulatedOCSPValue", data.OCSPs.List())))
	for _, e := range []string{certificates, revocation} {
		if e != "" {
			elements = append(elements, e)
		}
	}
	return elements
}

// archived returns the elements of the signature that an archive timestamp covers. It is over the
// document and then their canonical forms, one after the other (ETSI EN 319 132-1 5.5.2.2).
func (a *augmentation) archived() []located {
	form, text := a.state.stampForm(), a.text()
	e := &a.state.Expected
	// The references come first, each with its own transforms.
	elements := []located{{strings.Index(text, propertiesTag), dereferenced(formWith(e.Properties))}}
	if e.KeyInfo != "" {
		keyInfo := located{strings.Index(text, keyInfoTag), dereferenced(formWith(e.KeyInfo))}
		elements = append(elements, keyInfo)
		if e.KeyInfoFirst {
			slices.Reverse(elements)
		}
	}
	elements = append(elements,
		located{strings.Index(text, infoTag), form},
		located{strings.Index(text, valueTag), form},
		located{strings.Index(text, keyInfoTag), form})
	for _, at := range a.propertiesAt() {
		elements = append(elements, located{at, form})
	}
	return elements
}

// addArchiveTimestamp adds an ArchiveTimeStamp of XAdES 1.4.1 over everything so far. The document
// is not read again, because the hash goes on where Prepare stopped.
func (a *augmentation) addArchiveTimestamp(ctx context.Context) error {
	hash := crypto.Hash(a.state.Expected.Digest)
	h := hash.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(a.state.Midstate); err != nil {
		return internal("read stored hash", err)
	}
	rest, err := a.canonical(a.archived()...)
	if err != nil {
		return err
	}
	h.Write(rest)
	token, err := cms.RequestToken(ctx, a.Timestamper, h.Sum(nil), hash)
	if err != nil {
		return err
	}
	a.properties = append(a.properties, `<xades141:ArchiveTimeStamp xmlns:xades141="`+xades141Namespace+`">`+
		a.timestampXML(token)+`</xades141:ArchiveTimeStamp>`)
	return nil
}
