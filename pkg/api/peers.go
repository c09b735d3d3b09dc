package api

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
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
	asked  bool   // the instance that the request is sent to has just answered a question about it
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
		answered, err = x.searchPeers(wait)
	}
	if !answered && err == nil {
		err = notFound
	}
	return err
}

// searchPeers lets the instance answer that has an operation with the external reference of the
// request. Usually a hint names it. Otherwise all instances are asked.
func (x *exchange) searchPeers(wait time.Duration) (answered bool, err error) {
	call := newPeerCall(x)
	if at := x.hinted(); at != nil {
		if answered, err = call.searchAt(at, wait); answered {
			return true, err
		}
	}
	return call.search(wait)
}

// hinted returns the instance that probably has an operation with the external reference of the
// request; nil if it is not known.
func (x *exchange) hinted() *affinity.Published {
	homes := x.api.cfg.KeyHomes
	if homes == nil || x.reference == "" {
		return nil
	}
	owner, ok := homes.FindHint(x.r.Context(), keyhome.ReferenceKey(x.client.ID, x.reference))
	if !ok || owner == x.api.cfg.Endpoint().Ordinal {
		return nil
	}
	at, err := x.api.cfg.Forwarder.Instance(owner)
	if err != nil {
		return nil // asking all instances tells the client which one is missing
	}
	return at
}

// probePath returns path and query of a call that finds out which instance can answer the request.
// The probe has no other effect. The request itself may return a whole result, or remove an
// operation.
func probePath(x *exchange) string {
	status := x.api.cfg.BasePath + apiPath + "operation/status/"
	if x.r.Method == http.MethodPost {
		return keyQuestion(&x.api.cfg)
	}
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

// searchAt lets one instance answer if it can.
func (c *peerCall) searchAt(at *affinity.Published, wait time.Duration) (answered bool, err error) {
	if answered, err = c.cfg.Forwarder.SearchAt(c.w, c.request(), at, wait); answered {
		c.w.peer = at.Name
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

// keyOwner returns the instance that knows the request's Idempotency-Key, or nil if none does. If
// an expected instance does not answer, the error is KindBusy.
func (c *peerCall) keyOwner() (*affinity.Published, error) {
	return c.cfg.Forwarder.KeyOwner(c.request(), keyQuestion(c.cfg))
}

// keyQuestion returns the path of the question whether an instance knows an Idempotency-Key.
func keyQuestion(cfg *Config) string {
	return cfg.BasePath + apiPath + "operation/id/withIdempotencyKey"
}

// request returns the request in the form in which other instances are asked.
func (c *peerCall) request() affinity.Request {
	return affinity.Request{Request: c.r, Authorize: c.authorize, Probe: c.probe, Asked: c.asked}
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
