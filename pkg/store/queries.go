package store

import (
	"context"
	"database/sql"
	"fmt"
)

const operationColumns = `id, client_service, external_reference, description, preservation, return_content,
	coalesce(idempotency_key, ''), fingerprint, status, tries, next_try, created, ended, document_count, callback`

const claimColumns = "position, key, owner, attempt, fingerprint, expires, version, coalesce(copied, 0)"

// queries are the prepared statements that read. Each runs on any connection of the pool.
type queries struct {
	// Operations, each with operationColumns.
	operation, byReference, byKey, recent *sql.Stmt
	// Ids of operations.
	byDocument, unfinished, known, removed *sql.Stmt
	// Documents and their sections.
	documents, section, prepared *sql.Stmt
	// Operations that retention may remove.
	expired, fetched, endedOf *sql.Stmt

	// Claims of key homes, each with claimColumns.
	claim, claimPage *sql.Stmt
	// State of key homes, and operations with a key.
	keyState, unfilled, held, holds *sql.Stmt

	calls, callbacks, remaining, counters, stats, pages, usage *sql.Stmt
}

// query is the text of a statement and where the prepared statement is kept.
type query struct {
	stmt **sql.Stmt
	text string
}

func (q *queries) all() []query {
	return []query{
		{&q.operation, "SELECT " + operationColumns + " FROM operations WHERE id = ?"},
		{&q.byReference, "SELECT " + operationColumns + ` FROM operations
			WHERE client_service = ? AND external_reference = ? ORDER BY id DESC`},
		{&q.byKey, "SELECT " + operationColumns + ` FROM operations
			WHERE client_service = ? AND idempotency_key = ? ORDER BY id DESC LIMIT 1`},
		{&q.recent, "SELECT " + operationColumns + `, CASE WHEN is_ended THEN document_count ELSE (
				SELECT count(*) FROM progress p
				WHERE p.id > o.id AND p.id <= o.id + o.document_count * 1024 AND p.state IN ('signed', 'failed')) END
			FROM operations o ORDER BY id DESC LIMIT ?`},

		{&q.byDocument, `SELECT d.operation FROM documents d JOIN operations o ON o.id = d.operation
			WHERE d.reference_digest = ? AND d.external_reference = ? AND o.client_service = ?
			ORDER BY d.id DESC LIMIT 1`},
		{&q.unfinished, "SELECT id FROM operations WHERE is_ended = 0 ORDER BY id"},
		{&q.known, "SELECT id FROM operations WHERE id IN (SELECT value FROM json_each(?))"},
		{&q.removed, "SELECT id FROM removed"},

		{&q.documents, `SELECT d.id, d.position, d.external_reference, d.name, d.content_type, d.signature, d.at, d.size,
				d.sha256, d.midstate, p.state, p.failure_kind, p.failure_detail, p.section_size,
				coalesce(p.pieces, ''), coalesce(p.certificate, ''), o.created
			FROM documents d JOIN progress p ON p.id = d.id JOIN operations o ON o.id = d.operation
			WHERE d.id >= ? AND d.id < ? AND d.operation = ? ORDER BY d.id`},
		{&q.section, `SELECT p.section_at, p.section_size, p.section_sha256, s.section, coalesce(p.pieces, ''), d.size
			FROM progress p JOIN documents d ON d.id = p.id LEFT JOIN sections s ON s.id = p.id
			WHERE p.id = ? AND d.operation = ? AND p.state = 'signed'`},
		{&q.prepared, `SELECT r.digest, r.state, r.certificate, p.value
			FROM prepared r JOIN progress p ON p.id = r.id JOIN documents d ON d.id = r.id
			WHERE r.id = ? AND d.operation = ?`},

		{&q.expired, `SELECT id, document_count, bytes, metadata FROM operations WHERE is_ended = 1 AND ended <= ?
			AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY ended, id LIMIT ?`},
		{&q.fetched, `SELECT id, document_count, bytes, metadata FROM operations
			WHERE is_ended = 1 AND fetched > 0 AND fetched <= ?
			AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY fetched LIMIT ?`},
		{&q.endedOf, `SELECT id, document_count, bytes, metadata FROM operations INDEXED BY operations_of_client
			WHERE is_ended = 1 AND client_service = ? AND ended > ? AND ended <= ?
			AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY ended, id LIMIT ?`},

		{&q.claim, "SELECT " + claimColumns + " FROM claims WHERE key = ?"},
		{&q.claimPage, "SELECT " + claimColumns + " FROM claims WHERE position > ? ORDER BY position LIMIT ?"},
		{&q.keyState, "SELECT state, highest_version FROM key_state, claim_totals"},
		{&q.unfilled, "SELECT unfilled FROM key_state"},
		{&q.held, `SELECT id, client_service, idempotency_key, created FROM operations
			WHERE id <= ? AND idempotency_key IS NOT NULL ORDER BY id DESC LIMIT ?`},
		{&q.holds, "SELECT EXISTS (SELECT 1 FROM operations WHERE key_digest = ?)"},

		{&q.calls, "SELECT id, credential, certificate, handle, refs FROM calls ORDER BY number"},
		{&q.callbacks, "SELECT operation, tries, next_try FROM callbacks ORDER BY next_try LIMIT ?"},
		{&q.remaining, `SELECT count(*) FILTER (WHERE is_ended = 0), count(*) FILTER (WHERE is_ended = 1 AND fetched = 0),
			(SELECT count(*) FROM callbacks) FROM operations`},
		{&q.counters, "SELECT sent, returned, unknown, refused FROM instance"},
		{&q.stats, `SELECT (SELECT count(*) FROM operations), count(*), coalesce(sum(document_count), 0),
			(SELECT claims FROM claim_totals), (SELECT uncopied FROM claim_totals)
			FROM operations WHERE is_ended = 0`},
		{&q.pages, `SELECT page_count, freelist_count, page_size
			FROM pragma_page_count, pragma_freelist_count, pragma_page_size`},
		{&q.usage, "SELECT client_service, bytes FROM usage ORDER BY bytes DESC"},
	}
}

// prepare prepares all statements. After an error call close.
func (q *queries) prepare(ctx context.Context, db *sql.DB) error {
	for _, one := range q.all() {
		stmt, err := db.PrepareContext(ctx, one.text)
		if err != nil {
			return fmt.Errorf("prepare query: %w", err)
		}
		*one.stmt = stmt
	}
	return nil
}

func (q *queries) close() {
	for _, one := range q.all() {
		if *one.stmt != nil {
			_ = (*one.stmt).Close()
		}
	}
}
