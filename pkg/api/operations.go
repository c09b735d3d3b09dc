package api

import (
	"cmp"
	"context"
	"net/http"
	"net/url"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// operationByID returns the client's own operation of the path.
func (x *exchange) operationByID() (signing.Operation, error) {
	id, err := x.path.operationID()
	if err != nil {
		return signing.Operation{}, err
	}
	x.operation = id
	op, err := x.api.cfg.Service.Operation(x.r.Context(), x.client.ID, id)
	x.reference = op.ExternalReference
	return op, err
}

// operationsByReference returns the client's own operations with the external reference of the
// request, newest first. The error is KindNotFound if there is none.
func (x *exchange) operationsByReference() ([]signing.Operation, error) {
	ref, err := x.path.reference(x.r.URL.Query())
	if err != nil {
		return nil, err
	}
	x.reference = ref
	ops, err := x.api.cfg.Service.FindByReference(x.r.Context(), x.client.ID, ref)
	if err == nil && len(ops) == 0 {
		err = signing.Errorf(signing.KindNotFound, "no operation with that externalReference")
	}
	return ops, err
}

func statusByReference(x *exchange) error {
	ops, err := x.operationsByReference()
	if err != nil {
		return err
	}
	x.operation = ops[0].ID
	if ops[0], err = x.poll(ops[0]); err != nil {
		return err
	}
	endpoint := x.api.cfg.Endpoint()
	return x.w.writeJSON(http.StatusOK, func(w *jsonstream.Writer) error {
		w.Array(func() {
			for _, op := range ops {
				writeStatus(w, op, endpoint)
			}
		})
		return nil
	})
}

func statusByID(x *exchange) error {
	op, err := x.operationByID()
	if err != nil {
		return err
	}
	if op, err = x.poll(op); err != nil {
		return err
	}
	return x.w.writeJSON(http.StatusOK, func(w *jsonstream.Writer) error {
		writeStatus(w, op, x.api.cfg.Endpoint())
		return nil
	})
}

func detailByReference(x *exchange) error {
	content, err := x.path.contentWanted(x.r.URL.Query())
	if err != nil {
		return err
	}
	ops, err := x.operationsByReference()
	if err != nil {
		return err
	}
	return x.writeSignOperation(ops[0], content)
}

// detailByID answers both calls by id. If the path has no flag, the flag comes from the query, as
// in detailByReference.
func detailByID(x *exchange) error {
	content, err := x.path.contentWanted(x.r.URL.Query())
	if err != nil {
		return err
	}
	op, err := x.operationByID()
	if err != nil {
		return err
	}
	return x.writeSignOperation(op, content)
}

// contentWanted reports whether the answer includes the signed documents. The flag stands in the
// path or in the query, and the path takes precedence. Without a flag the documents are included.
func (v pathValues) contentWanted(query url.Values) (bool, error) {
	return parseFlag(cmp.Or(v.flag, query.Get("includeContent"), "true"))
}

// newestWithDocument returns a client's newest operation on this instance that has a document with
// that reference.
func newestWithDocument(ctx context.Context, s *signing.Service, client, reference string) (signing.Operation, error) {
	id, err := s.FindByDocumentReference(ctx, client, reference)
	if err != nil {
		return signing.Operation{}, err
	}
	return s.Operation(ctx, client, id)
}

// idByDocumentReference asks the other instances even if this one knows an operation. A document
// reference may repeat, so another instance may have a newer operation.
func idByDocumentReference(x *exchange) error {
	ref, err := x.path.reference(x.r.URL.Query())
	if err != nil {
		return err
	}
	x.reference = ref
	op, err := newestWithDocument(x.r.Context(), x.api.cfg.Service, x.client.ID, ref)
	notFound := signing.KindOf(err) == signing.KindNotFound && err != nil
	if err != nil && !notFound {
		return err
	}
	if x.api.cfg.Forwarder.MayAsk(x.r) {
		x.askedAll = true
		if answered, err := newPeerCall(x).newest(op.Created); answered || err != nil {
			return err
		}
	}
	if notFound {
		return err
	}
	x.operation = op.ID
	if affinity.Forwarded(x.r) {
		x.w.Header().Set(affinity.CreatedHeader, op.Created.UTC().Format(affinity.CreatedFormat))
	}
	return writeID(x.w, op.ID)
}

// removeByID removes an operation that has ended. A client that repeats the call after a lost
// answer gets 404, which tells it that the operation is gone.
func removeByID(x *exchange) error {
	op, err := x.operationByID()
	if err != nil {
		return err
	}
	if err := x.api.cfg.Service.Remove(x.r.Context(), x.client.ID, op.ID); err != nil {
		return err
	}
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}
