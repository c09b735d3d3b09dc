package xades

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// spec is a profile as a YAML file has it.
type spec struct {
	Base   string `yaml:"base"` // profile whose values apply where this one has none
	Digest string `yaml:"digest"`
	Forms  struct {
		Data             string `yaml:"data"`
		SignedInfo       string `yaml:"signedInfo"`
		SignedProperties string `yaml:"signedProperties"`
		KeyInfo          string `yaml:"keyInfo"`
		Timestamps       string `yaml:"timestamps"`
	} `yaml:"canonicalization"`
	Transform  string     `yaml:"transform"`
	Requests   []setting  `yaml:"requestsMayChoose"`
	References []covered  `yaml:"references"`
	IDs        suffixes   `yaml:"ids"`
	Places     [][]placed `yaml:"places"`
	Signature  struct {
		Algorithms []signing.SignatureAlgorithm `yaml:"algorithms"`
		Hashes     []string                     `yaml:"hashes"`
		MinRSABits int                          `yaml:"minRSABits"`
		MinECBits  int                          `yaml:"minECBits"`
	} `yaml:"signature"`
	SigningCertificate string      `yaml:"signingCertificate"`
	IssuerName         issuerStyle `yaml:"issuerName"`
	KeyInfo            struct {
		KeyValue bool `yaml:"keyValue"`
		Chain    bool `yaml:"chain"`
	} `yaml:"keyInfo"`
	Base64LineWidth int        `yaml:"base64LineWidth"`
	SigningTime     string     `yaml:"signingTime"`
	Policy          *policy    `yaml:"policy"`
	Role            string     `yaml:"role"`
	ProductionPlace location   `yaml:"productionPlace"`
	Commitment      string     `yaml:"commitment"`
	Format          dataFormat `yaml:"dataObjectFormat"`
}

// placed is a step of a place.
type placed struct {
	Namespace string `yaml:"namespace"`
	Name      string `yaml:"name"`
	Child     bool   `yaml:"child"` // a child of the step before it; otherwise anywhere below it
}

// clone returns a copy that can be changed.
func (s *spec) clone() *spec {
	c := *s
	c.Requests, c.References = slices.Clone(s.Requests), slices.Clone(s.References)
	c.Places = slices.Clone(s.Places) // decoding replaces lists as a whole
	c.Signature.Algorithms = slices.Clone(s.Signature.Algorithms)
	c.Signature.Hashes = slices.Clone(s.Signature.Hashes)
	if s.Policy != nil {
		p := *s.Policy
		c.Policy = &p
	}
	return &c
}

// specReader converts a spec and collects its mistakes.
type specReader struct{ mistakes []error }

func (r *specReader) mistake(format string, args ...any) {
	r.mistakes = append(r.mistakes, fmt.Errorf(format, args...))
}

// timeLayouts are the ways to write the zone of SigningTime.
var timeLayouts = map[string]string{"Z": "2006-01-02T15:04:05Z", "OFFSET": "2006-01-02T15:04:05+00:00"}

// profile returns the profile with a name. The error joins all mistakes.
func (s *spec) profile(name string) (*Profile, error) {
	r := &specReader{}
	p := &Profile{
		Name: name, Digest: r.hash("digest", s.Digest),
		Data:       r.form("data", s.Forms.Data),
		SignedInfo: r.form("signedInfo", s.Forms.SignedInfo),
		Properties: r.form("signedProperties", s.Forms.SignedProperties),
		KeyInfo:    r.form("keyInfo", s.Forms.KeyInfo),
		Timestamps: r.form("timestamps", s.Forms.Timestamps),
		MimeType:   s.Format.MimeType,
		Places:     r.places(s.Places),
		requests:   s.Requests, references: s.References, ids: s.IDs, keys: r.keys(s),
		lineWidth: s.Base64LineWidth, timeLayout: timeLayouts[s.SigningTime],
		version1: s.SigningCertificate == "V1", issuerName: s.IssuerName,
		keyValue: s.KeyInfo.KeyValue, chain: s.KeyInfo.Chain,
		policy: r.policy(s.Policy), role: s.Role, productionPlace: s.ProductionPlace, commitment: s.Commitment,
		format: s.Format,
	}
	transform, ok := keyOf(transformNames, s.Transform)
	if !ok {
		r.mistake("transform: %q is not ENVELOPED, XPATH or XPATH2_FILTER", s.Transform)
	}
	p.transform = transform
	r.choices(s)
	r.references(s)
	r.texts(s)
	return p, errors.Join(r.mistakes...)
}

