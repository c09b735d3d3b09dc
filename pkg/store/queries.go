package store

import (
	"context"
	"database/sql"
	"fmt"
)

const operationColumns = `id, client_service, external_reference, description, preservation, return_content, coalesce(idempotency_key, ''),
	fingerprint, status, tries, next_try, created, ended, document_count, callback`

// queries are the prepared reads. Each runs on any connection of the pool.
type queries struct {
	operation, byReference, byKey, byDocument, documents, section, prepared, unfinished, calls, counters, known, stats, expired, fetched, recent, callbacks, pages, removed, usage, endedOf *sql.Stmt
}

func (q *queries) all() map[string]**sql.Stmt {
	return map[string]**sql.Stmt{
		"SELECT " + operationColumns + " FROM operations WHERE id = ?":                                                              &q.operation,
		"SELECT " + operationColumns + " FROM operations WHERE client_service = ? AND external_reference = ? ORDER BY id DESC":      &q.byReference,
		"SELECT " + operationColumns + " FROM operations WHERE client_service = ? AND idempotency_key = ? ORDER BY id DESC LIMIT 1": &q.byKey,
		`SELECT d.operation FROM documents d JOIN operations o ON o.id = d.operation
			WHERE d.reference_digest = ? AND d.external_reference = ? AND o.client_service = ? ORDER BY d.id DESC LIMIT 1`: &q.byDocument,
		`SELECT d.id, d.position, d.external_reference, d.name, d.content_type, d.signature, d.at, d.size, d.sha256, d.midstate,
			p.state, p.failure_kind, p.failure_detail, p.section_size, o.created
			FROM documents d JOIN progress p ON p.id = d.id JOIN operations o ON o.id = d.operation
			WHERE d.id >= ? AND d.id < ? AND d.operation = ? ORDER BY d.id`: &q.documents,
		`SELECT p.section_at, p.section_size, p.section_sha256, s.section FROM progress p JOIN documents d ON d.id = p.id LEFT JOIN sections s ON s.id = p.id
			WHERE p.id = ? AND d.operation = ? AND p.state = 'signed'`: &q.section,
		`SELECT r.digest, r.state, p.value FROM prepared r JOIN progress p ON p.id = r.id JOIN documents d ON d.id = r.id
			WHERE r.id = ? AND d.operation = ?`: &q.prepared,
		"SELECT id FROM operations WHERE is_ended = 0 ORDER BY id":                                                                &q.unfinished,
		"SELECT id, credential, certificate, handle, refs FROM calls ORDER BY number":                                             &q.calls,
		"SELECT sent, returned, unknown, refused FROM instance":                                                                   &q.counters,
		"SELECT id FROM operations WHERE id IN (SELECT value FROM json_each(?))":                                                  &q.known,
		`SELECT (SELECT count(*) FROM operations), count(*), coalesce(sum(document_count), 0) FROM operations WHERE is_ended = 0`: &q.stats,
		"SELECT " + operationColumns + `, CASE WHEN is_ended THEN document_count ELSE (SELECT count(*) FROM progress p
			WHERE p.id > o.id AND p.id <= o.id + o.document_count * 1024 AND p.state IN ('signed', 'failed')) END
			FROM operations o ORDER BY id DESC LIMIT ?`: &q.recent,
		"SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size": &q.pages,
		"SELECT id FROM removed": &q.removed,
		"SELECT operation, tries, next_try FROM callbacks ORDER BY next_try LIMIT ?": &q.callbacks,
		`SELECT id, document_count, bytes, metadata FROM operations WHERE is_ended = 1 AND fetched > 0 AND fetched <= ?
			AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY fetched LIMIT ?`: &q.fetched,
		`SELECT id, document_count, bytes, metadata FROM operations WHERE is_ended = 1 AND ended <= ?
			AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY ended, id LIMIT ?`: &q.expired,
		`SELECT id, document_count, bytes, metadata FROM operations INDEXED BY operations_of_client
			WHERE is_ended = 1 AND client_service = ? AND ended > ? AND ended <= ?
			AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY ended, id LIMIT ?`: &q.endedOf,
		"SELECT client_service, bytes FROM usage ORDER BY bytes DESC": &q.usage,
	}
}

func (q *queries) prepare(ctx context.Context, db *sql.DB) error {
	for text, stmt := range q.all() {
		s, err := db.PrepareContext(ctx, text)
		if err != nil {
			return fmt.Errorf("prepare query: %w", err)
		}
		*stmt = s
	}
	return nil
}

func (q *queries) close() {
	for _, stmt := range q.all() {
		if *stmt != nil {
			_ = (*stmt).Close()
		}
	}
}
