package xades

import (
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// transform is how the reference to the document leaves out the signature.
type transform uint8

const (
	enveloped transform = iota // the new signature alone
	xpath                      // all signatures, with an XPath expression
	filter2                    // all signatures, with XPath Filter 2.0
)

// transformNames are the values of signatureTransform.
var transformNames = map[transform]string{enveloped: "ENVELOPED", xpath: "XPATH", filter2: "XPATH2_FILTER"}

// formNames are the values of canonicalTransform.
var formNames = []struct {
	name string
	form xmlc14n.Form
}{
	{"EXCLUSIVE", xmlc14n.Form{Method: xmlc14n.Exclusive}},
	{"EXCLUSIVE_WITH_COMMENTS", xmlc14n.Form{Method: xmlc14n.Exclusive, Comments: true}},
	{"INCLUSIVE", xmlc14n.Form{Method: xmlc14n.Inclusive10}},
	{"INCLUSIVE_WITH_COMMENTS", xmlc14n.Form{Method: xmlc14n.Inclusive10, Comments: true}},
	{"INCLUSIVE_11", xmlc14n.Form{Method: xmlc14n.Inclusive11}},
	{"INCLUSIVE_11_WITH_COMMENTS", xmlc14n.Form{Method: xmlc14n.Inclusive11, Comments: true}},
}

// options are what a request asks for, with the values of the profile where it asks for nothing.
type options struct {
	transform transform
	form      xmlc14n.Form
	place     place // nil = Profile.Places
	location  string
}

// formNamed returns the canonical form with a name.
func formNamed(name string) (xmlc14n.Form, bool) {
	for _, n := range formNames {
		if n.name == name {
			return n.form, true
		}
	}
	return xmlc14n.Form{}, false
}

// parseOptions reads the request's advancedSignatureInfo, which may be nil. A profile may fix a
// setting. Then the request can only ask for the value that the profile has.
func parseOptions(p *Profile, a *signing.AdvancedSignature) (options, error) {
	o := options{form: p.Data, transform: p.transform}
	if a == nil {
		return o, nil
	}
	if a.SignatureTransform != "" {
		t, ok := keyOf(transformNames, a.SignatureTransform)
		if !ok {
			return o, signing.Errorf(signing.KindInvalid, "signatureTransform %s is not ENVELOPED, XPATH or XPATH2_FILTER",
				quoted(a.SignatureTransform))
		}
		if t != o.transform && !p.mayChoose(requestedTransform) {
			return o, p.fixes(requestedTransform, a.SignatureTransform)
		}
		o.transform = t
	}
	if a.CanonicalTransform != "" {
		form, ok := formNamed(a.CanonicalTransform)
		if !ok {
			return o, signing.Errorf(signing.KindInvalid, "canonicalTransform %s is not known", quoted(a.CanonicalTransform))
		}
		if !sameForm(form, o.form) && !p.mayChoose(requestedForm) {
			return o, p.fixes(requestedForm, a.CanonicalTransform)
		}
		o.form = form
	}
	if a.SignatureLocation == "" {
		return o, nil
	}
	if !p.mayChoose(requestedPlace) {
		return o, p.fixes(requestedPlace, a.SignatureLocation)
	}
	var err error
	o.location = a.SignatureLocation
	o.place, err = parsePlace(a.SignatureLocation)
	return o, err
}

// sameForm says whether two forms of formNames are the same.
func sameForm(a, b xmlc14n.Form) bool { return a.Method == b.Method && a.Comments == b.Comments }

// fixes returns an error for a request that asks for what the profile does not let it choose.
func (p *Profile) fixes(s setting, value string) error {
	return signing.Errorf(signing.KindInvalid, "%s %s: the profile %s does not let a request choose it", s, quoted(value),
		p.Name)
}
