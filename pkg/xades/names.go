package xades

// Namespaces.
const (
	dsNamespace       = "http://www.w3.org/2000/09/xmldsig#"
	xadesNamespace    = "http://uri.etsi.org/01903/v1.3.2#"
	xades141Namespace = "http://uri.etsi.org/01903/v1.4.1#"
	xmlNamespace      = "http://www.w3.org/XML/1998/namespace"
	instanceNamespace = "http://www.w3.org/2001/XMLSchema-instance"
)

// Identifiers of transforms (XML Signature 1.1 section 6.6, XML-Signature XPath Filter 2.0).
const (
	envelopedURI = dsNamespace + "enveloped-signature"
	xpathURI     = "http://www.w3.org/TR/1999/REC-xpath-19991116"
	base64URI    = dsNamespace + "base64" // only in signatures of others
	filter2URI   = "http://www.w3.org/2002/06/xmldsig-filter2"
)

// signedPropertiesType is the type of the reference to the signed properties (ETSI EN 319 132-1
// 4.3.1).
const signedPropertiesType = "http://uri.etsi.org/01903#SignedProperties"
