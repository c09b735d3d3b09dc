package request

import "github.com/signstash-proxy/signstash-proxy/pkg/signing"

// documentBytes is how much memory a document takes beside its texts, as received and as validated.
const documentBytes = 512

// Received is a SignRequest as it was received; the content of its documents is spooled. Validate
// turns it into a signing.Request.
type Received struct {
	ExternalReference string
	description       string
	preservation      string
	callback          string // callbackUrl
	withoutContent    bool   // returnSignedContent is present and false
	hasDocuments      bool
	documents         []document

	contentKey string // format of the name of a document's content, for errors
}

// document is one item of documents.
type document struct {
	hasRequest, hasSignature bool
	externalReference        string
	name                     string
	contentType              string
	content                  *signing.Content // nil = the request has none
	signatureType            string
	level                    string
	reason                   string
	location                 string
	profile                  string
	packaging                string
	existing                 string
	applyTimestamp           bool
	visible                  *signing.VisibleSignature
	advanced                 *signing.AdvancedSignature
}
