package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/connlimit"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/printable"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// exchange is one request and its answer. serve makes it, the handlers add facts to it, and end
// logs and counts it once. One goroutine uses it at a time.
type exchange struct {
	api     *API
	r       *http.Request
	w       *response
	body    *body
	path    pathValues
	began   time.Time
	release func() // allows that the connection is closed to make room; see connlimit.Hold

	caller // who sends the request

	// Facts.
	route     string     // method and pattern; unmatched until known
	operation signing.ID // 0 = none
	askedAll  bool       // the other instances were asked already and have no better answer
	// external reference for the log, because clients and operators name operations by it
	reference string
	quiet     bool   // success is logged at V(1), because such requests are frequent and say little
	code      string // errorCode; empty = success
	fault     *signing.Error
}

// serve handles every request.
func (a *API) serve(rw http.ResponseWriter, r *http.Request) {
	w := &response{
		ResponseWriter: rw,
		control:        http.NewResponseController(rw),
		pace:           limits.Pace{Idle: a.cfg.IdleTimeout},
	}
	x := &exchange{
		api:     a,
		r:       r,
		w:       w,
		body:    newBody(r, w, &a.cfg),
		began:   time.Now(),
		route:   unmatched,
		release: func() {},
	}
	w.before = x.answering
	a.metrics.begin()
	defer func() { x.release() }()
	defer x.end()
	if name := a.cfg.Endpoint().Name; name != "" {
		w.Header().Set(affinity.InstanceHeader, name)
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")

	a.dispatch(x)
}

// run authenticates the client and calls the route's handler.
func (x *exchange) run(rt *route) {
	if x.api.cfg.Identity.Misdirected(x.r) {
		x.fail(signing.Errorf(kindMisdirected, "this is another instance"))
		return
	}
	if !rt.open {
		if err := x.admit(rt); err != nil {
			x.fail(err)
			return
		}
	}
	if x.r.ProtoMajor >= 2 && rt.method != http.MethodPost {
		_ = x.r.Body.Close() // HTTP/2 would buffer a body that nobody reads
	}
	err := rt.handle(x)
	if err != nil && x.w.status == 0 && signing.KindOf(err) == signing.KindNotFound {
		err = x.askPeers(err)
	}
	if err != nil {
		if x.w.status == 0 {
			x.fail(err)
			return
		}
		// It is too late for another answer. Abort, so that the part that was sent does not look
		// complete.
		x.broken(faultOf(x.r.Context(), err))
		panic(http.ErrAbortHandler)
	}
}

// admit authenticates the client and counts the request against its rate. It does not count a
// request that another instance has passed on and proved, because that instance has counted it.
// Otherwise one request with an Idempotency-Key would count at every instance.
func (x *exchange) admit(rt *route) (err error) {
	if rt.notifier {
		x.caller, err = x.api.authenticator.authenticateNotifier(x)
	} else {
		x.caller, err = x.api.authenticator.authenticate(x.r, x.began)
	}
	if err != nil {
		return err
	}
	x.release = connlimit.Hold(x.r.Context(), x.client.ID)
	if x.counted {
		return nil
	}
	return x.api.quotas.Request(x.client.ID, x.began)
}

// answering prepares the headers of the answer, and the rest of the request's body, before a status
// is sent.
func (x *exchange) answering(status int) {
	x.prove(x.w.Header(), status, x.api.cfg.Identity.State())
	x.body.leave(x.client != nil)
}

// broken records why the request fails. If its answer has started, the answer breaks off, and the
// request is then logged and counted as a fault, whatever its status is.
func (x *exchange) broken(e *signing.Error) {
	x.fault, x.code = e, answerFor(e, x.api.cfg.StrictVendorStatus).code
}

// faultOf returns the fault of a request that ended with err. ctx is its context. If ctx is done,
// the reason for that is the fault: the server cancelled the request and the cause is a
// *signing.Error, or the client is gone.
func faultOf(ctx context.Context, err error) *signing.Error {
	e := signing.AsError(err)
	switch cut := cut(ctx); {
	case ctx.Err() == nil || e.Kind == signing.KindHungUp:
		return e
	case cut != nil:
		return cut
	}
	return signing.Errorf(signing.KindHungUp, "the client went away").Because(err)
}

// cut returns why the server cancelled the request with that context; nil if it did not.
func cut(ctx context.Context) *signing.Error {
	var e *signing.Error
	_ = errors.As(context.Cause(ctx), &e)
	return e
}

// end logs and counts the request. It also handles a panic of the handler.
func (x *exchange) end() {
	p := recover()
	aborted := p != nil
	if err, ok := p.(error); aborted && !(ok && errors.Is(err, http.ErrAbortHandler)) {
		x.api.cfg.Log.Error(fmt.Errorf("panic: %v", p), "request panicked", "stack", string(debug.Stack()))
		e := &signing.Error{Err: errors.New("panic")}
		if x.w.status == 0 {
			aborted = false
			x.fail(e)
		} else {
			x.broken(e)
		}
	}
	x.w.finish(x.r.ProtoMajor)
	x.log()
	x.api.metrics.end(x)
	if aborted {
		panic(http.ErrAbortHandler)
	}
}

// log writes the log line of the request. It contains no secret, no name and no content. It
// contains the external reference, because clients and operators name operations by it.
func (x *exchange) log() {
	kv := []any{
		"method", x.r.Method,
		"route", x.route,
		"status", x.loggedStatus(),
		"duration", time.Since(x.began).Round(time.Microsecond).String(),
		"bytesIn", x.body.n,
		"bytesOut", x.w.written,
		"remote", x.r.RemoteAddr,
	}
	if x.client != nil {
		kv = append(kv, "clientService", x.client.ID)
	}
	if x.operation != 0 {
		kv = append(kv, "operation", x.operation)
	}
	if x.w.peer != "" {
		kv = append(kv, "forwardedTo", x.w.peer)
	}
	if x.reference != "" {
		kv = append(kv, "externalReference", printable.Truncate(x.reference, maxLoggedBytes))
	}
	if x.fault == nil {
		level := 0
		if x.quiet {
			level = 1
		}
		x.api.cfg.Log.V(level).Info("request", kv...)
		return
	}
	kv = append(kv, "errorCode", x.code, "kind", string(x.fault.Kind), "reason", x.fault.Detail)
	if isOurs(x.fault.Kind) {
		x.api.cfg.Log.Error(x.fault, "request", kv...)
		return
	}
	x.api.cfg.Log.Info("request", kv...)
}

// maxLoggedBytes bounds a reference in the log, because a reference in a look-up may be as long as
// a path.
const maxLoggedBytes = 256

// isOurs reports whether the operator must know the hidden cause of a fault. Only then does the log
// show it. The hidden cause of a client's fault may quote what the client sent, so it is not
// logged.
func isOurs(k signing.Kind) bool {
	_, known := answers[k]
	return !known || k == signing.KindInternal || k == signing.KindBusy
}

// loggedStatus returns the status that was sent, or statusHungUp if the client went away.
func (x *exchange) loggedStatus() int {
	if x.fault != nil && x.fault.Kind == signing.KindHungUp {
		return statusHungUp
	}
	return x.w.status
}
