package request

import "github.com/signstash-proxy/signstash-proxy/pkg/signing"

// documentBytes is what a document takes in memory beside its texts, received and validated.
const documentBytes = 512

// Received is a SignRequest as received, its documents' content spooled. Validation turns it
// into a signing.Request.
type Received struct {
	ExternalReference string
	description       string
	preservation      string
	callback          string // callbackUrl
	withoutContent    bool   // returnSignedContent is there and false
	hasDocuments      bool
	documents         []document

	contentKey string // format of the name of a document's content, for messages
}

// document is one item of documents.
type document struct {
	hasRequest, hasSignature bool
	externalReference        string
	name                     string
	contentType              string
	content                  *signing.Content // nil = there was none
	signatureType            string
	level                    string
	reason                   string
	location                 string
	applyTimestamp           bool
	visible                  *signing.VisibleSignature
	advanced                 *signing.AdvancedSignature
}
