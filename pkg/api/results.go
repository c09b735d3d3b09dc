package api

import (
	"context"
	"errors"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// documentPage is how many documents are in memory at a time while an answer is written.
const documentPage = 100

// results reads the documents of operations for one answer to a client service.
type results struct {
	service *signing.Service
	reading func(id signing.ID) (done func()) // see Config.Reading; nil = there is nobody to tell
	client  string
	request func() context.Context // context of the request that is answered
}

// newResults returns what the answer to a request reads documents with.
func newResults(x *exchange) results {
	cfg := &x.api.cfg
	return results{service: cfg.Service, reading: cfg.Reading, client: x.client.ID, request: x.r.Context}
}

// each calls do for each document of an operation. One page of them is in memory at a time. It
// returns an error if documents are missing.
func (s results) each(op signing.Operation, do func(d *signing.Document) error) error {
	if s.reading != nil {
		defer s.reading(op.ID)()
	}
	for seen := 0; seen < op.DocumentCount; {
		docs, err := s.service.Documents(s.request(), op.ID, seen, documentPage)
		if err == nil && len(docs) == 0 {
			err = s.missing(op, seen)
		}
		if err != nil {
			return err
		}
		for i := range docs {
			if err := do(&docs[i]); err != nil {
				return err
			}
		}
		seen += len(docs)
	}
	return nil
}

// missing explains why fewer documents were found than DocumentCount: the operation was removed
// meanwhile (KindNotFound), or the store has lost some (KindStorage).
func (s results) missing(op signing.Operation, seen int) error {
	if _, err := s.service.Operation(s.request(), s.client, op.ID); err != nil {
		return err
	}
	return signing.Errorf(signing.KindStorage, "operation has %d documents instead of %d", seen, op.DocumentCount)
}

// open opens a signed document and checks that it has the length that it had when it was signed.
func (s results) open(d *signing.Document) (signing.File, error) {
	f, err := s.service.OpenSigned(s.request(), *d)
	if err != nil {
		return nil, err
	}
	if err := checkLength(f.Size(), d); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// fetched records that the client received all results of an operation. It does not stop when the
// client has left, because the results were sent.
func (s results) fetched(id signing.ID) {
	s.service.Fetched(context.WithoutCancel(s.request()), id)
}

// checkLength refuses a signed document that is not as long as it was when it was signed, so that
// the client does not take a damaged file for the document.
func checkLength(n int64, d *signing.Document) error {
	if n != d.SignedSize() {
		return signing.Errorf(signing.KindStorage, "document %d has %d bytes instead of %d", d.Index, n, d.SignedSize())
	}
	return nil
}
