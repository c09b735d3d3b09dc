package api

import (
	"io"
	"net/http"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/connlimit"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// messageOwner is whose connections the messages of other instances count as; see connlimit.Hold.
// No client service has this name.
const messageOwner = "\x00instances"

// receiveMessage answers a message of key homes, which another instance sends to
// affinity.MessagePath. The call is not part of the public API, and the API description does not
// list it. A client cannot use it, because it has no key that instances share.
func receiveMessage(x *exchange) error {
	x.quiet = true
	r := x.r.Clone(x.r.Context())
	r.Body = io.NopCloser(x.body) // with the limits of the API
	m, err := x.api.cfg.Messenger.Receive(r)
	if err != nil {
		return err
	}
	x.release = connlimit.Hold(x.r.Context(), messageOwner)
	if m.Kind == affinity.KindDirectory {
		return x.api.cfg.Messenger.AnswerDirectory(x.w, m)
	}
	reply, err := x.api.cfg.KeyHomes.Handle(x.r.Context(), m.Message)
	if err != nil {
		return signing.Errorf(signing.KindBusy, "the message cannot be obeyed now").Because(err).Retryable(keyRetryAfter)
	}
	return m.Answer(x.w, reply)
}

// messageRoute is the route of messages.
func (a *API) messageRoute() route {
	return route{
		method: http.MethodPost, pattern: a.cfg.BasePath + affinity.MessagePath, open: true, handle: receiveMessage,
	}
}
