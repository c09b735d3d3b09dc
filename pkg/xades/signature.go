package xades

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// blueprint is everything that a signature is built from.
type blueprint struct {
	profile    *Profile
	options    options
	scanned    *scanned
	credential *signing.Credential
	size       int64 // of the original, bytes
	time       time.Time
	id         string // of ds:Signature; the other Ids start with it
}

// unsigned is a signature without its value, in UTF-8. It has only ASCII characters.
type unsigned struct {
	head   []byte // up to the content of SignatureValue
	tail   []byte // from the end tag of SignatureValue on
	digest []byte // of SignedInfo, with the hash of the credential
}

// Starts of elements of a signature, which its text has once.
const (
	infoTag       = `<ds:SignedInfo>`
	valueTag      = `<ds:SignatureValue `
	keyInfoTag    = `<ds:KeyInfo`
	propertiesTag = `<xades:SignedProperties `
)

// build returns the signature of the blueprint.
func (b *blueprint) build() (*unsigned, error) {
	if err := b.profile.checkKey(b.credential); err != nil {
		return nil, err
	}
	method, ok := signatureMethods[method{b.credential.Algorithm, b.credential.Hash}]
	if !ok {
		return nil, signing.Errorf(signing.KindCertificate, "XAdES has no name for the algorithm %s with %s",
			b.credential.Algorithm, b.credential.Hash)
	}
	b.id = b.newID()
	start := `<ds:Signature xmlns:ds="` + dsNamespace + `" Id="` + b.id + `">`
	const end = `</ds:Signature>`
	object, keyInfo := b.object(), b.keyInfo()
	references := map[covered]string{coversData: b.dataReference()}
	for _, r := range []struct {
		what           covered
		text           string
		kind, id       string
		form           xmlc14n.Form
		space, element string
	}{
		{coversProperties, object, ` Type="` + signedPropertiesType + `"`, b.propertiesID(), b.profile.Properties,
			xadesNamespace, "SignedProperties"},
		{coversKeyInfo, keyInfo, "", b.keyInfoID(), b.profile.KeyInfo, dsNamespace, "KeyInfo"},
	} {
		digest, err := b.digest(b.profile.Digest, r.form, start+r.text+end, xmlc14n.Named(r.space, r.element))
		if err != nil {
			return nil, err
		}
		references[r.what] = b.reference(r.kind+` URI="#`+r.id+`"`, algorithm("Transform", r.form.URI()), digest)
	}
	info := b.signedInfo(method, references)
	digest, err := b.digest(b.credential.Hash, b.profile.SignedInfo, start+info+end,
		xmlc14n.Named(dsNamespace, "SignedInfo"))
	if err != nil {
		return nil, err
	}
	return &unsigned{
		head:   []byte(start + info + valueTag + `Id="` + b.id + b.profile.ids.SignatureValue + `">`),
		tail:   []byte(`</ds:SignatureValue>` + keyInfo + object + end),
		digest: digest,
	}, nil
}

func (b *blueprint) dataID() string       { return b.id + b.profile.ids.Data }
func (b *blueprint) propertiesID() string { return b.id + b.profile.ids.SignedProperties }
func (b *blueprint) keyInfoID() string    { return b.id + b.profile.ids.KeyInfo }

// newID returns an Id that is not in the document. The document cannot have it, because it depends
// on the digest of the document.
func (b *blueprint) newID() string {
	h := sha256.New()
	h.Write(b.scanned.digest)
	h.Write(b.credential.Certificate().Raw)
	for _, n := range []int64{b.size, b.scanned.At, b.time.UnixNano()} {
		binary.Write(h, binary.BigEndian, n) // a hash returns no error
	}
	return b.profile.ids.Prefix + hex.EncodeToString(h.Sum(nil)[:16])
}

// digest returns the digest of an element inside a ds:Signature, canonicalized as it is in the
// signed document.
func (b *blueprint) digest(
	hash crypto.Hash, form xmlc14n.Form, signature string, element xmlc14n.Selector,
) ([]byte, error) {
	h := hash.New()
	tokens := xmlc14n.NewFragmentTokenizer(strings.NewReader(signature), b.scanned.context)
	if err := xmlc14n.Canonicalize(tokens, xmlc14n.New(h, xmlc14n.Config{Form: form, Select: element})); err != nil {
		return nil, placeError(err)
	}
	return h.Sum(nil), nil
}

// signedInfo returns SignedInfo (XML Signature 1.1 section 4.4).
func (b *blueprint) signedInfo(method string, references map[covered]string) string {
	var x strings.Builder
	x.WriteString(infoTag + algorithm("CanonicalizationMethod", b.profile.SignedInfo.URI()))
	x.WriteString(algorithm("SignatureMethod", method))
	for _, what := range b.profile.references {
		x.WriteString(references[what])
	}
	x.WriteString(`</ds:SignedInfo>`)
	return x.String()
}

// dataReference returns the reference to the document.
func (b *blueprint) dataReference() string {
	return b.reference(` Id="`+b.dataID()+`" URI=""`,
		transformXML[b.scanned.transform]+algorithm("Transform", b.options.form.URI()), b.scanned.digest)
}

// reference returns a reference with its attributes, transforms and digest.
func (b *blueprint) reference(attributes, transforms string, digest []byte) string {
	return `<ds:Reference` + attributes + `><ds:Transforms>` + transforms + `</ds:Transforms>` + b.digestXML(digest) +
		`</ds:Reference>`
}

// transformXML are the transforms that leave out signatures.
var transformXML = map[transform]string{
	enveloped: algorithm("Transform", envelopedURI),
	xpath: `<ds:Transform Algorithm="` + xpathURI + `"><ds:XPath>not(ancestor-or-self::ds:Signature)</ds:XPath>` +
		`</ds:Transform>`,
	filter2: `<ds:Transform Algorithm="` + filter2URI + `"><dsf:XPath xmlns:dsf="` + filter2URI +
		`" Filter="subtract">/descendant::ds:Signature</dsf:XPath></ds:Transform>`,
}

// algorithm returns an element that only names an algorithm.
func algorithm(element, uri string) string { return `<ds:` + element + ` Algorithm="` + uri + `"/>` }

// digestXML returns the two elements that hold a digest.
func (b *blueprint) digestXML(digest []byte) string {
	return algorithm("DigestMethod", digestMethods[b.profile.Digest]) +
		`<ds:DigestValue>` + base64.StdEncoding.EncodeToString(digest) + `</ds:DigestValue>`
}
