package xades

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// foundSignature is a ds:Signature as a document has it. Nothing in it is trusted.
type foundSignature struct {
	start, end int64 // offsets in the document
	depth      int
	around     *foundSignature // the innermost one that contains it, or nil
	id         string
	fault      string // why its structure is wrong; empty if it is not
	misordered bool   // its children are in the wrong order
	counts     map[string]int

	signedInfo       int64 // offset of SignedInfo
	canonicalization algorithmUse
	method           algorithmUse
	references       []*foundReference
	signatureValue   int64 // offset of SignatureValue
	value            string
	keyInfo          int64    // offset of KeyInfo; -1 if there is none
	certificates     []string // base64

	objects      []foundObject
	unsigned     []*foundProperty // children of UnsignedSignatureProperties
	values       int              // certificates, OCSP responses and CRLs in them
	stamps       int              // timestamps in them
	target       string           // of QualifyingProperties
	targets      bool             // QualifyingProperties has a target
	properties   int64            // offset of SignedProperties
	signingTime  string
	certificate  []certificateDigest // of SigningCertificate or SigningCertificateV2, the signer first
	formats      []string            // values of ObjectReference in DataObjectFormat with a MimeType
	formatTarget string              // of the open DataObjectFormat
}

// contains says whether the element is in the signature.
func (s *foundSignature) contains(e *element) bool { return e.start >= s.start && e.end <= s.end }

// holdsProperties says whether the element is the ds:Object of the signature that has its
// properties.
func (s *foundSignature) holdsProperties(e *element) bool {
	return slices.ContainsFunc(s.objects, func(o foundObject) bool { return o.start == e.start && o.properties })
}

// foundObject is a ds:Object.
type foundObject struct {
	start, end int64
	id         string
	properties bool // it contains the qualifying properties
	children   int  // elements
}

// foundReference is a ds:Reference.
type foundReference struct {
	id, uri, kind string
	named         bool // it has a URI
	transforms    []*algorithmUse
	digestMethod  string
	digestValue   string
	digestUnknown bool // the digest method has parameters that are not understood
	digestMethods int
	digestValues  int
}

// algorithmUse is an algorithm with its parameters.
type algorithmUse struct {
	uri      string
	prefixes []string // of InclusiveNamespaces
	leaves   []bool   // for each XPath expression, whether it leaves out all signatures and nothing else
	object   string   // Id of the object whose signed properties the only expression selects, or empty
	selects  bool     // the open expression selects what it finds
	unknown  bool     // it has parameters that are not understood
}

// certificateDigest is a CertDigest.
type certificateDigest struct{ method, value string }

// Limits of the signatures that are judged. They bound the memory for a hostile document.
const (
	maxSignatures   = 256
	maxFieldBytes   = 24 << 20 // a CRL; a certificate has 2 KiB
	maxKeptBytes    = 32 << 20 // of the fields of all signatures; the values of one can have 22 MiB
	maxValues       = 256      // certificates, OCSP responses and CRLs of one signature, as in pkg/cms
	maxStamps       = 32       // of one signature; archive timestamps are renewed after years
	maxProperties   = 256      // unsigned ones, of one signature
	maxCertificates = 100
	maxTransforms   = 16
)

// collector finds the signatures of a document.
type collector struct {
	tokens *xmlc14n.Tokenizer
	found  []*foundSignature
	open   []frame // the open elements from the outermost signature on
	text   []byte
	key    []byte
	total  int  // references
	kept   int  // bytes of fields
	many   bool // a limit was exceeded
	// content says that the document has more than signatures: elements, attributes or text that are
	// in no signature, besides the root element itself.
	content bool
}

// frame is an open element.
type frame struct {
	signature *foundSignature
	path      string // empty if the element does not matter
}

// token takes the next token of the document.
func (c *collector) token(t *xmlc14n.Token) {
	if len(c.open) == 0 && c.content && len(t.Local()) != len("Signature") {
		return // most tokens
	}
	switch t.Kind {
	case xmlc14n.StartElement, xmlc14n.Leaf:
		c.start(t)
		if t.Kind == xmlc14n.Leaf {
			c.addText(t)
			c.end(t)
		}
	case xmlc14n.Text:
		c.addText(t)
	case xmlc14n.EndElement:
		c.end(t)
	}
}

func (c *collector) addText(t *xmlc14n.Token) {
	if len(c.open) == 0 && !c.content {
		c.content = len(bytes.TrimSpace(t.Data())) > 0
	}
	if len(c.open) == 0 || !fields[c.open[len(c.open)-1].path] {
		return
	}
	if len(c.text) > maxFieldBytes {
		c.many = true
		return
	}
	c.text = append(c.text, t.Data()...)
}

