package xades

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
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

// propertiesID is what the Id of SignedProperties has behind the Id of the signature.
const propertiesID = "-properties"

// Starts of elements of a signature, which its text has once.
const (
	infoTag       = `<ds:SignedInfo>`
	valueTag      = `<ds:SignatureValue `
	keyInfoTag    = `<ds:KeyInfo>`
	propertiesTag = `<xades:SignedProperties `
)

// build returns the signature of the blueprint.
func (b *blueprint) build() (*unsigned, error) {
	method, ok := signatureMethods[method{b.credential.Algorithm, b.credential.Hash}]
	if !ok {
		return nil, signing.Errorf(signing.KindCertificate, "XAdES has no name for the algorithm %s with %s",
			b.credential.Algorithm, b.credential.Hash)
	}
	b.id = b.newID()
	start := `<ds:Signature xmlns:ds="` + dsNamespace + `" Id="` + b.id + `">`
	const end = `</ds:Signature>`
	object := b.object()
	propertiesDigest, err := b.digest(b.profile.Digest, b.profile.Properties, start+object+end,
		xmlc14n.Named(xadesNamespace, "SignedProperties"))
	if err != nil {
		return nil, err
	}
	info := b.signedInfo(method, propertiesDigest)
	digest, err := b.digest(b.credential.Hash, b.profile.SignedInfo, start+info+end,
		xmlc14n.Named(dsNamespace, "SignedInfo"))
	if err != nil {
		return nil, err
	}
	return &unsigned{
		head:   []byte(start + info + valueTag + `Id="` + b.id + `-value">`),
		tail:   []byte(`</ds:SignatureValue>` + b.keyInfo() + object + end),
		digest: digest,
	}, nil
}

// newID returns an Id that is not in the document. The document cannot have it, because it depends
// on the digest of the document.
func (b *blueprint) newID() string {
	h := sha256.New()
	h.Write(b.scanned.digest)
	h.Write(b.credential.Certificate().Raw)
	for _, n := range []int64{b.size, b.scanned.At, b.time.UnixNano()} {
		binary.Write(h, binary.BigEndian, n) // a hash returns no error
	}
	return "S-" + hex.EncodeToString(h.Sum(nil)[:16])
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
func (b *blueprint) signedInfo(method string, propertiesDigest []byte) string {
	var x bytes.Buffer
	x.WriteString(infoTag + algorithm("CanonicalizationMethod", b.profile.SignedInfo.URI()))
	x.WriteString(algorithm("SignatureMethod", method))
	x.WriteString(`<ds:Reference Id="` + b.id + `-document" URI=""><ds:Transforms>`)
	x.WriteString(transformXML[b.scanned.transform] + algorithm("Transform", b.options.form.URI()))
	x.WriteString(`</ds:Transforms>` + b.digestXML(b.scanned.digest) + `</ds:Reference>`)
	x.WriteString(`<ds:Reference Type="` + signedPropertiesType + `" URI="#` + b.id + propertiesID + `"><ds:Transforms>`)
	x.WriteString(algorithm("Transform", b.profile.Properties.URI()) + `</ds:Transforms>`)
	x.WriteString(b.digestXML(propertiesDigest) + `</ds:Reference></ds:SignedInfo>`)
	return x.String()
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

// keyInfo returns KeyInfo with the certificate chain, the signing certificate first (ETSI EN 319
// 132-1 6.3).
func (b *blueprint) keyInfo() string {
	var x bytes.Buffer
	x.WriteString(keyInfoTag + `<ds:X509Data>`)
	for _, c := range b.credential.Chain {
		x.WriteString(`<ds:X509Certificate>` + base64.StdEncoding.EncodeToString(c.Raw) + `</ds:X509Certificate>`)
	}
	x.WriteString(`</ds:X509Data></ds:KeyInfo>`)
	return x.String()
}

// object returns the ds:Object with the qualifying properties (ETSI EN 319 132-1 4.3 and 5.2).
func (b *blueprint) object() string {
	h := b.profile.Digest.New()
	h.Write(b.credential.Certificate().Raw)
	return fmt.Sprintf(`<ds:Object><xades:QualifyingProperties xmlns:xades="%s" Target="#%s">`+
		propertiesTag+`Id="%s"><xades:SignedSignatureProperties>`+
		`<xades:SigningTime>%s</xades:SigningTime>`+
		`<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>%s</xades:CertDigest></xades:Cert>`+
		`</xades:SigningCertificateV2></xades:SignedSignatureProperties>`+
		`<xades:SignedDataObjectProperties><xades:DataObjectFormat ObjectReference="#%s-document">`+
		`<xades:MimeType>%s</xades:MimeType></xades:DataObjectFormat></xades:SignedDataObjectProperties>`+
		`</xades:SignedProperties></xades:QualifyingProperties></ds:Object>`,
		xadesNamespace, b.id, b.id+propertiesID, b.time.UTC().Format("2006-01-02T15:04:05Z"), b.digestXML(h.Sum(nil)), b.id,
		b.profile.MimeType)
}
