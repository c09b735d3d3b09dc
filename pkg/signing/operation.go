package signing

import (
	"strconv"
	"time"
)

// MaxOrdinal is the highest instance ordinal: ten bits of every ID.
const MaxOrdinal = 1023

// ID identifies an operation: sequence*1024 + ordinal of the instance. It is below 2^53, so that
// JavaScript clients can represent it exactly. It is unique over 1,024 instances, and it tells
// which instance holds the operation.
type ID int64

// NewID returns the ID of a sequence number on the instance with that ordinal.
func NewID(sequence int64, ordinal int) ID { return ID(sequence*(MaxOrdinal+1) + int64(ordinal)) }

// Ordinal returns the ordinal of the instance that made the ID.
func (id ID) Ordinal() int { return int(id & MaxOrdinal) }

// Sequence returns the sequence number that the instance gave to the operation.
func (id ID) Sequence() int64 { return int64(id) / (MaxOrdinal + 1) }

func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// Status is the status of an operation, in the words of the wire contract.
type Status string

const (
	StatusPending  Status = "PENDING_EXECUTION" // accepted, not ended
	StatusRetrying Status = "EXECUTION_ERROR"   // an attempt failed, another is planned
	StatusExecuted Status = "EXECUTED"          // ended, at least one document was signed
	StatusFailed   Status = "EXECUTION_FAILED"  // ended, no document was signed
)

// Ended reports whether the status is final.
func (s Status) Ended() bool { return s == StatusExecuted || s == StatusFailed }

// SignatureType is the form of signature that a request asks for.
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

// Request is what a client service asks for, without the contents of the documents.
type Request struct {
	ExternalReference string `json:"externalReference"`
	Description       string `json:"description"`
	ReturnContent     bool   `json:"returnContent"`
	// Preservation is preservationInfo as received (JSON). It is stored but not used.
	Preservation string `json:"preservation,omitempty"`
	// Callback is the URL that is notified when the operation ends. Empty = the URL of the client
	// service.
	Callback  string            `json:"callback,omitempty"`
	Documents []DocumentRequest `json:"documents"`
}

// DocumentRequest is what a client service asks for one document. ExternalReference need not be
// unique.
type DocumentRequest struct {
	ExternalReference string        `json:"externalReference"`
	Name              string        `json:"name"`
	ContentType       string        `json:"contentType"`
	Signature         SignatureInfo `json:"signature"`
}

// SignatureInfo says how one document must be signed.
type SignatureInfo struct {
	Type     SignatureType      `json:"type"`
	Level    Level              `json:"level"` // never empty in an accepted request
	Reason   string             `json:"reason,omitempty"`
	Location string             `json:"location,omitempty"`
	Visible  *VisibleSignature  `json:"visible,omitempty"`
	Advanced *AdvancedSignature `json:"advanced,omitempty"`
	// Profile names the kind of signature that a receiver wants. It is for XAdES alone. Empty =
	// baseline.
	Profile string `json:"profile,omitempty"`
	// Packaging and Existing are for CAdES alone.
	Packaging Packaging `json:"packaging,omitempty"` // empty = Enveloping
	Existing  Existing  `json:"existing,omitempty"`  // empty = Wrap
}

// Packaging says whether a CAdES signature contains the signed file.
type Packaging string

// The packagings.
const (
	Enveloping Packaging = "ENVELOPING" // .p7m
	Detached   Packaging = "DETACHED"   // .p7s
)

// Existing says how a file is signed that is a .p7m already.
type Existing string

// The ways.
const (
	Wrap   Existing = "WRAP"   // like any other file
	Cosign Existing = "COSIGN" // its content gets a further signature in the same file
)

// VisibleSignature is the request's visibleSignatureInfo. The values are as received (api.md
// section 4), and the format parses them.
type VisibleSignature struct {
	LocationType        string `json:"locationType"` // COORDINATE, SIGN_FIELD, PLACEHOLDER
	LocationValue       string `json:"locationValue"`
	Area                string `json:"area,omitempty"`
	AreaBackgroundColor string `json:"areaBackgroundColor,omitempty"`
	Font                string `json:"font,omitempty"`
	TemplateType        string `json:"templateType,omitempty"`
	OneOffTemplate      string `json:"oneOffTemplate,omitempty"`
	ImageType           string `json:"imageType,omitempty"` // IMAGE_PNG, IMAGE_JPG
	// Image is the decoded imageValue, spooled like a document. Equal images of one request are stored
	// once. Nil = none.
	Image *Content `json:"image,omitempty"`
}

// AdvancedSignature is the request's advancedSignatureInfo (XML only).
type AdvancedSignature struct {
	SignatureLocation  string `json:"signatureLocation,omitempty"`
	SignatureTransform string `json:"signatureTransform,omitempty"`
	CanonicalTransform string `json:"canonicalTransform,omitempty"`
}

// Content identifies bytes in the spool.
type Content struct {
	File   string   `json:"file"` // name within the operation's folder; chosen by the store, never by a client
	Size   int64    `json:"size"` // bytes
	SHA256 [32]byte `json:"sha256"`
	// Midstate is the state of crypto/sha256 after the last byte (encoding.BinaryMarshaler). When the
	// section of a PDF is known, hashing continues from this state, so that the original is not read
	// twice.
	Midstate []byte `json:"midstate,omitempty"`
}

// Operation is one sign request and its state. Its documents are read separately (Store.Documents),
// because there may be thousands.
type Operation struct {
	ID                ID
	ClientService     string
	ExternalReference string
	Description       string
	Preservation      string
	ReturnContent     bool
	Callback          string // URL that is notified of the end; empty = none
	IdempotencyKey    string // empty = none was sent
	// Fingerprint is a hash of the parsed request and the document digests. It tells whether a
	// repeated Idempotency-Key comes with the same request.
	Fingerprint   [32]byte
	Status        Status
	Tries         int       // failed attempts so far
	NextTry       time.Time // when Status is StatusRetrying
	Created       time.Time
	Ended         time.Time // zero until ended
	DocumentCount int
}

// DocumentState says how far the work on a document has come. Each state is durable.
type DocumentState string

const (
	DocumentReceived DocumentState = "received" // spooled
	DocumentPrepared DocumentState = "prepared" // Prepared is stored
	DocumentSent     DocumentState = "sent"     // part of a call whose end is not recorded: a signature may exist
	DocumentValued   DocumentState = "valued"   // the signature value is stored
	DocumentSigned   DocumentState = "signed"   // the section is stored; end state
	DocumentFailed   DocumentState = "failed"   // given up; end state
)

// Ended reports whether the state is final.
func (s DocumentState) Ended() bool { return s == DocumentSigned || s == DocumentFailed }

// Ref identifies one document of one operation.
type Ref struct {
	Operation ID
	Index     int // position in the request, from 0
}

// Document is one item of an operation and its state.
type Document struct {
	Ref
	DocumentRequest
	InternalID int64 // unique within the instance
	Content    Content
	State      DocumentState
	Failure    *Failure // set only in the state DocumentFailed
	Received   time.Time
	// Pieces says how the signed document is joined. It is nil until the document is signed. It is
	// also nil if the stored list is damaged. Then OpenSection returns KindAltered.
	Pieces Pieces
	// CertificateSerial is Credential.Serial of the credential that signed the document. It is empty
	// until the document is signed, and for a document that an earlier release prepared.
	CertificateSerial string
}

// SignedSize returns the size of the signed document in bytes. It is meaningful only after the
// document was signed.
func (d *Document) SignedSize() int64 { return d.Pieces.Size() }

// Failure says why a document failed. It is the part of an Error that is stored.
type Failure struct {
	Kind   Kind   `json:"kind"`
	Detail string `json:"detail"` // safe for the client
}
