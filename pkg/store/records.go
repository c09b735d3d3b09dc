package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// idStep is the difference between the internal ids of two consecutive documents. The lowest ten
// bits of every id are the ordinal of the instance, so ids differ only above them.
const idStep = signing.MaxOrdinal + 1

// documentID returns the InternalID of the document at a position of an operation. index starts at
// 0.
func documentID(id signing.ID, index int) int64 { return int64(id) + int64(index+1)*idStep }

// maxDocuments bounds positions, so that ids computed from them cannot overflow.
const maxDocuments = 1 << 24

type row interface{ Scan(...any) error }

// scanOperation reads an operation from the columns operationColumns of r. If the query selects
// further columns after them, more holds one destination for each.
func scanOperation(r row, more ...any) (op signing.Operation, err error) {
	var fingerprint []byte
	var next, created, ended int64
	err = r.Scan(
		append([]any{
			&op.ID,
			&op.ClientService,
			&op.ExternalReference,
			&op.Description,
			&op.Preservation,
			&op.ReturnContent,
			&op.IdempotencyKey,
			&fingerprint,
			&op.Status,
			&op.Tries,
			&next,
			&created,
			&ended,
			&op.DocumentCount,
			&op.Callback,
		}, more...)...)
	copy(op.Fingerprint[:], fingerprint)
	op.NextTry, op.Created, op.Ended = fromNanos(next), fromNanos(created), fromNanos(ended)
	return op, err
}

func toNanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// readError turns the error of a query for one row into a *signing.Error: KindNotFound if there is
// no such row, otherwise KindStorage. It returns nil if err is nil.
func readError(what string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return signing.Errorf(signing.KindNotFound, "no such %s", what)
	}
	return storageError("read "+what, err)
}

// records reads operations and documents. It is safe for concurrent use.
type records struct {
	db      *database
	earlier earlierIDs // counts requests for operations of a lost state folder
}

func scanID(r row) (id signing.ID, err error) {
	err = r.Scan(&id)
	return id, err
}

// Operation implements signing.Records.
func (rs *records) Operation(ctx context.Context, id signing.ID) (signing.Operation, error) {
	if err := ctx.Err(); err != nil {
		return signing.Operation{}, err
	}
	op, err := scanOperation(rs.db.queries.operation.QueryRow(int64(id)))
	if errors.Is(err, sql.ErrNoRows) {
		rs.earlier.countMissing(id)
	}
	return op, readError("operation", err)
}

// Progress is an operation and how many of its documents have ended.
type Progress struct {
	signing.Operation
	EndedDocuments int
}

// Recent returns at most limit operations of all client services, the newest first. The status page
// for operators shows them.
func (rs *records) Recent(ctx context.Context, limit int) ([]Progress, error) {
	return collect(ctx, rs.db.queries.recent, func(r row) (p Progress, err error) {
		p.Operation, err = scanOperation(r, &p.EndedDocuments)
		return p, err
	}, limit)
}

// FindByReference implements signing.Records.
func (rs *records) FindByReference(ctx context.Context, clientService, reference string) ([]signing.Operation, error) {
	scan := func(r row) (signing.Operation, error) { return scanOperation(r) }
	return collect(ctx, rs.db.queries.byReference, scan, clientService, reference)
}

// FindByKey implements signing.Records.
func (rs *records) FindByKey(ctx context.Context, clientService, key string) (signing.Operation, error) {
	if err := ctx.Err(); err != nil {
		return signing.Operation{}, err
	}
	op, err := scanOperation(rs.db.queries.byKey.QueryRow(clientService, key))
	return op, readError("operation", err)
}

// FindByDocumentReference implements signing.Records.
func (rs *records) FindByDocumentReference(
	ctx context.Context, clientService, reference string,
) (id signing.ID, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	err = rs.db.queries.byDocument.QueryRow(referenceDigest(clientService, reference), reference, clientService).Scan(&id)
	return id, readError("document", err)
}

// referenceDigest makes an index entry of eight bytes from two strings. Queries compare the strings
// as well.
func referenceDigest(clientService, reference string) int64 {
	sum := sha256.Sum256([]byte(clientService + "\x00" + reference))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// Documents implements signing.Records.
func (rs *records) Documents(ctx context.Context, id signing.ID, from, limit int) ([]signing.Document, error) {
	from = max(from, 0)
	if from >= maxDocuments || limit <= 0 {
		return nil, ctx.Err()
	}
	limit = min(limit, maxDocuments)
	return collect(ctx, rs.db.queries.documents, func(r row) (signing.Document, error) { return scanDocument(r, id) },
		documentID(id, from), documentID(id, from+limit), int64(id))
}

func scanDocument(r row, id signing.ID) (d signing.Document, err error) {
	var signature, sum []byte
	var at, created, sectionSize int64
	var kind, detail sql.NullString
	var list string
	err = r.Scan(&d.InternalID, &d.Index, &d.ExternalReference, &d.Name, &d.ContentType, &signature, &at, &d.Content.Size,
		&sum, &d.Content.Midstate, &d.State, &kind, &detail, &sectionSize, &list,
		&d.CertificateSerial, &created)
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(signature, &d.Signature); err != nil {
		return d, fmt.Errorf("decode signature information: %w", err)
	}
	d.Operation = id
	d.Content.File = fileName(at)
	copy(d.Content.SHA256[:], sum)
	d.Received = fromNanos(created)
	if d.State == signing.DocumentSigned {
		// A damaged list must not hide the other documents. OpenSection reports it.
		d.Pieces, _ = decodePieces(list, d.Content.Size, sectionSize)
	}
	if d.State == signing.DocumentFailed {
		d.Failure = &signing.Failure{Kind: signing.Kind(kind.String), Detail: detail.String}
	}
	return d, nil
}

// collect runs a query and scans every row. Its errors are KindStorage.
func collect[T any](ctx context.Context, q *sql.Stmt, scan func(row) (T, error), args ...any) (list []T, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rows, err := q.Query(args...)
	if err != nil {
		return nil, storageError("read metadata", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, storageError("read metadata", err)
		}
		list = append(list, one)
	}
	return list, storageError("read metadata", rows.Err())
}
