package signing

import (
	"strconv"
	"time"
)

// MaxOrdinal is the highest instance ordinal: ten bits of every ID.
const MaxOrdinal = 1023

// ID names an operation: sequence*1024 + instance ordinal, below 2^53 so that JavaScript clients
// keep it. Unique over 1,024 instances, and the instance that holds the operation can be read off
// it.
type ID int64

// NewID returns the ID of a sequence number on the instance with that ordinal.
func NewID(sequence int64, ordinal int) ID { return ID(sequence*(MaxOrdinal+1) + int64(ordinal)) }

// Ordinal is the ordinal of the instance that made the ID.
func (id ID) Ordinal() int { return int(id & MaxOrdinal) }

// Sequence is the instance's own running number.
func (id ID) Sequence() int64 { return int64(id) / (MaxOrdinal + 1) }

func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// Status of an operation, in the words of the wire contract.
type Status string

const (
	StatusPending  Status = "PENDING_EXECUTION" // accepted, not ended
	StatusRetrying Status = "EXECUTION_ERROR"   // a try failed, another is planned
	StatusExecuted Status = "EXECUTED"          // ended, at least one document was signed
	StatusFailed   Status = "EXECUTION_FAILED"  // ended, no document was signed
)

// Ended reports whether nothing will change any more.
func (s Status) Ended() bool { return s == StatusExecuted || s == StatusFailed }

// SignatureType is the form of signature asked for.
type SignatureType string

const (
	PAdES SignatureType = "PAdES"
	XAdES SignatureType = "XAdES"
	CAdES SignatureType = "CAdES"
)

// Level is a baseline level of ETSI EN 319 142-1 (and 132-1, 122-1).
type Level string

const (
	LevelB   Level = "B-B"
	LevelT   Level = "B-T"
	LevelLT  Level = "B-LT"
	LevelLTA Level = "B-LTA"
)

// Request is what a client service asks for, without the content of the documents.
type Request struct {
	ExternalReference string `json:"externalReference"`
	Description       string `json:"description"`
	ReturnContent     bool   `json:"returnContent"`
	// Preservation is preservationInfo as received (JSON). It is stored and not used.
	Preservation string `json:"preservation,omitempty"`
	// Callback is the URL that is told of the end. Empty = the client service's own.
	Callback  string            `json:"callback,omitempty"`
	Documents []DocumentRequest `json:"documents"`
}

// DocumentRequest is what is asked for one document. ExternalReference need not be unique.
type DocumentRequest struct {
	ExternalReference string        `json:"externalReference"`
	Name              string        `json:"name"`
	ContentType       string        `json:"contentType"`
	Signature         SignatureInfo `json:"signature"`
}

// SignatureInfo says how one document is to be signed.
type SignatureInfo struct {
	Type     SignatureType      `json:"type"`
	Level    Level              `json:"level"` // never empty once accepted
	Reason   string             `json:"reason,omitempty"`
	Location string             `json:"location,omitempty"`
	Visible  *VisibleSignature  `json:"visible,omitempty"`
	Advanced *AdvancedSignature `json:"advanced,omitempty"`
}

// VisibleSignature is the request's visibleSignatureInfo; values are as received (api.md section
// 4), the format parses them.
type VisibleSignature struct {
	LocationType        string `json:"locationType"` // COORDINATE, SIGN_FIELD, PLACEHOLDER
	LocationValue       string `json:"locationValue"`
	Area                string `json:"area,omitempty"`
	AreaBackgroundColor string `json:"areaBackgroundColor,omitempty"`
	Font                string `json:"font,omitempty"`
	TemplateType        string `json:"templateType,omitempty"`
	OneOffTemplate      string `json:"oneOffTemplate,omitempty"`
	ImageType           string `json:"imageType,omitempty"` // IMAGE_PNG, IMAGE_JPG
	// Image is the decoded imageValue, spooled like a document; equal images of one request are stored
	// once. Nil = none.
	Image *Content `json:"image,omitempty"`
}

// AdvancedSignature is the request's advancedSignatureInfo (XML only).
type AdvancedSignature struct {
	SignatureLocation  string `json:"signatureLocation,omitempty"`
	SignatureTransform string `json:"signatureTransform,omitempty"`
	CanonicalTransform string `json:"canonicalTransform,omitempty"`
}

// Content names bytes that lie in the spool.
type Content struct {
	File   string   `json:"file"` // name within the operation's folder; chosen by the store, never by a client
	Size   int64    `json:"size"` // bytes
	SHA256 [32]byte `json:"sha256"`
	// Midstate is the state of crypto/sha256 after the last byte (encoding.BinaryMarshaler): hashing
	// goes on from here when the appended section is known, so that the original is never read twice.
	Midstate []byte `json:"midstate,omitempty"`
}

// Operation is one sign request and its state. Documents are read apart (Store.Documents), since
// there may be thousands.
type Operation struct {
	ID                ID
	ClientService     string
	ExternalReference string
	Description       string
	Preservation      string
	ReturnContent     bool
	Callback          string // URL that is told of the end; empty = none
	IdempotencyKey    string // empty = none was sent
	// of the parsed request and the document digests: tells whether a repeated key brings the same
	// request
	Fingerprint   [32]byte
	Status        Status
	Tries         int       // failed tries so far
	NextTry       time.Time // when Status is StatusRetrying
	Created       time.Time
	Ended         time.Time // zero until ended
	DocumentCount int
}

// DocumentState is how far a document has come; each is durable.
type DocumentState string

const (
	DocumentReceived DocumentState = "received" // spooled
	DocumentPrepared DocumentState = "prepared" // Prepared is stored
	DocumentSent     DocumentState = "sent"     // part of a call whose end is not recorded: a signature may exist
	DocumentValued   DocumentState = "valued"   // the signature value is stored
	DocumentSigned   DocumentState = "signed"   // the appended section is stored; end state
	DocumentFailed   DocumentState = "failed"   // given up; end state
)

// Ended reports whether the document will not change any more.
func (s DocumentState) Ended() bool { return s == DocumentSigned || s == DocumentFailed }

// Ref names one document of one operation.
type Ref struct {
	Operation ID
	Index     int // position in the request, from 0
}

// Document is one item of an operation and its state.
type Document struct {
	Ref
	DocumentRequest
	InternalID  int64 // unique within the instance
	Content     Content
	State       DocumentState
	Failure     *Failure // set in DocumentFailed only
	Received    time.Time
	SectionSize int64 // bytes appended by the signature; 0 until signed
}

// SignedSize is the size of the signed document in bytes; meaningful once signed.
func (d *Document) SignedSize() int64 { return d.Content.Size + d.SectionSize }

// Failure is why a document was given up: the stored part of an Error.
type Failure struct {
	Kind   Kind   `json:"kind"`
	Detail string `json:"detail"` // safe for the client
}
