package xades

import (
	"fmt"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// judge judges one signature. It first plans what a pass over the document measures.
type judge struct {
	found      *foundSignature
	all        []*foundSignature // of the document
	content    bool              // the document has more than signatures
	invalid    string            // the first reason why it is not valid
	unknown    string            // the first reason why it cannot be judged
	method     method
	signedInfo *digest
	references []plannedReference
	stamps     []*plannedStamp
	inKeyInfo  bool // the certificate of the signer is there
}

// plannedReference is a reference that is being judged.
type plannedReference struct {
	*foundReference
	part      part     // that the digest is of
	canonical bool     // a transform says in which canonical form
	digest    *digest  // nil if it cannot be computed
	element   *element // that it names; nil = the whole document
	leavesOut bool     // a transform leaves out all signatures

	properties bool // it names the signed properties, or says so
	selects    bool // a transform selects the signed properties in the element
}

func (j *judge) refuse(format string, args ...any) {
	if j.invalid == "" {
		j.invalid = fmt.Sprintf(format, args...)
	}
}

func (j *judge) giveUp(format string, args ...any) {
	if j.unknown == "" {
		j.unknown = fmt.Sprintf(format, args...)
	}
}

// plan checks the structure and asks m for what is needed.
func (j *judge) plan(m *measurer) {
	f := j.found
	if f.fault != "" {
		j.refuse("%s", f.fault)
	}
	for _, path := range []string{pInfo, pC14N, pMethod, pValue} {
		if f.counts[path] != 1 {
			j.refuse("%s is there %d times, want once", strings.TrimPrefix(path, pSignature+"/"), f.counts[path])
			return
		}
	}
	if n := f.counts[pKeyInfo]; n > 1 {
		j.refuse("KeyInfo is there %d times, want at most once", n)
	}
	if len(f.references) == 0 {
		j.refuse("it has no reference")
	}
	form, ok := formOf(&f.canonicalization)
	if !ok {
		j.giveUp("the canonicalization method of SignedInfo is not supported")
	}
	if j.method, ok = keyOf(signatureMethods, f.method.uri); !ok || f.method.unknown {
		j.giveUp("the signature method is not supported")
	}
	if j.unknown == "" {
		j.signedInfo = j.measure(m, part{hash: j.method.hash, element: f.signedInfo}.withForm(form))
	}
	for i, r := range f.references {
		j.planReference(m, i+1, r)
	}
	j.planStamps(m)
}

// formOf returns the canonical form of an algorithm.
func formOf(a *algorithmUse) (xmlc14n.Form, bool) {
	form, ok := xmlc14n.ParseURI(a.uri)
	if len(a.prefixes) > 0 {
		ok = ok && form.Method == xmlc14n.Exclusive
		form.Prefixes = a.prefixes
	}
	return form, ok && !a.unknown
}

// measure asks for the digest of a part.
func (j *judge) measure(m *measurer, p part) *digest {
	d := m.add(p)
	if d == nil {
		j.giveUp("the document has too many references")
	}
	return d
}

// planReference asks for the digest of a reference. n counts from 1.
func (j *judge) planReference(m *measurer, n int, r *foundReference) {
	p := plannedReference{foundReference: r}
	defer func() { j.references = append(j.references, p) }()
	name, local := strings.CutPrefix(r.uri, "#")
	if r.digestMethods != 1 || r.digestValues != 1 {
		j.refuse("reference %d does not have one digest", n)
		return
	}
	if !r.named || r.uri != "" && (!local || name == "" || strings.HasPrefix(name, "xpointer(")) {
		j.giveUp("reference %d has a URI that is not supported", n)
		return
	}
	hash, known := keyOf(digestMethods, r.digestMethod)
	what := part{hash: hash, method: xmlc14n.Inclusive10, id: name}
	if local {
		p.element = m.lookUp(name)
	} else {
		what.id = ""
	}
	p.selectProperties(&what, j.found, m)
	switch {
	case !known || r.digestUnknown:
		j.giveUp("the digest method of reference %d is not supported", n)
	case !p.apply(&what, j.found.start):
		j.giveUp("the transforms of reference %d are not supported", n)
	default:
		p.part = what
		p.digest = j.measure(m, what)
	}
}

// selectProperties finds out whether the first transform selects the signed properties of the
// signature in the object that it names. checkReferences checks that there is only one such object.
func (p *plannedReference) selectProperties(what *part, f *foundSignature, m *measurer) {
	if len(p.transforms) == 0 || f.properties < 0 {
		return
	}
	object := p.transforms[0].object
	if object == "" || p.transforms[0].uri != filter2URI || p.transforms[0].unknown ||
		p.uri != "" && p.uri != "#"+object {
		return
	}
	p.selects, p.element = true, m.lookUp(object)
	what.id, what.element = "", f.properties
}

// apply applies the transforms of the reference: first those that leave out signatures, then at
// most one canonicalization, or else only base64. The signature starts at the offset. It returns
// false if they are not supported.
func (p *plannedReference) apply(what *part, signature int64) bool {
	if len(p.transforms) == 1 && p.transforms[0].uri == base64URI {
		what.base64 = true
		return what.id != ""
	}
	transforms := p.transforms
	if p.selects {
		transforms = transforms[1:]
	}
	for _, t := range transforms {
		if p.canonical || len(t.leaves) > 0 && t.uri != xpathURI && t.uri != filter2URI {
			return false
		}
		switch t.uri {
		case envelopedURI:
			if t.unknown {
				return false
			}
			what.omit, what.omits = signature, true
		case xpathURI, filter2URI:
			if t.unknown || len(t.leaves) != 1 || !t.leaves[0] {
				return false
			}
			p.leavesOut, what.omitsSigs = true, true
		default:
			form, ok := formOf(t)
			if !ok {
				return false
			}
			// A reference inside the document has no comments (XML Signature 1.1 section 4.4.3.3).
			*what, p.canonical = what.withForm(dereferenced(form)), true
		}
	}
	if what.omitsSigs {
		what.omit, what.omits = 0, false // it is one of them
	}
	return true
}
