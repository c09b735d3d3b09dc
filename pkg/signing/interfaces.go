package signing

import (
	"context"
	"crypto"
	"crypto/x509"
	"io"
	"time"
)

// SignatureAlgorithm is the algorithm with which a credential signs a digest.
type SignatureAlgorithm string

const (
	RSAPKCS1 SignatureAlgorithm = "RSA"   // RSASSA-PKCS1-v1_5, RFC 8017 8.2
	RSAPSS   SignatureAlgorithm = "PSS"   // RSASSA-PSS, RFC 8017 8.1; MGF1 with the digest's hash, salt of its length
	ECDSA    SignatureAlgorithm = "ECDSA" // signature values are DER ECDSA-Sig-Value, RFC 3279 2.2.3
)

// Credential describes a remote key with its certificate chain (the CSC term) as it is at this
// moment. It is immutable.
type Credential struct {
	// Name identifies the credential among all providers of this proxy. Operations whose credentials
	// have the same name may share a call.
	Name      string
	Chain     []*x509.Certificate // signing certificate first, root optional; never empty
	Algorithm SignatureAlgorithm
	Hash      crypto.Hash // SHA256, SHA384 or SHA512
	MaxBatch  int         // most digests in one call (CSC multisign); at least 1
	InFlight  int         // most calls at the same time; at least 1
	// Free says that a signature costs nothing and that the key is on the premises, so nothing is lost
	// if a digest is signed a second time after a crash. Calls then need no fsync before and after the
	// signature, and documents for which a client waits are signed before they are durable. A provider
	// sets Free only if it knows both. False is always correct.
	Free bool
}

// Certificate returns the signing certificate.
func (c *Credential) Certificate() *x509.Certificate { return c.Chain[0] }

// Call is one request for signatures to a provider.
type Call struct {
	ID      string   // unique over all time; for logs, the audit record and the remote request id, if there is one
	Digests [][]byte // 1 to Credential.MaxBatch digests, each of the size of Credential.Hash
	// Note stores a handle with which the service can be asked for the answer again (CSC responseID,
	// SAFE processId). The handle is durable when Note returns without error. Note is nil if the
	// caller needs no handle.
	Note func(ctx context.Context, handle string) error
}

// Provider signs digests with one credential. Implementations are safe for concurrent use.
type Provider interface {
	// Credential returns the credential as it is now. The chain may change between calls when the
	// certificate is renewed. The first call may be slow; the provider caches the result. The
	// certificate may be invalid at this moment, so the caller checks its validity.
	Credential(ctx context.Context) (*Credential, error)

	// Sign returns the signature values; value i belongs to digest i. It returns all values or an
	// error. The caller does not trust the values: it verifies each against its digest.
	//
	// The error is an *Error of a remote-side kind. Retry says that the same call may succeed later.
	// Unknown says that the signatures may have been made although no answer came. ctx bounds the
	// wait. If ctx is cancelled after the request was sent, the outcome is unknown.
	//
	// Sign sends the request that signs at most once, so that the caller's record of calls is the
	// record of what may have been signed. Where a second request would help, the provider returns
	// ErrRenewed or ErrTooMany instead.
	Sign(ctx context.Context, call Call) ([][]byte, error)
}

// Resumer is a Provider that can fetch the answer of an earlier call again, with the handle that
// was given to Call.Note. An earlier process may have made the call. Resume never makes a second
// signature. An error with Unknown or Retry set means that the answer may still come. Any other
// error means that it never comes and need not be requested again.
type Resumer interface {
	Resume(ctx context.Context, call Call, handle string) ([][]byte, error)
}

// File is a spooled document with random access. Size is in bytes.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Input is a document that a Format prepares or embeds. Prepare and Embed of one document get the
// same Input.
type Input struct {
	File      File
	Midstate  []byte // Content.Midstate; nil if unknown: then the format reads the original once more
	Signature SignatureInfo
	// ContentType is what the client says of the document, such as "text/xml".
	ContentType string
	OpenImage   func() (File, error) // opens the image of the visible signature; nil if there is none
	Time        time.Time            // claimed signing time: when the operation was accepted
}

// Prepared is the result of Format.Prepare. It is small and can be stored, so that another process,
// of this or a later release, can embed the signature.
type Prepared struct {
	Digest []byte // what the provider signs, of Credential.Hash's size
	// State is opaque to everybody except the format. It leaves out the zeros that the format
	// reserves. It contains the certificate chain that the document was prepared for.
	State []byte
	// Certificate is Credential.Serial of the credential that the document was prepared for. The
	// service sets it, not the format. Empty = an earlier release prepared the document.
	Certificate string
}

