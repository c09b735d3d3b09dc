package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/api/request"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// bodyForm reads a request in one of the two forms in which documents are sent.
type bodyForm func(r *request.Reader, body io.Reader, contentType string) (*request.Received, error)

var (
	base64Form    bodyForm = (*request.Reader).ReadJSON
	multipartForm bodyForm = (*request.Reader).ReadMultipart
)

func signBase64(x *exchange) error         { return signAndWait(x, base64Form) }
func signMultipart(x *exchange) error      { return signAndWait(x, multipartForm) }
func signBase64Async(x *exchange) error    { return signLater(x, base64Form) }
func signMultipartAsync(x *exchange) error { return signLater(x, multipartForm) }

// signLater answers 202 as soon as the operation is durable.
func signLater(x *exchange, form bodyForm) error {
	if x.api.cfg.Published != nil && !x.api.cfg.Published() {
		return busy("the address of this instance is not known yet")
	}
	done, err := x.claimKey()
	if err != nil {
		return err
	}
	defer done()
	if answered, err := x.askForKey(); answered || err != nil {
		return err
	}
	op, err := x.submit(form, false)
	if err != nil {
		return err
	}
	return x.writeAccepted(op)
}

// signAndWait answers when the operation has ended. When the longest wait is over, it answers with
// the current state, and the operation goes on.
func signAndWait(x *exchange, form bodyForm) error {
	if !x.api.waiting.Take(x.client.ID, 1) {
		return busy("too many synchronous requests wait for their results; send the request asynchronously, or later")
	}
	defer x.api.waiting.Give(x.client.ID, 1)
	done, err := x.claimKey()
	if err != nil {
		return err
	}
	defer done()
	if answered, err := x.askForKey(); answered || err != nil {
		return err
	}
	probe, err := x.api.waits.Admit(x.client.ID, x.began)
	if err != nil {
		return err
	}
	defer func() {
		if probe {
			x.api.waits.Abandon(x.client.ID, time.Now())
		}
	}()
	op, err := x.submit(form, true)
	if err != nil {
		return err
	}
	if op, err = x.wait(op, x.api.cfg.SyncWait); err != nil {
		return orRemoved(err)
	}
	// A wait that ended early, because the client left or the server stops, says nothing about the
	// provider.
	if now := time.Now(); op.Status.Ended() || x.api.cfg.SyncWait > 0 && now.Sub(x.began) >= x.api.cfg.SyncWait {
		x.api.waits.Waited(x.client.ID, op.Status.Ended(), now)
		probe = false // Waited has reported it
	}
	if err := x.refusal(op); err != nil {
		return orRemoved(err)
	}
	return orRemoved(x.writeSignOperation(op, op.ReturnContent))
}

// wait returns the operation when it has ended, or in its current state when the longest wait is
// over (negative = no wait) or the server stops. If the client leaves, only the wait ends, with
// KindHungUp. The operation is accepted and goes on.
func (x *exchange) wait(op signing.Operation, longest time.Duration) (signing.Operation, error) {
	if op.Status.Ended() || longest < 0 {
		return op, nil
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), longest)
	defer cancel()
	now, err := x.api.cfg.Service.Wait(ctx, op.ID)
	gone := x.r.Context().Err()
	switch {
	case gone == nil:
		return now, err
	case x.cut() == nil:
		return op, signing.Errorf(signing.KindHungUp, "the client went away before the operation ended").Because(gone)
	}
	// The operation is on disk and goes on at the next start. If the request were refused now, the
	// client would send it a second time.
	x.r = x.r.WithContext(context.WithoutCancel(x.r.Context()))
	if err != nil {
		now = op
	}
	return now, nil
}

// orRemoved turns KindNotFound into KindBusy. The operation existed but was removed while the
// request waited: by its owner, or by a refused request with the same Idempotency-Key. A 404 would
// be misleading.
func orRemoved(err error) error {
	if signing.KindOf(err) == signing.KindNotFound {
		return busy("the operation was removed while the request waited for it")
	}
	return err
}