// choices checks the fields that have one of a few values.
func (r *specReader) choices(s *spec) {
	for _, c := range s.Requests {
		if !slices.Contains([]setting{requestedForm, requestedTransform, requestedPlace}, c) {
			r.mistake("requestsMayChoose: %q is not canonicalTransform, signatureTransform or signatureLocation", c)
		}
	}
	if s.SigningCertificate != "V1" && s.SigningCertificate != "V2" {
		r.mistake("signingCertificate: %q is not V1 or V2", s.SigningCertificate)
	}
	if _, ok := issuerStyles[s.IssuerName]; !ok {
		r.mistake("issuerName: %q is not RFC2253 or ROOT_FIRST", s.IssuerName)
	}
	if _, ok := timeLayouts[s.SigningTime]; !ok {
		r.mistake("signingTime: %q is not Z or OFFSET", s.SigningTime)
	}
	if w := s.Base64LineWidth; w != 0 && (w < 4 || w > 1000 || w%4 != 0) {
		r.mistake("base64LineWidth: %d is not 0 or a multiple of 4 up to 1000", w)
	}
	if s.SigningCertificate == "V1" && s.ProductionPlace.StreetAddress != "" {
		r.mistake("productionPlace.streetAddress: there is none with signingCertificate V1")
	}
}

// references checks the list of references and the Ids. The document comes first, because an
// archive timestamp hashes the references in this order and must not read the document again.
func (r *specReader) references(s *spec) {
	n := map[covered]int{}
	for _, c := range s.References {
		n[c]++
	}
	if len(s.References) == 0 || s.References[0] != coversData || n[coversData] != 1 || n[coversProperties] != 1 ||
		n[coversKeyInfo] > 1 || len(s.References) != 2+n[coversKeyInfo] {
		r.mistake("references: want DATA, then SIGNED_PROPERTIES and, if KeyInfo is signed, KEY_INFO in any order")
	}
	ids := &s.IDs
	if !idPrefix.MatchString(ids.Prefix) {
		r.mistake("ids.prefix: %q is not a letter and up to 40 letters, digits, dots, hyphens and underscores", ids.Prefix)
	}
	seen := map[string]bool{}
	for _, suffix := range []string{ids.Data, ids.SignatureValue, ids.KeyInfo, ids.SignedProperties} {
		if !idSuffix.MatchString(suffix) || seen[suffix] {
			r.mistake("ids: the ends are different texts of 1 to 40 letters, digits, dots, hyphens and underscores, not %q",
				suffix)
		}
		seen[suffix] = true
	}
}

