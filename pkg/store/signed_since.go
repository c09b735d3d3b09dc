package store

import (
	"context"
	"time"
)

// signedSince counts signed documents by client service. The ids of the documents of an operation
// follow from its id. So the query reads only the operations that ended since a time, and their
// documents.
const signedSince = `SELECT o.client_service, count(*) FROM operations o
	JOIN progress p ON p.id > o.id AND p.id <= o.id + o.document_count * 1024
	WHERE o.is_ended = 1 AND o.ended >= ? AND p.state = 'signed'
	GROUP BY o.client_service`

// SignedSince returns how many documents were signed for each client service, in the operations
// that ended at or after a time and that retention has not removed. It reads a row for each of
// their documents, and ends when ctx does.
func (rs *records) SignedSince(ctx context.Context, since time.Time) (map[string]int64, error) {
	rows, err := rs.db.read.QueryContext(ctx, signedSince, since.UnixNano())
	if err != nil {
		return nil, storageError("count signed documents", err)
	}
	defer func() { _ = rows.Close() }()
	counts := map[string]int64{}
	for rows.Next() {
		var client string
		var n int64
		if err := rows.Scan(&client, &n); err != nil {
			return nil, storageError("count signed documents", err)
		}
		counts[client] = n
	}
	if err := rows.Err(); err != nil {
		return nil, storageError("count signed documents", err)
	}
	return counts, nil
}
