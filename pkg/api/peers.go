package api

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// noKeyRetryAfter is sent when instances cannot ask each other because a setting is missing.
const noKeyRetryAfter = 10 * time.Second

// peerCall asks other instances about a request, in the name of its client. If another instance
// answers, the answer is written to w, and w.peer names that instance.
type peerCall struct {
	cfg    *Config
	tokens *tokens
	r      *http.Request
	w      *response
	body   *body
	caller caller
	probe  string // path and query of a call that finds out which instance can answer
}

func newPeerCall(x *exchange) *peerCall {
	return &peerCall{
		cfg: &x.api.cfg, tokens: x.api.tokens, r: x.r, w: x.w, body: x.body, caller: x.caller, probe: probePath(x),
	}
}

// askPeers lets other instances answer a request whose operation this one does not hold. It returns
// notFound if they do not hold the operation either.
func (x *exchange) askPeers(notFound error) error {
	if x.askedAll || !x.api.cfg.Forwarder.MayAsk(x.r) {
		return notFound
	}
	wait, err := pollTime(x.r.URL.Query())
	if err != nil {
		return err
	}
	done, err := x.downloadOfPeer()
	if err != nil {
		return err
	}
	defer done()
	var answered bool
	if x.path.id != "" {
		answered, err = newPeerCall(x).owner(x.operation, wait)
	} else {
		answered, err = newPeerCall(x).search(wait)
	}
	if !answered && err == nil {
		err = notFound
	}
	return err
}

// askForKey lets the instance answer that knows an Idempotency-Key of the client. If an expected
// instance cannot be asked, the error is KindBusy and nothing is signed.
func (x *exchange) askForKey(key string) (answered bool, err error) {
	if key == "" || !x.api.cfg.Forwarder.MayAsk(x.r) {
		return false, nil
	}
	_, err = x.api.cfg.Service.FindByKey(x.r.Context(), x.client.ID, key)
	if err == nil || signing.KindOf(err) != signing.KindNotFound {
		return false, err
	}
	if err := x.body.admit(); err != nil {
		return false, err
	}
	return newPeerCall(x).keyOwner()
}

// probePath returns path and query of a call that finds out which instance can answer the request.
// The probe has no other effect. The request itself may return a whole result, or remove an
// operation.
func probePath(x *exchange) string {
	status := x.api.cfg.BasePath + apiPath + "operation/status/"
	if strings.Contains(x.route, "/operation/sign/detail/withExternalReference/") {
		if ref, err := x.path.reference(x.r.URL.Query()); err == nil {
			return status + "withExternalReference?externalReference=" + url.QueryEscape(ref)
		}
	}
	if x.r.Method == http.MethodDelete {
		return status + x.operation.String()
	}
	return x.r.URL.RequestURI()
}

// owner lets the instance answer that holds an operation, if another one does.
func (c *peerCall) owner(id signing.ID, wait time.Duration) (answered bool, err error) {
	owner, err := c.cfg.Forwarder.Owner(id)
	if owner == nil {
		return false, err
	}
	return c.send(nil, owner, wait)
}

// send lets one instance answer. body is nil if the request has none.
func (c *peerCall) send(body io.ReadCloser, to *affinity.Published, wait time.Duration) (answered bool, err error) {
	if answered, err = c.cfg.Forwarder.Send(c.w, c.request(), body, to, wait); answered {
		c.w.peer = to.Name
	}
	return answered, err
}

// search lets the first instance answer that can.
func (c *peerCall) search(wait time.Duration) (answered bool, err error) {
	if answered, err = c.cfg.Forwarder.Search(c.w, c.request(), wait); answered {
		c.w.peer = c.w.Header().Get(affinity.InstanceHeader)
	}
	return answered, err
}

// newest lets another instance answer if it holds a newer operation. own is the creation time of
// this instance's operation; zero if it has none.
func (c *peerCall) newest(own time.Time) (answered bool, err error) {
	if answered, err = c.cfg.Forwarder.Newest(c.w, c.request(), own); answered {
		c.w.peer = c.w.Header().Get(affinity.InstanceHeader)
	}
	return answered, err
}

// keyOwner lets the instance answer that knows the request's Idempotency-Key.
func (c *peerCall) keyOwner() (answered bool, err error) {
	question := c.cfg.BasePath + apiPath + "operation/id/withIdempotencyKey"
	owner, err := c.cfg.Forwarder.KeyOwner(c.request(), question)
	if owner == nil {
		return false, err
	}
	return c.send(newForwardBody(c.body), owner, max(c.cfg.SyncWait, 0))
}

// request returns the request in the form in which other instances are asked.
func (c *peerCall) request() affinity.Request {
	return affinity.Request{Request: c.r, Authorize: c.authorize, Probe: c.probe}
}

// authorize returns the authorization of one request to one peer.
func (c *peerCall) authorize(ask affinity.Ask) (affinity.Pass, error) {
	if c.cfg.SharedTokenKey {
		return c.tokens.issueForward(c.caller.client.ID, c.caller.shown, ask, time.Now())
	}
	if c.cfg.Forwarder.Certified() {
		return affinity.Pass{Authorization: c.r.Header.Get("Authorization")}, nil
	}
	return affinity.Pass{}, signing.Errorf(signing.KindBusy,
		"instance %s is not asked, because no key is shared with it (--token.signing.key)", ask.To.Name,
	).Retryable(noKeyRetryAfter)
}
