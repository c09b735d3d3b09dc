package store

import (
	"context"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// signEarly calls sign, which is NewOperation.SignEarly, in the background. results waits for it
// and returns what it returned.
func signEarly(
	ctx context.Context, sign func(context.Context, signing.Operation, []signing.Document) []signing.DocumentResult,
	op signing.Operation, rows []documentRow,
) (results func() []signing.DocumentResult) {
	if sign == nil {
		return func() []signing.DocumentResult { return nil }
	}
	docs := make([]signing.Document, len(rows))
	for i, r := range rows {
		docs[i] = signing.Document{
			Ref:             signing.Ref{Operation: op.ID, Index: i},
			DocumentRequest: r.DocumentRequest,
			InternalID:      documentID(op.ID, i),
			Content:         r.content,
			State:           signing.DocumentReceived,
			Received:        op.Created,
		}
	}
	signed := make(chan []signing.DocumentResult, 1)
	go func() { signed <- sign(ctx, op, docs) }()
	return func() []signing.DocumentResult { return <-signed }
}

// placeEarly puts the sections of documents that were signed early in their places, and gives the
// operation its end. Without results it does nothing.
func (in *intake) placeEarly(op *signing.Operation, results []signing.DocumentResult) (end endings, err error) {
	if len(results) == 0 {
		return end, nil
	}
	if end, err = in.spool.place(results, signing.DocumentReceived); err != nil {
		return end, err
	}
	op.Status, op.Ended = signing.StatusFailed, fromNanos(toNanos(time.Now()))
	for _, r := range results {
		if r.Failure == nil {
			op.Status = signing.StatusExecuted
		}
	}
	return end, nil
}

// endEarly stores the end of an operation whose documents were signed early.
func (t *tx) endEarly(op signing.Operation, end endings) error {
	if len(end.list) == 0 {
		return nil
	}
	if len(end.list) != op.DocumentCount {
		return signing.ErrConflict
	}
	if err := t.finish(end); err != nil {
		return err
	}
	return t.setStatus(op.ID, signing.StatusPending, signing.StatusChange{Status: op.Status, Ended: op.Ended})
}
