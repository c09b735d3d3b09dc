package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/go-logr/logr"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// intake takes the documents of requests and creates operations. It is safe for concurrent use.
type intake struct {
	ordinal   int
	db        *database
	files     paths
	space     *space
	records   *records
	spool     *spool
	sweeper   *sweeper
	uncertain *uncertainCommits
	log       logr.Logger

	sequence atomic.Int64 // the last number that was assigned
	claimed  atomic.Bool  // Idempotency-Keys are claimed before their operations are created
}

func errReferenceUsed() error {
	return signing.Errorf(signing.KindReferenceUsed, "externalReference was used before")
}

func errKeyUsed() error {
	return signing.Errorf(signing.KindKeyReused, "Idempotency-Key was used before")
}

// Create implements signing.Records. First the file of the upload gets its new name, then content
// and name are made durable while the documents are signed if they are signed early, then the rows
// are committed. A crash before the commit leaves a file that the next start removes. An
// Idempotency-Key that was used before is KindKeyReused.
func (in *intake) Create(ctx context.Context, up signing.Upload, n signing.NewOperation) (signing.Operation, error) {
	var none signing.Operation
	u, ok := up.(*upload)
	if !ok || u.in != in || u.ended || u.file == nil {
		return none, fmt.Errorf("create operation: %w", errUploadEnded)
	}
	if err := in.isNew(ctx, n); err != nil { // before the fsyncs; the transaction checks again
		return none, err
	}
	op, rows, err := in.newRows(u, n)
	if err != nil {
		return none, fmt.Errorf("create operation: %w", err)
	}
	size := u.size
	in.db.step("create")
	if err := in.rename(u, op.ID); err != nil {
		return none, err
	}
	results := signEarly(ctx, n.SignEarly, op, rows)
	err = in.sync(u, op.ID)
	signed := results()
	if err != nil {
		return none, err
	}
	in.db.step("create: documents in place")
	end, err := in.placeEarly(&op, signed)
	if err == nil {
		err = in.db.do(ctx, len(rows)*documentRowBytes+end.bytes, func(t *tx) error {
			return in.insert(t, op, size, rows, end)
		})
	}
	if err != nil {
		total := max(size, end.sizes[op.ID])
		in.space.stored.Add(size - total)
		in.undoCreate(op.ID, total, err)
		return none, createError(err)
	}
	in.space.stored.Add(size)
	in.db.step("create: committed")
	in.uncertain.nameCommitted(op.ID)
	return op, nil
}

// insert stores the rows of an operation and, if its documents were signed early, its end.
func (in *intake) insert(t *tx, op signing.Operation, size int64, rows []documentRow, end endings) error {
	if err := t.insertOperation(op, size, rows); err != nil {
		return err
	}
	if op.IdempotencyKey != "" && !in.claimed.Load() {
		if err := t.noteUnclaimed(op.ID); err != nil {
			return err
		}
	}
	return t.endEarly(op, end)
}

// createError turns a full or read-only disk into KindBusy, because nothing was accepted.
func createError(err error) error {
	switch {
	case isFull(err):
		return signing.Errorf(signing.KindBusy, "storage is full").Because(err).Retryable(busyRetry)
	case isReadOnly(err):
		return signing.Errorf(signing.KindBusy, "storage does not accept writes").Because(err).Retryable(busyRetry)
	}
	return err
}

// undoCreate removes the documents of a failed Create if it is certain that no row names them.
// Otherwise it adds the operation to the uncertain commits.
func (in *intake) undoCreate(id signing.ID, size int64, err error) {
	switch signing.KindOf(err) {
	case signing.KindReferenceUsed, signing.KindKeyReused:
		if err := os.Remove(in.files.newOperation(id)); err != nil {
			in.log.Error(err, "could not remove the documents of a refused request; the next start will")
		}
	default:
		in.uncertain.add(id, size)
	}
}

// isNew returns KindReferenceUsed or KindKeyReused if the external reference or the Idempotency-Key
// is taken.
func (in *intake) isNew(ctx context.Context, n signing.NewOperation) error {
	ops, err := in.records.FindByReference(ctx, n.ClientService, n.Request.ExternalReference)
	if err != nil {
		return err
	}
	if len(ops) > 0 {
		return errReferenceUsed()
	}
	if n.IdempotencyKey == "" {
		return nil
	}
	_, err = in.records.FindByKey(ctx, n.ClientService, n.IdempotencyKey)
	switch {
	case err == nil:
		return errKeyUsed()
	case signing.KindOf(err) != signing.KindNotFound:
		return err
	}
	return nil
}

// rename gives an upload's file the first name of its operation. It comes before sync, so that the
// one commit of the file system's journal that the file needs includes the new name.
func (in *intake) rename(u *upload, id signing.ID) error {
	if err := os.Rename(u.path, in.files.newOperation(id)); err != nil {
		return intakeError("move upload", err)
	}
	return nil
}

// sync makes the file of an operation and its name durable. After an error it removes the file.
func (in *intake) sync(u *upload, id signing.ID) error {
	err := u.file.Sync()
	if err == nil {
		err = durable.SyncDir(in.files.operations())
	}
	u.end()
	if err != nil {
		_ = os.Remove(in.files.newOperation(id)) // no row will name it
		return intakeError("sync documents", err)
	}
	return nil
}

