package xades

import (
	"crypto"

	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// Profile says what a kind of signature looks like, where receivers differ. Its values are data:
// the code that signs treats all profiles in the same way.
type Profile struct {
	Name string
	// Digest is the hash of the references and of the signing certificate.
	Digest crypto.Hash
	// Data is the canonical form of the document unless the request asks for another.
	Data xmlc14n.Form
	// SignedInfo and Properties are the canonical forms of SignedInfo and SignedProperties.
	SignedInfo, Properties xmlc14n.Form
	// Timestamps is the canonical form of what timestamps are over.
	Timestamps xmlc14n.Form
	MimeType   string // of the document, in DataObjectFormat
	// Places are where a document is signed if the request names no place: the first one that is in
	// the document exactly once. If none is, the signature is the last child of the root element.
	Places []place
}

// baseline is the profile of ETSI EN 319 132-1 without further demands. It suits CIUS-PT: UBL 2.1
// keeps signatures in sac:SignatureInformation (OASIS UBL 2.1 section 5.4).
var baseline = Profile{
	Name:       "baseline",
	Digest:     crypto.SHA256,
	Data:       xmlc14n.Form{Method: xmlc14n.Exclusive},
	SignedInfo: xmlc14n.Form{Method: xmlc14n.Exclusive},
	Properties: xmlc14n.Form{Method: xmlc14n.Exclusive},
	Timestamps: xmlc14n.Form{Method: xmlc14n.Exclusive},
	MimeType:   "text/xml",
	Places: []place{{
		{axis: descendant, space: ublExtensions, local: "UBLExtensions"},
		{axis: descendant, space: ublSignature, local: "SignatureInformation"},
	}},
}

// Namespaces of UBL 2.1 signatures.
const (
	ublExtensions = "urn:oasis:names:specification:ubl:schema:xsd:CommonExtensionComponents-2"
	ublSignature  = "urn:oasis:names:specification:ubl:schema:xsd:SignatureAggregateComponents-2"
)