func (c *collector) start(t *xmlc14n.Token) {
	if t.Is(dsNamespace, "Signature") {
		var around *foundSignature
		if n := len(c.open); n > 0 {
			around = c.open[n-1].signature
			c.child(c.open[n-1], "", t)
		}
		id, _ := t.Attr("", "Id")
		s := &foundSignature{
			start: t.Start(), depth: t.Depth, around: around, id: string(id), counts: map[string]int{}, signedInfo: -1,
			properties: -1, signatureValue: -1, keyInfo: -1,
		}
		if len(c.found) < maxSignatures {
			c.found = append(c.found, s)
		} else {
			c.many = true
		}
		c.open = append(c.open, frame{s, pSignature})
		return
	}
	if len(c.open) == 0 {
		c.content = c.content || t.Depth > 1 || slices.ContainsFunc(t.Attrs, isContent)
		return
	}
	outer := c.open[len(c.open)-1]
	path := c.path(outer.path, t)
	c.child(outer, path, t)
	c.open = append(c.open, frame{outer.signature, path})
	if path == "" {
		return
	}
	outer.signature.counts[path]++
	c.visit(outer.signature, path, t)
}

// child takes the start of an element with the path, or "" if it is not understood, below an open
// element.
func (c *collector) child(outer frame, path string, t *xmlc14n.Token) {
	c.text = c.text[:0] // fields have no elements, only text
	s := outer.signature
	switch outer.path {
	case pProperty:
		c.property(s, path, t)
	case pObject:
		s.objects[len(s.objects)-1].children++
	}
	if path == "" {
		s.unknown(outer.path)
	}
}

// isContent says whether an attribute of the root element may say something to the reader of the
// document.
func isContent(a xmlc14n.Attr) bool { return !isID(&a) && string(a.Space) != instanceNamespace }

// path returns the path of an element below an element with the path, or "" if it does not matter.
func (c *collector) path(outer string, t *xmlc14n.Token) string {
	prefix, known := prefixes[string(t.Space())]
	if outer == "" || !known {
		return ""
	}
	c.key = append(append(append(append(c.key[:0], outer...), '/'), prefix...), t.Local()...)
	return paths[string(c.key)]
}

// unknown notes an element that is not understood below an element with the path. Parts of
// SignedInfo must all be understood.
func (s *foundSignature) unknown(path string) {
	switch path {
	case pTransform:
		s.last().transforms[len(s.last().transforms)-1].unknown = true
	case pC14N:
		s.canonicalization.unknown = true
	case pMethod:
		s.method.unknown = true
	case pHash:
		s.last().digestUnknown = true
	case pStamp, pArchive, pStamp + stampForm, pArchive + stampForm:
		s.property().unknown = true
	case pSignature, pValue, pQualifying:
		s.fault = "it has an element that does not belong there"
	default:
		if strings.HasPrefix(path, pInfo) {
			s.fault = "SignedInfo has an element that does not belong there"
		}
	}
}

func (s *foundSignature) last() *foundReference { return s.references[len(s.references)-1] }

// checkOrder checks the order of the children of a signature: SignedInfo, SignatureValue, KeyInfo,
// objects (XML Signature 1.1, 4.1).
func (s *foundSignature) checkOrder(path string) {
	switch {
	case path == pInfo && s.signatureValue >= 0,
		(path == pInfo || path == pValue) && s.keyInfo >= 0,
		(path == pInfo || path == pValue || path == pKeyInfo) && len(s.objects) > 0:
		s.misordered = true
	}
}

