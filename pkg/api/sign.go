package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/api/request"
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
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
	use, answered, err := x.useKey()
	if answered || err != nil {
		return err
	}
	defer use.end(x.r.Context())
	op, err := x.submit(form, use, false)
	if err != nil {
		return err
	}
	return writeAccepted(x.w, x.api.cfg.BasePath, op, x.api.cfg.Endpoint())
}

// signAndWait answers when the operation has ended. When the longest wait is over, it answers with
// the current state, and the operation goes on.
func signAndWait(x *exchange, form bodyForm) error {
	if !x.api.waiting.Take(x.client.ID, 1) {
		return busy("too many synchronous requests wait for their results; send the request asynchronously, or later")
	}
	defer x.api.waiting.Give(x.client.ID, 1)
	use, answered, err := x.useKey()
	if answered || err != nil {
		return err
	}
	defer use.end(x.r.Context())
	op, err := x.submitAndWait(form, use)
	if err != nil {
		return err
	}
	if err := refusal(x.r.Context(), &x.api.cfg, x.client.ID, op); err != nil {
		return orRemoved(err)
	}
	return orRemoved(x.writeSignOperation(op, op.ReturnContent))
}

// submitAndWait submits the request and returns the operation when it has ended, or in its current
// state when the longest wait is over.
func (x *exchange) submitAndWait(form bodyForm, use *keyUse) (signing.Operation, error) {
	probe, err := x.api.waits.Admit(x.client.ID, x.began)
	if err != nil {
		return signing.Operation{}, err
	}
	defer func() {
		if probe {
			x.api.waits.Abandon(x.client.ID, time.Now())
		}
	}()
	op, err := x.submit(form, use, true)
	if err != nil {
		return op, err
	}
	longest := x.api.cfg.SyncWait
	if op, err = x.wait(op, longest); err != nil {
		return op, orRemoved(err)
	}
	// A wait that ended early, because the client left or the server stops, says nothing about the
	// provider.
	if now := time.Now(); op.Status.Ended() || longest > 0 && now.Sub(x.began) >= longest {
		x.api.waits.Waited(x.client.ID, op.Status.Ended(), now)
		probe = false // Waited has reported it
	}
	return op, nil
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
	case cut(x.r.Context()) == nil:
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
func refusal(ctx context.Context, cfg *Config, client string, op signing.Operation) error {
	if op.Status != signing.StatusFailed || op.DocumentCount != 1 {
		return nil
	}
	docs, err := cfg.Service.Documents(ctx, op.ID, 0, 1)
	if err != nil {
		return err
	}
	if len(docs) != 1 || docs[0].Failure == nil || !isDocumentFault(docs[0].Failure.Kind) {
		return nil
	}
	err = cfg.Service.Remove(context.WithoutCancel(ctx), client, op.ID) // also if the client is just leaving
	if err != nil && signing.KindOf(err) != signing.KindNotFound {
		cfg.Log.Error(err, "could not remove a refused operation, so its external reference stays in use",
			"operation", op.ID)
	}
	return signing.Errorf(docs[0].Failure.Kind, "documents[0]: %s", docs[0].Failure.Detail)
}

// submit reads the request and submits it to the service under its Idempotency-Key, whose use it
// ends. waiting says that the client waits for the result.
func (x *exchange) submit(form bodyForm, use *keyUse, waiting bool) (signing.Operation, error) {
	in := &intake{api: x.api, r: x.r, body: x.body, client: x.client, form: form}
	op, replayed, err := in.submit(use, waiting)
	use.end(x.r.Context())
	x.reference = in.reference
	if err != nil {
		return signing.Operation{}, err
	}
	if !replayed {
		x.api.hints.tell(x.client.ID, op.ExternalReference)
	}
	x.operation = op.ID
	if replayed {
		x.w.Header().Set("Idempotent-Replayed", "true")
	}
	return op, nil
}

// intake takes in one request to sign. A request that is refused leaves nothing behind.
type intake struct {
	api       *API
	r         *http.Request // head of the request
	body      *body
	client    *clientservice.ClientService
	form      bodyForm
	reference string // external reference of the request; empty until it was read
}

// submit reads the request, spools its documents and submits it to the service. replayed reports
// that the operation was made by an earlier request with the same key.
func (in *intake) submit(use *keyUse, waiting bool) (op signing.Operation, replayed bool, err error) {
	if err := in.body.admit(); err != nil {
		return op, false, err
	}
	service := in.api.cfg.Service
	if err := in.admit(use); err != nil {
		return op, false, err
	}
	sub := signing.Submission{
		ClientService:  in.client.ID,
		IdempotencyKey: use.key,
		Repeated:       use.known && in.api.cfg.KeyHomes != nil,
		Callback:       in.client.CallbackURL,
		Waiting:        waiting,
	}
	text := in.api.text.Hold(in.client.ID)
	defer text.Release()
	up, err := in.receive(text, &sub)
	if err != nil {
		return op, false, err
	}
	use.kept = true
	op, replayed, err = service.Submit(in.r.Context(), up, sub)
	use.submitted(err)
	return op, replayed, err
}

// admit reports whether the request may be read. A request that repeats the Idempotency-Key of an
// operation of this instance makes no work, so it is always read: also when the queue is full, and
// when this instance is stopping.
func (in *intake) admit(use *keyUse) error {
	if use.known {
		return nil
	}
	if refusal := in.api.cfg.Refusal; refusal != nil {
		if err := refusal(); err != nil {
			return err
		}
	}
	return in.api.cfg.Service.Admit(in.client.ID)
}

// receive reads the body into an upload, which the caller must end.
func (in *intake) receive(text *limits.Holding, sub *signing.Submission) (signing.Upload, error) {
	done, err := in.api.uploads.Take(in.client.ID)
	if err != nil {
		return nil, err
	}
	defer done()
	in.api.metrics.uploads.Inc()
	defer in.api.metrics.uploads.Dec()
	in.body.pace.Rate = func() int64 { return in.api.uploads.LeastRate(in.client.ID) }
	up, err := in.api.cfg.Service.NewUpload(in.r.Context())
	if err != nil {
		return nil, err
	}
	kept := false
	defer func() {
		if !kept { // also after a panic
			up.Discard()
		}
	}()
	received, err := in.form(in.reader(up, text), in.body, in.r.Header.Get("Content-Type"))
	if received != nil {
		in.reference = received.ExternalReference
	}
	if err == nil {
		sub.Request, sub.Contents, err = received.Validate(request.Signatures{
			Types: in.api.cfg.SignatureTypes, CheckOptions: in.api.cfg.Service.CheckOptions,
		})
	}
	if err != nil {
		return nil, err
	}
	kept = true
	return up, nil
}

// reader returns a reader of a SignRequest with the limits of the API.
func (in *intake) reader(up signing.Upload, text *limits.Holding) *request.Reader {
	cfg := &in.api.cfg
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