// refusal returns the fault of an operation whose only document has a fault inside it; nil for any
// other operation. It removes such an operation, so that a request that is answered 400 leaves
// nothing behind and the corrected document may use the same reference. Nothing was paid for it,
// because such faults are found before the provider is asked.
func (x *exchange) refusal(op signing.Operation) error {
	if op.Status != signing.StatusFailed || op.DocumentCount != 1 {
		return nil
	}
	docs, err := x.api.cfg.Service.Documents(x.r.Context(), op.ID, 0, 1)
	if err != nil {
		return err
	}
	if len(docs) == 1 && docs[0].Failure != nil && isDocumentFault(docs[0].Failure.Kind) {
		ctx := context.WithoutCancel(x.r.Context()) // also if the client is just leaving
		if err := x.api.cfg.Service.Remove(
			ctx,
			x.client.ID,
			op.ID,
		); err != nil &&
			signing.KindOf(err) != signing.KindNotFound {
			x.api.cfg.Log.Error(
				err,
				"could not remove a refused operation, so its external reference stays in use",
				"operation",
				op.ID,
			)
		}
		return signing.Errorf(docs[0].Failure.Kind, "documents[0]: %s", docs[0].Failure.Detail)
	}
	return nil
}

// submit reads the request, spools its documents and submits it to the service. A request that is
// refused leaves nothing behind.
func (x *exchange) submit(form bodyForm, waiting bool) (signing.Operation, error) {
	if err := x.body.admit(); err != nil {
		return signing.Operation{}, err
	}
	service := x.api.cfg.Service
	if err := service.Admit(x.client.ID); err != nil {
		return signing.Operation{}, err
	}
	sub := signing.Submission{
		ClientService:  x.client.ID,
		IdempotencyKey: x.key,
		Callback:       x.client.CallbackURL,
		Waiting:        waiting,
	}
	text := x.api.text.Hold(x.client.ID)
	defer text.Release()
	up, err := x.receive(form, text, &sub)
	if err != nil {
		return signing.Operation{}, err
	}
	op, replayed, err := service.Submit(x.r.Context(), up, sub)
	if err != nil {
		return signing.Operation{}, err
	}
	x.operation = op.ID
	if replayed {
		x.Header().Set("Idempotent-Replayed", "true")
	}
	return op, nil
}

// receive reads the body into an upload, which the caller must end.
func (x *exchange) receive(form bodyForm, text *limits.Holding, sub *signing.Submission) (signing.Upload, error) {
	done, err := x.api.uploads.Take(x.client.ID)
	if err != nil {
		return nil, err
	}
	defer done()
	x.api.metrics.uploads.Inc()
	defer x.api.metrics.uploads.Dec()
	x.body.pace.Rate = func() int64 { return x.api.uploads.LeastRate(x.client.ID) }
	up, err := x.api.cfg.Service.NewUpload(x.r.Context())
	if err != nil {
		return nil, err
	}
	kept := false
	defer func() {
		if !kept { // also after a panic
			up.Discard()
		}
	}()
	received, err := form(x.requestReader(up, text), x.body, x.r.Header.Get("Content-Type"))
	if received != nil {
		x.reference = received.ExternalReference
	}
	if err == nil {
		sub.Request, sub.Contents, err = received.Validate(x.api.cfg.SignatureTypes)
	}
	if err != nil {
		return nil, err
	}
	kept = true
	return up, nil
}

// requestReader returns a reader of a SignRequest with the limits of the API.
func (x *exchange) requestReader(up signing.Upload, text *limits.Holding) *request.Reader {
	cfg := &x.api.cfg
	return &request.Reader{
		Upload: up,
		Limits: request.Limits{
			Documents:     cfg.MaxDocuments,
			DocumentBytes: cfg.MaxDocumentBytes,
			ImageBytes:    cfg.MaxImageBytes,
			MetadataBytes: cfg.MaxMetadataBytes,
		},
		Hold: func(bytes int) error {
			if text.Add(int64(bytes)) {
				return nil
			}
			return busy("the requests that are being read hold too much text")
		},
	}
}

// writeAccepted answers with an AsyncOperation.
func (x *exchange) writeAccepted(op signing.Operation) error {
	e := x.api.cfg.Endpoint()
	x.Header().Set("Location", x.api.cfg.BasePath+apiPath+"operation/status/"+op.ID.String())
	return x.writeJSON(http.StatusAccepted, func(w *jsonstream.Writer) error {
		w.Object(func() {
			w.Number("id", int64(op.ID))
			w.Member("externalReference", op.ExternalReference)
			w.Member("status", string(op.Status))
			w.Member("host", e.Host)
			w.Number("port", int64(e.Port))
			w.Member("hostPort", e.HostPort())
		})
		return nil
	})
}