// visit takes the start of an element that matters.
func (c *collector) visit(s *foundSignature, path string, t *xmlc14n.Token) {
	attr := func(name string) string {
		value, _ := t.Attr("", name)
		return string(value)
	}
	s.checkOrder(path)
	switch path {
	case pInfo:
		s.signedInfo = t.Start()
	case pC14N:
		s.canonicalization.uri = attr("Algorithm")
	case pC14NList:
		s.canonicalization.prefixes = strings.Fields(attr("PrefixList"))
	case pMethod:
		s.method.uri = attr("Algorithm")
	case pReference:
		_, named := t.Attr("", "URI")
		if c.total++; c.total > maxReferences {
			c.many = true
		}
		s.references = append(s.references,
			&foundReference{id: attr("Id"), uri: attr("URI"), named: named, kind: attr("Type")})
	case pTransform:
		r := s.last()
		r.transforms = append(r.transforms, &algorithmUse{uri: attr("Algorithm")})
		c.many = c.many || len(r.transforms) > maxTransforms
	case pList:
		s.transform().prefixes = strings.Fields(attr("PrefixList"))
	case pXPath, pFilter:
		// Only the content of the element can make it true.
		s.transform().leaves = append(s.transform().leaves, path == pXPath || attr("Filter") == "subtract")
		s.transform().selects = path == pFilter && attr("Filter") == "intersect"
	case pHash:
		s.last().digestMethod = attr("Algorithm")
		s.last().digestMethods++
	case pDigest:
		s.last().digestValues++
	case pValue:
		s.signatureValue = t.Start()
	case pKeyInfo:
		s.keyInfo = t.Start()
	case pObject:
		s.objects = append(s.objects, foundObject{start: t.Start(), id: attr("Id")})
	case pQualifying:
		s.target = attr("Target")
		_, s.targets = t.Attr("", "Target")
		s.objects[len(s.objects)-1].properties = true
	case pProperties:
		s.properties = t.Start()
	case pV1 + certHash, pV2 + certHash, pV1 + oldCertHash:
		s.certificate = append(s.certificate, certificateDigest{method: attr("Algorithm")})
	case pFormat:
		s.formatTarget = attr("ObjectReference")
	default:
		if len(s.unsigned) > 0 {
			s.property().visit(path, attr)
		}
	}
}

func (s *foundSignature) transform() *algorithmUse {
	return s.last().transforms[len(s.last().transforms)-1]
}

// expressions are the XPath expressions that leave out all signatures, for each element that can
// hold one. The group is the prefix of XML Signature.
var expressions = map[string]*regexp.Regexp{
	pXPath:  regexp.MustCompile(`^\s*not\s*\(\s*ancestor-or-self\s*::\s*([^\s:()]+):Signature\s*\)\s*$`),
	pFilter: regexp.MustCompile(`^\s*(?:/\s*descendant\s*::\s*|//\s*)([^\s:()/]+):Signature\s*$`),
}

// selectsProperties matches the expression with which A-Trust and MOA-SS, whose signed properties
// have no Id, select those in the object with an Id. The groups are the Id and two prefixes of
// XAdES.
var selectsProperties = regexp.MustCompile(`^\s*(?://\*\[@Id=|id\()'([^'\s]+)'[\])]` +
	`/([^\s:()/]+):QualifyingProperties/([^\s:()/]+):SignedProperties\s*$`)

// expression notes the text of an XPath element.
func (c *collector) expression(a *algorithmUse, path, text string) {
	bound := func(prefix, path string) bool {
		return slices.ContainsFunc(c.tokens.Context().Namespaces, func(n xmlc14n.Namespace) bool {
			known, ok := prefixes[n.URI]
			return n.Prefix == prefix && ok && known == path
		})
	}
	last := len(a.leaves) - 1
	m := expressions[path].FindStringSubmatch(text)
	a.leaves[last] = a.leaves[last] && m != nil && bound(m[1], "")
	a.object = ""
	m = selectsProperties.FindStringSubmatch(text)
	if a.selects && last == 0 && m != nil && bound(m[2], "xa:") && bound(m[3], "xa:") {
		a.object = m[1]
	}
}

// end takes the end of an element.
func (c *collector) end(t *xmlc14n.Token) {
	if len(c.open) == 0 {
		return
	}
	f := c.open[len(c.open)-1]
	c.open = c.open[:len(c.open)-1]
	s, text := f.signature, string(c.text)
	c.text = c.text[:0]
	if c.kept += len(text); c.kept > maxKeptBytes {
		c.many = true
	}
	switch f.path {
	case pSignature:
		s.end = t.End()
	case pObject:
		s.objects[len(s.objects)-1].end = t.End()
	case pXPath, pFilter:
		c.expression(s.transform(), f.path, text)
	case pDigest:
		s.last().digestValue = text
	case pValue:
		s.value = text
	case pX509:
		if s.certificates = append(s.certificates, text); len(s.certificates) > maxCertificates {
			c.many = true
		}
	case pTime:
		s.signingTime = text
	case pV1 + certValue, pV2 + certValue, pV1 + oldCertValue:
		if n := len(s.certificate); n > 0 {
			s.certificate[n-1].value = text
		}
	case pMime:
		s.formats = append(s.formats, s.formatTarget)
	default:
		if len(s.unsigned) > 0 {
			s.endInProperty(f.path, text)
			c.many = c.many || s.values > maxValues || s.stamps > maxStamps
		}
	}
}