// Format implements one form of signature. Implementations are safe for concurrent use and keep no
// state between calls. The service retries after errors with Retry set and after errors of
// KindStorage. Any other error fails the document.
type Format interface {
	// Prepare computes what must be signed with c. It reads only the parts of the file that it needs.
	Prepare(ctx context.Context, in Input, c *Credential) (Prepared, error)

	// Embed returns the section, which is what the signature adds, and how the signed document of the
	// requested level is joined from the original and the section. Embed has checked the signed
	// document: the signature value verifies, the digest matches and the level is reached. It may ask
	// a Timestamper and fetch revocation data, but it never asks the provider. It may be called again
	// with the same value after a crash or an error.
	Embed(ctx context.Context, in Input, p Prepared, value []byte) (section []byte, pieces Pieces, err error)

	// CheckValue returns nil if value is a signature over p.Digest by the key of the certificate that
	// p was made for. The credential may have another certificate today.
	CheckValue(p Prepared, value []byte) error
}

// Timestamper requests RFC 3161 timestamp tokens.
type Timestamper interface {
	// Timestamp returns a checked DER TimeStampToken over digest, which was made with hash. Errors are
	// of KindTimestamp.
	Timestamp(ctx context.Context, digest []byte, hash crypto.Hash) (token []byte, err error)
}

// Store keeps operations and documents on the instance's own disk. A change is durable when its
// method returns without error. After an error the change may or may not be stored, so the caller
// must read the state again. A Store is safe for concurrent use, and concurrent writes share an
// fsync. Every change of state is a compare-and-swap: if a record is not in the state that the
// caller expects, the method returns ErrConflict and stores nothing of that call.
//
// Some changes, which name this comment, may be undone by a power cut although they survive a crash
// of the process. A power cut undoes such a change only together with all later changes, so the
// next durable change makes it durable.
type Store interface {
	Spool
	Records
	Journal
}

// Spool stores the files of requests and opens them for reading.
type Spool interface {
	// NewUpload starts an upload for the documents of one request. The caller must end it:
	// Store.Create takes it over, or the caller calls Discard. KindBusy if the disk or the spool's
	// limit leaves no room.
	NewUpload(ctx context.Context) (Upload, error)
	// OpenFile opens a file of an operation by its Content: the original of a document, or an image.
	// Errors: KindNotFound, KindStorage.
	OpenFile(ctx context.Context, id ID, c Content) (File, error)
	// OpenSection opens the section of a signed document and returns its list of pieces. Errors:
	// KindNotFound, KindStorage, and KindAltered if the section or the list is not the one that
	// FinishDocuments stored.
	OpenSection(ctx context.Context, ref Ref) (File, Pieces, error)
}

// Upload receives the documents of one request. It is not safe for concurrent use. After a crash
// its files are gone, unless Store.Create has taken them over.
type Upload interface {
	// Add stores all bytes of r while they arrive, and returns their Content with the digest. When Add
	// returns, the bytes are on disk but not yet durable. An error of r is returned unchanged or
	// wrapped. The store's own errors are KindStorage and KindBusy (disk full).
	Add(r io.Reader) (Content, error)
	// AddShared is Add for small content that repeats within a request (images). It stores equal bytes
	// once.
	AddShared(r io.Reader) (Content, error)
	// Discard deletes everything that was added. After Create it does nothing.
	Discard()
}

// NewOperation is what Store.Create stores.
type NewOperation struct {
	ClientService  string
	Request        Request
	Contents       []Content // of Request.Documents, in the same order; from the Upload
	Callback       string    // see Operation.Callback
	IdempotencyKey string
	Fingerprint    [32]byte
	Created        time.Time
	// SignEarly, if it is not nil, signs the documents while Create makes them durable. Create calls
	// it at most once, with the operation and its documents as they will be stored. They are not
	// stored yet, but OpenFile opens the documents. SignEarly returns the result of every document, or
	// nil if the worker has to sign them. With results Create stores an operation that has ended.
	SignEarly func(ctx context.Context, op Operation, docs []Document) []DocumentResult
}

// Records creates, reads and removes operations. The Find methods search only the operations of the
// given client service. The other methods do not check the owner, so the caller must do it.
type Records interface {
	// Create makes the operation and its documents durable together, or stores nothing.
	// KindReferenceUsed if the client service has used the external reference before, KindKeyReused if
	// it has used the Idempotency-Key before. Both are remembered as long as the operation is kept.
	Create(ctx context.Context, up Upload, op NewOperation) (Operation, error)
	// Operation returns one operation. KindNotFound if it does not exist.
	Operation(ctx context.Context, id ID) (Operation, error)
	// FindByReference returns the operations of a client service with that external reference, the
	// newest first. The result is empty if there are none.
	FindByReference(ctx context.Context, clientService, reference string) ([]Operation, error)
	// FindByDocumentReference returns the newest operation of a client service that has a document
	// with that external reference. KindNotFound if there is none.
	FindByDocumentReference(ctx context.Context, clientService, reference string) (ID, error)
	// FindByKey returns the operation that was made with an Idempotency-Key. KindNotFound if there is
	// none.
	FindByKey(ctx context.Context, clientService, key string) (Operation, error)
	// Remove deletes an operation that has ended, with its documents and results. Its external
	// reference and its Idempotency-Key can be used again. Files that are open stay readable.
	// KindNotFound if the operation does not exist, ErrConflict if it has not ended.
	Remove(ctx context.Context, id ID) error
	// Fetched records that the owner has received all results of an operation that has ended. A store
	// may keep the operation for a shorter time from then on. Callers do not fail a request because of
	// an error of Fetched.
	Fetched(ctx context.Context, id ID) error
	// Documents returns up to limit documents of an operation in their order, starting with index
	// from. It returns none if the operation does not exist.
	Documents(ctx context.Context, id ID, from, limit int) ([]Document, error)
}

