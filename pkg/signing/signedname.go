package signing

import "strings"

// Content types of CMS files (RFC 8551 3.2.1), and the suffixes of their names.
const (
	typeMIME       = "application/pkcs7-mime"
	typeSignature  = "application/pkcs7-signature"
	suffixMIME     = ".p7m"
	suffixDetached = ".p7s"
)

// SignedName returns the name of the signed document. PAdES and XAdES keep the name of the request.
// CAdES adds .p7m, or .p7s to a detached signature. A file that gets a further signature keeps its
// name if it ends in .p7m already.
func SignedName(d *Document) string {
	switch {
	case d.Signature.Type != CAdES:
		return d.Name
	case d.Signature.Packaging == Detached:
		return d.Name + suffixDetached
	case d.Signature.Existing == Cosign && strings.HasSuffix(strings.ToLower(d.Name), suffixMIME):
		return d.Name
	}
	return d.Name + suffixMIME
}

// SignedContentType returns the media type of the signed document. PAdES and XAdES keep the content
// type of the request.
func SignedContentType(d *Document) string {
	switch {
	case d.Signature.Type != CAdES:
		return d.ContentType
	case d.Signature.Packaging == Detached:
		return typeSignature
	}
	return typeMIME
}