// documentRow is what is known of a document before the transaction.
type documentRow struct {
	signing.DocumentRequest
	content   signing.Content
	at        int64
	signature []byte
}

// documentRowBytes estimates the bytes that the rows of a document take besides its texts.
const documentRowBytes = 700

// rowBytes estimates the bytes that the rows of an operation take.
func rowBytes(rows []documentRow) (bytes int) {
	for _, r := range rows {
		bytes += documentRowBytes + len(r.signature) + len(r.Name) + len(r.ExternalReference)
	}
	return bytes
}

// newRows checks the request against the upload and assigns sequence numbers: one to the operation
// and one to each document.
func (in *intake) newRows(u *upload, n signing.NewOperation) (op signing.Operation, rows []documentRow, err error) {
	count := len(n.Contents)
	if count == 0 || count != len(n.Request.Documents) || count >= maxDocuments {
		return op, nil, errors.New("contents do not match the documents")
	}
	rows = make([]documentRow, count)
	for i, c := range n.Contents {
		at, ok := parseFileName(c.File)
		if !ok || c.Size < 0 || at > u.size-c.Size {
			return op, nil, errors.New("content is not from this upload")
		}
		rows[i] = documentRow{DocumentRequest: n.Request.Documents[i], content: c, at: at}
		if rows[i].signature, err = json.Marshal(n.Request.Documents[i].Signature); err != nil {
			return op, nil, fmt.Errorf("encode signature information: %w", err)
		}
	}
	sequence := in.sequence.Add(int64(count)+1) - int64(count)
	return signing.Operation{
		ID:                signing.NewID(sequence, in.ordinal),
		ClientService:     n.ClientService,
		ExternalReference: n.Request.ExternalReference,
		Description:       n.Request.Description,
		Preservation:      n.Request.Preservation,
		ReturnContent:     n.Request.ReturnContent,
		IdempotencyKey:    n.IdempotencyKey,
		Callback:          n.Callback,
		Fingerprint:       n.Fingerprint,
		Status:            signing.StatusPending,
		Created:           fromNanos(toNanos(n.Created)),
		DocumentCount:     count,
	}, rows, nil
}

// insertOperation writes the rows, or refuses as isNew does.
func (t *tx) insertOperation(op signing.Operation, size int64, rows []documentRow) error {
	if err := t.isNew(op); err != nil {
		return err
	}
	var key, digest any
	if op.IdempotencyKey != "" {
		of := keyhome.KeyOf(op.ClientService, op.IdempotencyKey)
		key, digest = op.IdempotencyKey, of[:]
	}
	_, err := t.exec(
		`INSERT INTO operations (id, client_service, external_reference, description, preservation, return_content,
		idempotency_key, fingerprint, status, created, document_count, bytes, callback, metadata,
		key_digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		int64(op.ID),
		op.ClientService,
		op.ExternalReference,
		op.Description,
		op.Preservation,
		op.ReturnContent,
		key,
		op.Fingerprint[:],
		string(signing.StatusPending),
		toNanos(op.Created),
		op.DocumentCount,
		size,
		op.Callback,
		rowBytes(rows),
		digest,
	)
	if err != nil {
		return fmt.Errorf("insert operation: %w", err)
	}
	for i, r := range rows {
		id := documentID(op.ID, i)
		_, err := t.exec(
			`INSERT INTO documents (id, operation, position, reference_digest, external_reference, name, content_type, signature,
			at, size, sha256, midstate) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			id,
			int64(op.ID),
			i,
			referenceDigest(op.ClientService, r.ExternalReference),
			r.ExternalReference,
			r.Name,
			r.ContentType,
			string(r.signature),
			r.at,
			r.content.Size,
			r.content.SHA256[:],
			r.content.Midstate,
		)
		if err != nil {
			return fmt.Errorf("insert document: %w", err)
		}
		_, err = t.exec("INSERT INTO progress (id, state) VALUES (?, ?)", id, string(signing.DocumentReceived))
		if err != nil {
			return fmt.Errorf("insert progress: %w", err)
		}
	}
	_, err = t.exec("UPDATE instance SET sequence = max(sequence, ?)", op.ID.Sequence()+int64(len(rows)))
	return err
}

// isNew is intake.isNew within the transaction.
func (t *tx) isNew(op signing.Operation) error {
	var used, keyUsed bool
	err := t.get(`SELECT EXISTS (SELECT 1 FROM operations WHERE client_service = ?1 AND external_reference = ?2),
		EXISTS (SELECT 1 FROM operations WHERE client_service = ?1 AND idempotency_key = ?3 AND ?3 <> '')`,
		[]any{op.ClientService, op.ExternalReference, op.IdempotencyKey}, &used, &keyUsed)
	switch {
	case err != nil:
		return fmt.Errorf("find reference: %w", err)
	case used:
		return errReferenceUsed()
	case keyUsed:
		return errKeyUsed()
	}
	return nil
}
