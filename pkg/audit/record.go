package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Record is one digest that was sent to a provider, with its outcome. It holds no content and no
// name of a person or file.
type Record struct {
	Time          time.Time `json:"time"`
	Call          string    `json:"call"` // id of the call, as sent to the provider where it takes one
	Outcome       Outcome   `json:"outcome"`
	Credential    string    `json:"credential"`
	Certificate   string    `json:"certificate,omitempty"` // serial number, hexadecimal
	ClientService string    `json:"clientService,omitempty"`
	Operation     int64     `json:"operation"`
	Reference     string    `json:"externalReference,omitempty"`
	Document      int       `json:"document"` // position in the request, from 0
	// DocumentReference is the client's external reference of the document.
	DocumentReference string `json:"documentExternalReference,omitempty"`
	SHA256            string `json:"sha256,omitempty"` // of the document as received, hexadecimal
	// How the document was to be signed. Profile and Packaging are empty if the request did not name
	// them, and in records of older releases all four are.
	SignatureType signing.SignatureType `json:"signatureType,omitempty"`
	Level         signing.Level         `json:"level,omitempty"`
	Profile       string                `json:"profile,omitempty"`
	Packaging     signing.Packaging     `json:"packaging,omitempty"`
}

// Outcome is the result of the call that sent a digest.
type Outcome string

const (
	Returned Outcome = "returned"                      // the signature value came back and was verified
	Refused  Outcome = Outcome(signing.OutcomeRefused) // no signature was made
	Unknown  Outcome = Outcome(signing.OutcomeUnknown) // a signature may have been made and is lost
)

// Head is the first line of a file.
type Head struct {
	Audit     int       `json:"audit"` // version of the format
	Opened    time.Time `json:"opened"`
	Continues string    `json:"continues"` // last hash of the file before; zeros in the very first file
	// Broken says what was wrong with the file before, so that its chain could not be continued. Empty
	// = nothing was wrong.
	Broken string `json:"broken,omitempty"`
}

const (
	version    = 1
	hashDigits = 2 * sha256.Size
	// maxLine limits a line in bytes. References have at most 4 KB each when they are accepted.
	maxLine = 64 << 10
)

// start is the hash before the first line of the first file.
var start = hex.EncodeToString(make([]byte, sha256.Size))

// next returns the hash of the line with text that follows a line with the hash before.
func next(before string, text []byte) string {
	h := sha256.New()
	h.Write([]byte(before))
	h.Write([]byte{' '})
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}

// line appends the line of v to out, and returns its hash. before is the hash of the line before
// it.
func line(out []byte, before string, v any) ([]byte, string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return out, before, fmt.Errorf("encode audit record: %w", err)
	}
	hash := next(before, text)
	out = append(out, hash...)
	out = append(out, ' ')
	out = append(out, text...)
	return append(out, '\n'), hash, nil
}
