package xades

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// Profile says what a kind of signature looks like, where receivers differ. Its values are data:
// the code that signs treats all profiles in the same way. ParseProfiles reads profiles. A Profile
// is not changed after that.
type Profile struct {
	Name string
	// Digest is the hash of the references and of the signing certificate.
	Digest crypto.Hash
	// Data is the canonical form of the document unless the request asks for another.
	Data xmlc14n.Form
	// SignedInfo, Properties and KeyInfo are the canonical forms of SignedInfo, SignedProperties and,
	// if a reference covers it, KeyInfo.
	SignedInfo, Properties, KeyInfo xmlc14n.Form
	// Timestamps is the canonical form of what timestamps are over.
	Timestamps xmlc14n.Form
	MimeType   string // of the document, in DataObjectFormat
	// Places are where a document is signed if the request names no place: the first one that is in
	// the document exactly once. If none is, the signature is the last child of the root element.
	Places []place

	transform  transform  // unless the request asks for another
	requests   []setting  // what a request may choose
	references []covered  // in the order of SignedInfo; the document is the first one
	ids        suffixes   // of the Ids in the signature
	keys       keyDemands // of the signing key
	lineWidth  int        // of base64, characters; 0 = one line
	timeLayout string     // of SigningTime, which is in UTC

	version1   bool        // SigningCertificate and SignerRole instead of their second versions
	issuerName issuerStyle // in version 1
	keyValue   bool        // KeyInfo has the key besides the certificates
	chain      bool        // KeyInfo has the whole certificate chain, not only the signing certificate

	policy          *policy // nil = none
	role            string  // claimed; empty = none
	productionPlace location
	commitment      string // URI of the commitment; empty = none
	format          dataFormat
}

// setting is a part of the request's advancedSignatureInfo.
type setting string

// The settings, by the names of their fields.
const (
	requestedForm      setting = "canonicalTransform"
	requestedTransform setting = "signatureTransform"
	requestedPlace     setting = "signatureLocation"
)

// covered is what a reference covers.
type covered string

const (
	coversData       covered = "DATA"
	coversKeyInfo    covered = "KEY_INFO"
	coversProperties covered = "SIGNED_PROPERTIES"
)

// suffixes are what the Ids in a signature have behind the Id of the signature, which starts with
// Prefix.
type suffixes struct {
	Prefix           string `yaml:"prefix"`
	Data             string `yaml:"data"` // of the reference to the document
	SignatureValue   string `yaml:"signatureValue"`
	KeyInfo          string `yaml:"keyInfo"` // used if a reference covers KeyInfo
	SignedProperties string `yaml:"signedProperties"`
}

// policy identifies a signature policy document (ETSI EN 319 132-1 5.2.9).
type policy struct {
	Identifier  string `yaml:"identifier"`
	Qualifier   string `yaml:"qualifier"` // OIDAsURN or OIDAsURI; empty = Identifier is no OID
	Description string `yaml:"description"`
	Digest      string `yaml:"digest"` // SHA-1 is accepted here: it is the published hash of a known document
	Hash        string `yaml:"hash"`   // base64
	SPURI       string `yaml:"spuri"`  // where the document is
	digestURI   string
}

// location is where the signer claims to be (ETSI EN 319 132-1 5.2.5).
type location struct {
	City            string `yaml:"city"`
	StreetAddress   string `yaml:"streetAddress"` // not in version 1
	StateOrProvince string `yaml:"stateOrProvince"`
	PostalCode      string `yaml:"postalCode"`
	CountryName     string `yaml:"countryName"`
}

// dataFormat are the optional parts of DataObjectFormat (ETSI EN 319 132-1 5.2.4).
type dataFormat struct {
	Description string `yaml:"description"`
	Identifier  string `yaml:"identifier"`
	Qualifier   string `yaml:"qualifier"` // OIDAsURN or OIDAsURI
	MimeType    string `yaml:"mimeType"`
	Encoding    string `yaml:"encoding"`
}

// keyDemands are what a profile demands of the signing key.
type keyDemands struct {
	algorithms []signing.SignatureAlgorithm
	hashes     []crypto.Hash // the best one first
	minRSABits int           // 0 = any
	minECBits  int           // of the order of the curve; 0 = any
}

// mayChoose says whether a request may choose the setting.
func (p *Profile) mayChoose(s setting) bool { return slices.Contains(p.requests, s) }

// signsKeyInfo says whether a reference covers KeyInfo.
func (p *Profile) signsKeyInfo() bool { return slices.Contains(p.references, coversKeyInfo) }

// checkKey returns an error if the profile forbids the key of the credential or its hash.
func (p *Profile) checkKey(c *signing.Credential) error {
	d := &p.keys
	if !slices.Contains(d.algorithms, c.Algorithm) {
		return p.refuses("the signature algorithm must be %s, the credential signs with %s", oneOf(d.algorithms),
			c.Algorithm)
	}
	bits, least := 0, 0
	switch key := c.Certificate().PublicKey.(type) {
	case *rsa.PublicKey:
		bits, least = key.N.BitLen(), d.minRSABits
	case *ecdsa.PublicKey:
		bits, least = key.Curve.Params().N.BitLen(), d.minECBits
	}
	if bits < least {
		return p.refuses("the key must have at least %d bits, the key of the credential has %d", least, bits)
	}
	if !slices.Contains(d.hashes, c.Hash) {
		return p.refuses("the hash of the signature must be %s, the credential signs with %s", oneOf(d.hashes), c.Hash)
	}
	return nil
}

// refuses returns an error that says why the profile cannot be used with a credential.
func (p *Profile) refuses(format string, args ...any) error {
	return signing.Errorf(signing.KindConfiguration, "profile %s: %s", p.Name, fmt.Sprintf(format, args...))
}

// oneOf returns the values as "a, b or c".
func oneOf[T any](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	last := len(texts) - 1
	if last <= 0 {
		return strings.Join(texts, "")
	}
	return strings.Join(texts[:last], ", ") + " or " + texts[last]
}