// CallRecord is the record of a call that was begun and has no recorded end. A crash or a lost
// answer leaves such records.
type CallRecord struct {
	ID          string
	Credential  string // name of the credential
	Certificate string // serial number of the signing certificate, hexadecimal
	Handle      string // as stored by NoteCall; empty = none
	Refs        []Ref  // in the order of the call's digests
	Free        bool   // Credential.Free; not stored, so false in a record that was read
}

// FreeCall is a call of a credential whose signatures are free. It returned a signature value for
// each document.
type FreeCall struct {
	ID          string
	Credential  string // name of the credential
	Certificate string // serial number of the signing certificate, hexadecimal
	Operation   Operation
	Documents   []Document // of the operation, in the order of the call's digests
}

// PreparedDocument is the Prepared value of a document, with the document's Ref.
type PreparedDocument struct {
	Ref
	Prepared
}

// DocumentResult ends a document. Exactly one of Section and Failure is set.
type DocumentResult struct {
	Ref
	Section []byte
	// Pieces says how the signed document is joined; nil = the section follows the original.
	Pieces  Pieces
	Failure *Failure
	// Certificate is Document.CertificateSerial of a signed document.
	Certificate string
	Type        SignatureType // of a signed document, for the Observer; not stored
}

// Outcome is how a call ended.
type Outcome string

const (
	OutcomeRefused Outcome = "refused" // no signature was made; the documents are prepared again
	// Signatures may have been made and are lost. They are counted as unknown, and the documents are
	// prepared again.
	OutcomeUnknown Outcome = "unknown"
)

// Counters are totals since the state folder was created. They survive restarts.
type Counters struct {
	Sent     int64 // digests sent to providers
	Returned int64 // signature values stored
	Unknown  int64 // digests whose outcome was never known
	Refused  int64 // digests of calls that definitely made no signature
}

// Journal stores the progress of operations and calls, for the worker and the batcher.
type Journal interface {
	// Unfinished lists operations that have not ended, oldest first.
	Unfinished(ctx context.Context) ([]ID, error)
	// SavePrepared stores the Prepared values of documents and moves the documents from received (or
	// prepared) to prepared. A power cut may undo it, as the comment of Store says.
	SavePrepared(ctx context.Context, docs []PreparedDocument) error
	// Prepared returns what SavePrepared stored, and the signature value if the document is valued.
	Prepared(ctx context.Context, ref Ref) (p Prepared, value []byte, err error)
	// BeginCall moves documents from prepared to sent and records the call. The call has no handle
	// yet. If call.Free is set, a power cut may undo BeginCall, EndCall and AbandonCall of the call,
	// as the comment of Store says.
	BeginCall(ctx context.Context, call CallRecord) error
	// NoteCall stores the handle of a call that was begun.
	NoteCall(ctx context.Context, call, handle string) error
	// EndCall stores the signature values in the order of the refs, moves the documents from sent to
	// valued, counts all digests of the call as returned, and deletes the record of the call.
	// Documents that have ended or were removed meanwhile stay as they are. ErrConflict if there is no
	// such call, or if another document of it is not in the state sent. Then nothing is stored.
	EndCall(ctx context.Context, call string, values [][]byte) error
	// AbandonCall moves the documents from sent back to prepared, counts the outcome for all digests
	// of the call, and deletes the record of the call. Documents that have ended meanwhile stay as
	// they are. ErrConflict if there is no such call.
	AbandonCall(ctx context.Context, call string, outcome Outcome) error
	// RecordFreeCalls counts calls that were made without BeginCall and returned their values, because
	// their signatures are free. A power cut may undo it, as the comment of Store says.
	RecordFreeCalls(ctx context.Context, calls []FreeCall) error
	// OpenCalls lists calls that have no recorded end.
	OpenCalls(ctx context.Context) ([]CallRecord, error)
	// FinishDocuments ends documents. Documents become signed from the state valued, and failed from
	// any state that has not ended. Their Prepared values are deleted. A list of pieces that does not
	// fit the document (Pieces.Check) is an error of KindInternal, and nothing of the call is stored.
	FinishDocuments(ctx context.Context, results []DocumentResult) error
	// SetStatus moves the operation from the status from to change.Status, and stores the rest of
	// change with it. ErrConflict if the operation has ended or does not exist.
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
