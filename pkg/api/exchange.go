package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/connlimit"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/printable"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// flushBytes is well above the amount that net/http buffers of an answer in order to know its
// length.
const flushBytes = 64 << 10

// exchange is one request and its answer. serve makes it, the handlers add facts to it, and end
// logs and counts it once. It is the http.ResponseWriter of its request. One goroutine uses it at a
// time.
type exchange struct {
	http.ResponseWriter
	api         *API
	r           *http.Request
	control     *http.ResponseController
	body        *body
	escapedPath string
	path        pathValues
	began       time.Time
	pace        limits.Pace // of the client while it reads the answer
	release     func()      // allows that the connection is closed to make room; see connlimit.Hold

	// Facts.
	route  string                       // method and pattern; unmatched until known
	client *clientservice.ClientService // nil until authenticated
	// secret that the client authenticated with, now or when it got its token; zero if unknown
	shown     clientservice.Secret
	bearer    bool       // a bearer token was sent
	forward   *claims    // claims of another instance's forward token; nil if a client asks directly
	counted   bool       // another instance has counted the request against the client's rate
	operation signing.ID // 0 = none
	key       string     // Idempotency-Key
	askedAll  bool       // the other instances were asked already and have no better answer
	forwarded string     // name of the instance that answered instead of this one
	// external reference for the log, because clients and operators name operations by it
	reference string
	success   int    // status of the first Write without WriteHeader; 0 = 200
	status    int    // 0 until written
	written   int64  // bytes of the answer's body
	code      string // errorCode; empty = success
	fault     *signing.Error
}

// serve handles every request.
func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	x := &exchange{
		ResponseWriter: w,
		api:            a,
		r:              r,
		control:        http.NewResponseController(w),
		escapedPath:    r.URL.EscapedPath(),
		began:          time.Now(),
		route:          unmatched,
		release:        func() {},
		pace:           limits.Pace{Idle: a.cfg.IdleTimeout},
	}
	x.body = newBody(x)
	a.metrics.begin()
	defer func() { x.release() }()
	defer x.end()
	if name := a.cfg.Endpoint().Name; name != "" {
		x.Header().Set(affinity.InstanceHeader, name)
	}
	x.Header().Set("X-Content-Type-Options", "nosniff")

	a.dispatch(x)
}

// run authenticates the client and calls the route's handler.
func (x *exchange) run(rt *route) {
	if x.api.cfg.Identity.Misdirected(x.r) {
		x.fail(signing.Errorf(kindMisdirected, "this is another instance"))
		return
	}
	if !rt.open {
		if err := x.authenticate(); err != nil {
			x.fail(err)
			return
		}
		x.release = connlimit.Hold(x.r.Context(), x.client.ID)
		if err := x.countRequest(); err != nil {
			x.fail(err)
			return
		}
	}
	if x.r.ProtoMajor >= 2 && rt.method != http.MethodPost {
		_ = x.r.Body.Close() // HTTP/2 would buffer a body that nobody reads
	}
	err := rt.handle(x)
	if err != nil && x.status == 0 && signing.KindOf(err) == signing.KindNotFound {
		err = x.askPeers(err)
	}
	if err != nil {
		if x.status == 0 {
			x.fail(err)
			return
		}
		// It is too late for another answer. Abort, so that the part that was sent does not look
		// complete.
		x.broken(x.faultOf(err))
		panic(http.ErrAbortHandler)
	}
}

// broken records why an answer breaks off after its start. The request is then logged and counted
// as a fault, whatever its status is.
func (x *exchange) broken(e *signing.Error) {
	x.fault, x.code = e, answerFor(e, x.api.cfg.StrictVendorStatus).code
}

// faultOf returns the fault of a request that ended with err. If the context of the request is
// done, the reason for that is the fault: the server cancelled the request and the cause is a
// *signing.Error, or the client is gone.
func (x *exchange) faultOf(err error) *signing.Error {
	e := signing.AsError(err)
	switch cut := x.cut(); {
	case x.r.Context().Err() == nil || e.Kind == signing.KindHungUp:
		return e
	case cut != nil:
		return cut
	}
	return signing.Errorf(signing.KindHungUp, "the client went away").Because(err)
}

// cut returns why the server cancelled the request; nil if it did not.
func (x *exchange) cut() *signing.Error {
	var e *signing.Error
	_ = errors.As(context.Cause(x.r.Context()), &e)
	return e
}

// end logs and counts the request. It also handles a panic of the handler.
func (x *exchange) end() {
	p := recover()
	aborted := p != nil
	if err, ok := p.(error); aborted && !(ok && errors.Is(err, http.ErrAbortHandler)) {
		x.api.cfg.Log.Error(fmt.Errorf("panic: %v", p), "request panicked", "stack", string(debug.Stack()))
		e := &signing.Error{Err: errors.New("panic")}
		if x.status == 0 {
			aborted = false
			x.fail(e)
		} else {
			x.broken(e)
		}
	}
	x.endBody()
	x.log()
	x.api.metrics.end(x)
	if aborted {
		panic(http.ErrAbortHandler)
	}
}

// endBody clears the write deadline, because it belongs to the connection and not to the request.
// net/http resets the read deadline itself. The rest of a long answer is flushed under the
// deadline. A short answer is left to net/http, which then sets its Content-Length.
func (x *exchange) endBody() {
	if x.written > flushBytes {
		_ = x.control.Flush() // it does not matter now whether the client is gone
	}
	if x.r.ProtoMajor < 2 { // an HTTP/2 stream ends with its request, and its deadline bounds the rest
		_ = x.control.SetWriteDeadline(time.Time{}) // not every ResponseWriter has one
	}
}

// log writes the log line of the request. It contains no secret, no name and no content. It
// contains the external reference, because clients and operators name operations by it.
func (x *exchange) log() {
	kv := []any{
		"method",
		x.r.Method,
		"route",
		x.route,
		"status",
		x.loggedStatus(),
		"duration",
		time.Since(x.began).Round(time.Microsecond).String(),
		"bytesIn",
		x.body.n,
		"bytesOut",
		x.written,
		"remote",
		x.r.RemoteAddr,
	}
	if x.client != nil {
		kv = append(kv, "clientService", x.client.ID)
	}
	if x.operation != 0 {
		kv = append(kv, "operation", x.operation)
	}
	if x.forwarded != "" {
		kv = append(kv, "forwardedTo", x.forwarded)
	}
	if x.reference != "" {
		kv = append(kv, "externalReference", printable.Truncate(x.reference, maxLoggedBytes))
	}
	if x.fault == nil {
		x.api.cfg.Log.Info("request", kv...)
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
	return x.status
}

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
		x.prove(status)
		x.body.leave()
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. It fails with KindHungUp if the client reads nothing for
// the idle timeout, or reads slower than its pace allows.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(cmp.Or(x.success, http.StatusOK))
	}
	left := x.pace.Left(x.written)
	if left <= 0 {
		return 0, signing.Errorf(
			signing.KindHungUp,
			"the client read the answer at less than %d bytes a second",
			x.pace.Least(),
		)
	}
	began := time.Now()
	_ = x.control.SetWriteDeadline(began.Add(left)) // not every ResponseWriter has one
	n, err := x.ResponseWriter.Write(p)
	x.pace.Waited += time.Since(began)
	x.written += int64(n)
	if err != nil {
		return n, signing.Errorf(signing.KindHungUp, "the client went away").Because(err)
	}
	return n, nil
}

// Unwrap returns the underlying writer for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }
