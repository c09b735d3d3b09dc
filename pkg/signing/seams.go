package signing

import (
	"context"
	"crypto"
	"crypto/x509"
	"io"
	"time"
)

// SignatureAlgorithm is how a credential signs a digest.
type SignatureAlgorithm string

const (
	RSAPKCS1 SignatureAlgorithm = "RSA"   // RSASSA-PKCS1-v1_5, RFC 8017 8.2
	RSAPSS   SignatureAlgorithm = "PSS"   // RSASSA-PSS, MGF1 and salt of the digest's hash and length, RFC 8017 8.1
	ECDSA    SignatureAlgorithm = "ECDSA" // values are DER ECDSA-Sig-Value, RFC 3279 2.2.3
)

// Credential is a remote key with its certificate chain (the CSC term), as it is at this moment. It
// is immutable.
type Credential struct {
	// Name identifies the credential among all providers of this proxy; operations of equal names may
	// share a call.
	Name      string
	Chain     []*x509.Certificate // signing certificate first, root optional; never empty
	Algorithm SignatureAlgorithm
	Hash      crypto.Hash // SHA256, SHA384 or SHA512
	MaxBatch  int         // digests in one call (CSC multisign); at least 1
	InFlight  int         // calls at a time; at least 1
}

// Certificate is the signing certificate.
func (c *Credential) Certificate() *x509.Certificate { return c.Chain[0] }

// Call is one request to a provider.
type Call struct {
	ID      string   // unique over all time; for logs and the audit record, and as a remote request id where there is one
	Digests [][]byte // 1 to Credential.MaxBatch values of Credential.Hash's size
	// Note stores a handle under which the service gives the answer again (CSC responseID, SAFE
	// processId). It is durable when it returns. Nil where nobody wants it.
	Note func(ctx context.Context, handle string) error
}

// Provider signs digests with one credential. Implementations are safe for concurrent use.
type Provider interface {
	// Credential returns the credential as it is now; the chain may change between calls when the
	// certificate is renewed. It may be slow the first time and is cached by the provider. Its
	// certificate need not be valid now: the caller checks.
	Credential(ctx context.Context) (*Credential, error)

	// Sign returns the signature value of digest i at place i, all or nothing. Values are not
	// trusted: the caller verifies each against its digest. The error is an *Error of a remote-side
	// kind: Retry says that the same call may succeed later, Unknown that the signatures may have
	// been made although no answer came. ctx bounds the wait; cancelling it after the request went
	// out makes the outcome unknown. The request that signs is sent at most once, so that the
	// caller's record of calls is the record of what may have been signed: a provider that could
	// send it again returns ErrRenewed or ErrTooMany.
	Sign(ctx context.Context, call Call) ([][]byte, error)
}

// Resumer is a Provider that can fetch the answer of an earlier call, made perhaps by an earlier
// process, under the handle given to Call.Note. It never makes a second signature. An error with
// Unknown or Retry set means that the answer may still come; without either it never will, and
// nobody needs to ask again.
type Resumer interface {
	Resume(ctx context.Context, call Call, handle string) ([][]byte, error)
}

// File is a spooled document: random access, and its size in bytes.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Input is a document on its way through a Format. It is the same, but for Credential, in Prepare
// and in Embed.
type Input struct {
	File      File
	Midstate  []byte // Content.Midstate; nil where unknown: the format then reads the original once more
	Signature SignatureInfo
	OpenImage func() (File, error) // the visible signature's image; nil where there is none
	Time      time.Time            // claimed signing time (the operation's acceptance)
}

// Prepared is the small, serialisable half-way value of a document: another process, of this or a
// later release, may embed it.
type Prepared struct {
	Digest []byte // what the provider signs, of Credential.Hash's size
	// opaque to all but the format; without the zeros it reserves; holds the certificate chain it was
	// made for
	State []byte
}

// Format knows one form of signature. Implementations are safe for concurrent use and keep nothing
// between calls. Errors that say Retry, and those of KindStorage, are tried again; any other fails
// the document.
type Format interface {
	// Prepare computes what has to be signed for c. It reads only what it needs of the file.
	Prepare(ctx context.Context, in Input, c *Credential) (Prepared, error)

	// Embed returns the section to append to the original so that it is the signed document at the
	// level asked for, already checked: the signature value verifies, the digest matches, the level is
	// reached. It may ask a Timestamper and for revocation data, never the provider. It may be called
	// again after a crash or an error, with the same value.
	Embed(ctx context.Context, in Input, p Prepared, value []byte) (section []byte, err error)

	// CheckValue returns nil if value is a signature over p.Digest by the key of the certificate that
	// p was made for, which need not be the credential's certificate of today.
	CheckValue(p Prepared, value []byte) error
}

// Timestamper gives RFC 3161 tokens.
type Timestamper interface {
	// Timestamp returns a checked DER TimeStampToken over digest, which was made with hash. Errors are
	// KindTimestamp.
	Timestamp(ctx context.Context, digest []byte, hash crypto.Hash) (token []byte, err error)
}

// Store keeps operations and documents on the instance's own disk. What a method wrote is durable
// when it returns without error. After an error it may or may not have been written: callers read
// again. Safe for concurrent use; concurrent writes share an fsync. Every change of state is
// compare-and-swap: ErrConflict if a record is not where the caller expects it, and then nothing of
// that call is stored.
type Store interface {
	Spool
	Records
	Journal
}

// Spool takes documents in and gives them out.
type Spool interface {
	// NewUpload opens a place for the documents of one request. The caller must end it: Store.Create
	// takes it over, or Discard. KindBusy when the disk or the spool's limit leaves no room.
	NewUpload(ctx context.Context) (Upload, error)
	// OpenFile opens a file of an operation (a document's original or an image) by its Content.
	// KindNotFound, KindStorage.
	OpenFile(ctx context.Context, id ID, c Content) (File, error)
	// OpenSection opens the appended section of a signed document. KindNotFound, KindStorage;
	// KindAltered if it is not what FinishDocuments was given.
	OpenSection(ctx context.Context, ref Ref) (File, error)
}

// Upload is one request's documents on their way in. Not for concurrent use. Its files are gone
// after a crash, unless taken over.
type Upload interface {
	// Add stores all of r as it arrives and returns it, hashed; its bytes are on disk, though not yet
	// durable, when it returns. An error of r is returned as it is, wrapped at most; KindStorage or
	// KindBusy (disk full) are the store's own.
	Add(r io.Reader) (Content, error)
	// AddShared is Add for small content that repeats within a request (images): equal bytes are kept
	// once.
	AddShared(r io.Reader) (Content, error)
	// Discard forgets all; harmless after Create.
	Discard()
}

// NewOperation is what Create stores.
type NewOperation struct {
	ClientService  string
	Request        Request
	Contents       []Content // of Request.Documents, place by place, from the Upload
	Callback       string    // Operation.Callback
	IdempotencyKey string
	Fingerprint    [32]byte
	Created        time.Time
}

// Records is what the doors read. Nothing here returns another client service's data unless told
// whose to look for.
type Records interface {
	// Create makes the operation and its documents durable together, or nothing. KindReferenceUsed if
	// the client service used the external reference before, KindKeyReused if the Idempotency-Key
	// (both kept as long as the operation is).
	Create(ctx context.Context, up Upload, op NewOperation) (Operation, error)
	// Operation returns one; KindNotFound.
	Operation(ctx context.Context, id ID) (Operation, error)
	// FindByReference returns the operations of a client service with that external reference, newest
	// first; empty if none.
	FindByReference(ctx context.Context, clientService, reference string) ([]Operation, error)
	// FindByDocumentReference returns the newest operation that has a document with that external
	// reference; KindNotFound.
	FindByDocumentReference(ctx context.Context, clientService, reference string) (ID, error)
	// FindByKey returns the operation made with an Idempotency-Key; KindNotFound.
	FindByKey(ctx context.Context, clientService, key string) (Operation, error)
	// Remove forgets an operation that has ended, with its documents and results; its external
	// reference and Idempotency-Key are free again. Files that are open stay readable. KindNotFound;
	// ErrConflict if it has not ended.
	Remove(ctx context.Context, id ID) error
	// Fetched notes that the results of an operation that has ended were given to its owner in full: a
	// store may keep it for a shorter time from then on. It is not worth failing a request for.
	Fetched(ctx context.Context, id ID) error
	// Documents returns up to limit documents from index on, in order; none if there is no such
	// operation.
	Documents(ctx context.Context, id ID, from, limit int) ([]Document, error)
}

