package xmlc14n

// Method is a canonicalization without the choice about comments.
type Method uint8

// The methods.
const (
	Inclusive10 Method = iota // Canonical XML 1.0
	Inclusive11               // Canonical XML 1.1
	Exclusive                 // Exclusive XML Canonicalization 1.0
)

// Form says how to canonicalize.
type Form struct {
	Method   Method
	Comments bool
	// Prefixes is the PrefixList of InclusiveNamespaces. Only the exclusive method takes it.
	// "#default" stands for the default namespace.
	Prefixes []string
}

// withComments is the ending of an algorithm identifier, after "#".
const withComments = "WithComments"

var methodURIs = map[Method]string{
	Inclusive10: "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
	Inclusive11: "http://www.w3.org/2006/12/xml-c14n11",
	Exclusive:   "http://www.w3.org/2001/10/xml-exc-c14n#",
}

// URI returns the algorithm identifier of the form (XML Signature 1.1, section 6.5).
func (f Form) URI() string {
	uri := methodURIs[f.Method]
	switch {
	case !f.Comments:
		return uri
	case f.Method == Exclusive:
		return uri + withComments
	}
	return uri + "#" + withComments
}

// ParseURI returns the form with the algorithm identifier, and false if there is none.
func ParseURI(uri string) (Form, bool) {
	for method := range methodURIs {
		for _, comments := range []bool{false, true} {
			if f := (Form{Method: method, Comments: comments}); f.URI() == uri {
				return f, true
			}
		}
	}
	return Form{}, false
}
