package xades

import (
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// foundProperty is an unsigned property, a child of UnsignedSignatureProperties, as a document has
// it.
type foundProperty struct {
	start int64
	path  string // empty if it is not one of those that are understood
	local string // name of the element

	form    algorithmUse // of a timestamp; without an identifier it is Canonical XML 1.0
	forms   int          // elements that say so
	tokens  []string     // of a timestamp, base64
	unknown bool         // it has an element or attribute that is not understood

	certificates, crls, ocsps []string         // base64
	stamps                    []*cms.Timestamp // of tokens, those that can be read
}

// property notes that an unsigned property starts.
func (c *collector) property(s *foundSignature, path string, t *xmlc14n.Token) {
	if len(s.unsigned) == maxProperties {
		c.many = true
		return
	}
	s.unsigned = append(s.unsigned, &foundProperty{start: t.Start(), path: path, local: string(t.Local())})
}

// property returns the last unsigned property.
func (s *foundSignature) property() *foundProperty { return s.unsigned[len(s.unsigned)-1] }

// derEncoding is the encoding of the values of properties if none is named.
const derEncoding = "http://uri.etsi.org/01903/v1.2.2#DER"

// visit takes the start of an element in the property.
func (p *foundProperty) visit(path string, attr func(string) string) {
	switch path {
	case pStamp + stampForm, pArchive + stampForm:
		p.forms++
		p.form.uri = attr("Algorithm")
	case pStamp + stampList, pArchive + stampList:
		p.form.prefixes = strings.Fields(attr("PrefixList"))
	case pStamp + stampToken, pArchive + stampToken:
		encoding := attr("Encoding")
		p.unknown = p.unknown || encoding != "" && encoding != derEncoding
	}
}

// endInProperty takes the end of an element in the last property with its text.
func (s *foundSignature) endInProperty(path, text string) {
	p := s.property()
	switch path {
	case pStamp + stampToken, pArchive + stampToken:
		p.tokens = append(p.tokens, text)
		s.stamps++
		return
	case pProperty + certItem, pValidation + certItem:
		p.certificates = append(p.certificates, text)
	case pProperty + crlItem, pValidation + crlItem:
		p.crls = append(p.crls, text)
	case pProperty + ocspItem, pValidation + ocspItem:
		p.ocsps = append(p.ocsps, text)
	default:
		return
	}
	s.values++
}

// isStamp says whether the property is a timestamp that is judged.
func (p *foundProperty) isStamp() bool { return p.path == pStamp || p.path == pArchive }

// notJudged are unsigned properties with signatures of their own that Verify does not judge.
var notJudged = map[string]string{
	"ArchiveTimeStamp":    "archive timestamp of an older version of XAdES",
	"SigAndRefsTimeStamp": "timestamp over references", "SigAndRefsTimeStampV2": "timestamp over references",
	"RefsOnlyTimeStamp": "timestamp over references", "RefsOnlyTimeStampV2": "timestamp over references",
}

// hasRefs says whether the signature has references to validation data, which the levels B-LT and
// B-LTA forbid (ETSI EN 319 132-1 6.3).
func (s *foundSignature) hasRefs() bool {
	for _, p := range s.unsigned {
		if name := strings.TrimSuffix(p.local, "V2"); strings.HasSuffix(name, "Refs") {
			return true
		}
	}
	return false
}

// evidenceOf returns the validation data in KeyInfo and in unsigned properties. Values that cannot
// be read are left out.
func (s *foundSignature) evidenceOf(properties []*foundProperty) *evidence.Set {
	e := &evidence.Set{}
	add := func(values []string, to func([]byte)) {
		for _, text := range values {
			if der, err := decode(text); err == nil {
				to(der)
			}
		}
	}
	add(s.certificates, e.AddCertificate)
	for _, p := range properties {
		add(p.certificates, e.AddCertificate)
		add(p.crls, e.AddCRL)
		add(p.ocsps, e.AddOCSP)
		for _, t := range p.stamps {
			for _, der := range t.Signed.RawCertificates {
				e.AddCertificate(der)
			}
			for _, choice := range t.Signed.CRLs {
				if response := cms.OCSPOf(choice); response != nil {
					e.AddOCSP(response)
				} else {
					e.AddCRL(choice)
				}
			}
		}
	}
	return e
}