// CallRecord is a call that was begun and has no recorded end: a crash or a lost answer left it.
type CallRecord struct {
	ID          string
	Credential  string // name
	Certificate string // serial number of the signing certificate, hexadecimal
	Handle      string // as noted; empty = none
	Refs        []Ref  // in the order of the call's digests
}

// PreparedDocument is a document's Prepared with its name.
type PreparedDocument struct {
	Ref
	Prepared
}

// DocumentResult ends a document: exactly one of Section and Failure is set.
type DocumentResult struct {
	Ref
	Section []byte
	Failure *Failure
}

// Outcome is how a call ended.
type Outcome string

const (
	OutcomeRefused Outcome = "refused" // no signature was made; the documents are prepared again
	// signatures may have been made and are lost; counted; the documents are prepared again
	OutcomeUnknown Outcome = "unknown"
)

// Counters are totals since the state folder was made; they survive restarts.
type Counters struct {
	Sent     int64 // digests handed to providers
	Returned int64 // signature values stored
	Unknown  int64 // digests whose outcome was never known
	Refused  int64 // digests of calls that definitely made no signature
}

// Journal is what the worker and the batcher write.
type Journal interface {
	// Unfinished lists operations that have not ended, oldest first.
	Unfinished(ctx context.Context) ([]ID, error)
	// SavePrepared moves documents from received (or prepared) to prepared.
	SavePrepared(ctx context.Context, docs []PreparedDocument) error
	// Prepared returns what SavePrepared stored, and the signature value if the document is valued.
	Prepared(ctx context.Context, ref Ref) (p Prepared, value []byte, err error)
	// BeginCall moves documents from prepared to sent and records the call. It has no handle yet.
	BeginCall(ctx context.Context, call CallRecord) error
	// NoteCall stores the handle of a begun call.
	NoteCall(ctx context.Context, call, handle string) error
	// EndCall stores the signature values, in the order of the refs, moves the documents from sent to
	// valued, counts all of the call as returned, and forgets it. Documents that have ended or were
	// removed meanwhile stay as they are. ErrConflict if there is no such call, or another one of them
	// is not sent: then nothing is stored.
	EndCall(ctx context.Context, call string, values [][]byte) error
	// AbandonCall moves the documents from sent back to prepared, counts the outcome for all of the
	// call, and forgets the call. Documents that have ended meanwhile stay as they are. ErrConflict if
	// there is no such call.
	AbandonCall(ctx context.Context, call string, outcome Outcome) error
	// OpenCalls lists calls that have no recorded end.
	OpenCalls(ctx context.Context) ([]CallRecord, error)
	// FinishDocuments ends documents: signed from valued, failed from any state that has not ended.
	// Prepared is dropped.
	FinishDocuments(ctx context.Context, results []DocumentResult) error
	// SetStatus moves the operation from one status to another; the rest of change is stored with it.
	// An operation that has ended or does not exist is ErrConflict.
	SetStatus(ctx context.Context, id ID, from Status, change StatusChange) error
	// Counters returns the totals.
	Counters(ctx context.Context) (Counters, error)
}

// StatusChange is what SetStatus stores.
type StatusChange struct {
	Status  Status
	Tries   int
	NextTry time.Time // with StatusRetrying
	Ended   time.Time // with an ended status
}