// idPrefix and idSuffix are what an Id can start and end with.
var (
	idPrefix = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,40}$`)
	idSuffix = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)
)

// hash returns the hash with a name.
func (r *specReader) hash(field, name string) crypto.Hash {
	h, ok := keyOf(hashNames, name)
	if !ok {
		r.mistake("%s: %q is not SHA-256, SHA-384 or SHA-512", field, name)
	}
	return h
}

// hashNames are the names of hashes in profiles.
var hashNames = map[crypto.Hash]string{crypto.SHA256: "SHA-256", crypto.SHA384: "SHA-384", crypto.SHA512: "SHA-512"}

// form returns the canonical form with a name.
func (r *specReader) form(field, name string) xmlc14n.Form {
	f, ok := formNamed(name)
	if !ok {
		r.mistake("canonicalization.%s: %q is not known", field, name)
	}
	return f
}

// keys returns what is demanded of the key.
func (r *specReader) keys(s *spec) keyDemands {
	d := keyDemands{
		algorithms: s.Signature.Algorithms, minRSABits: s.Signature.MinRSABits, minECBits: s.Signature.MinECBits,
	}
	for _, a := range d.algorithms {
		if !slices.Contains([]signing.SignatureAlgorithm{signing.RSAPKCS1, signing.RSAPSS, signing.ECDSA}, a) {
			r.mistake("signature.algorithms: %q is not RSA, PSS or ECDSA", a)
		}
	}
	for _, name := range s.Signature.Hashes {
		d.hashes = append(d.hashes, r.hash("signature.hashes", name))
	}
	if len(d.algorithms) == 0 || len(d.hashes) == 0 {
		r.mistake("signature: algorithms and hashes need at least one value each")
	}
	if d.minRSABits < 0 || d.minRSABits > 16384 || d.minECBits < 0 || d.minECBits > 521 {
		r.mistake("signature: minRSABits is at most 16384 and minECBits at most 521")
	}
	return d
}

// places returns the places. Namespaces are compared, not prefixes.
func (r *specReader) places(all [][]placed) (places []place) {
	for _, steps := range all {
		var p place
		for _, s := range steps {
			if s.Namespace == "" || !isName(s.Name) {
				r.mistake("places: a step needs a namespace and a name without a prefix, not %q and %q", s.Namespace, s.Name)
			}
			a := descendant
			if s.Child {
				a = child
			}
			p = append(p, step{axis: a, space: s.Namespace, local: s.Name})
		}
		if len(p) == 0 || len(p) > maxSteps {
			r.mistake("places: a place has 1 to %d steps", maxSteps)
		}
		places = append(places, p)
	}
	return places
}

// policy checks the identification of the policy.
func (r *specReader) policy(p *policy) *policy {
	if p == nil {
		return nil
	}
	c := *p
	want := 0
	switch {
	case p.Digest == "SHA-1":
		c.digestURI, want = sha1URI, crypto.SHA1.Size()
	default:
		h := r.hash("policy.digest", p.Digest)
		c.digestURI = digestMethods[h]
		if h != 0 {
			want = h.Size()
		}
	}
	if hash, err := base64.StdEncoding.DecodeString(p.Hash); err != nil || len(hash) != want {
		r.mistake("policy.hash: %q is not the base64 of a %s hash", p.Hash, p.Digest)
	}
	r.uri("policy.identifier", p.Identifier)
	if p.SPURI != "" {
		r.uri("policy.spuri", p.SPURI)
	}
	r.qualifier("policy", p.Qualifier, p.Identifier)
	return &c
}

// uri checks an absolute URI.
func (r *specReader) uri(field, text string) {
	if u, err := url.Parse(text); err != nil || u.Scheme == "" {
		r.mistake("%s: %q is not an absolute URI", field, text)
	}
}

// qualifier checks how an OID is written.
func (r *specReader) qualifier(field, qualifier, identifier string) {
	switch {
	case qualifier == "":
	case qualifier != "OIDAsURN" && qualifier != "OIDAsURI":
		r.mistake("%s.qualifier: %q is not OIDAsURN or OIDAsURI", field, qualifier)
	case qualifier == "OIDAsURN" && !strings.HasPrefix(identifier, "urn:oid:"):
		r.mistake("%s.identifier: %q does not start with urn:oid:, as OIDAsURN demands", field, identifier)
	}
}

// maxProfileText bounds a text of a profile, in bytes. The longest known URL has 150.
const maxProfileText = 1000

// texts checks the texts that are written into signatures.
func (r *specReader) texts(s *spec) {
	if s.Format.MimeType == "" {
		r.mistake("dataObjectFormat.mimeType is missing")
	}
	if s.Format.Identifier != "" {
		r.uri("dataObjectFormat.identifier", s.Format.Identifier)
	}
	r.qualifier("dataObjectFormat", s.Format.Qualifier, s.Format.Identifier)
	if s.Commitment != "" {
		r.uri("commitment", s.Commitment)
	}
	l, f := &s.ProductionPlace, &s.Format
	all := []string{
		s.Role, s.Commitment, l.City, l.StreetAddress, l.StateOrProvince, l.PostalCode, l.CountryName,
		f.Description, f.Identifier, f.MimeType, f.Encoding,
	}
	if p := s.Policy; p != nil {
		all = append(all, p.Identifier, p.Description, p.SPURI)
	}
	for _, text := range all {
		if len(text) > maxProfileText || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			r.mistake("a text is longer than %d bytes or has control characters: %.60q", maxProfileText, text)
		}
	}
}
