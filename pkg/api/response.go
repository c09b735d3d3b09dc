package api

import (
	"cmp"
	"net/http"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// flushBytes is well above the amount that net/http buffers of an answer in order to know its
// length.
const flushBytes = 64 << 10

// response is the http.ResponseWriter of one request. It counts what is sent and bounds how long
// the client may take to read it. It knows nothing of the request and of the API. One goroutine
// uses it at a time.
type response struct {
	http.ResponseWriter
	control *http.ResponseController
	before  func(status int) // called once, before the status is sent
	pace    limits.Pace      // of the client while it reads the answer

	success int    // status of the first Write without WriteHeader; 0 = 200
	status  int    // 0 until written
	written int64  // bytes of the answer's body
	peer    string // name of the instance that answered instead of this one; empty = this one
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.before(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. It fails with KindHungUp if the client reads nothing for
// the idle timeout, or reads slower than its pace allows.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(cmp.Or(w.success, http.StatusOK))
	}
	left := w.pace.Left(w.written)
	if left <= 0 {
		return 0, signing.Errorf(signing.KindHungUp,
			"the client read the answer at less than %d bytes a second", w.pace.Least())
	}
	began := time.Now()
	_ = w.control.SetWriteDeadline(began.Add(left)) // not every ResponseWriter has one
	n, err := w.ResponseWriter.Write(p)
	w.pace.Waited += time.Since(began)
	w.written += int64(n)
	if err != nil {
		return n, signing.Errorf(signing.KindHungUp, "the client went away").Because(err)
	}
	return n, nil
}

// Unwrap returns the underlying writer for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// writeJSON answers with a success body. Nothing is sent before write has returned or has produced
// 16 KiB, so that an early error of write can still become an error answer.
func (w *response) writeJSON(status int, write func(w *jsonstream.Writer) error) error {
	w.Header().Set("Content-Type", "application/json")
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.success = status
	escaper := &wordEscaper{w: w}
	j := jsonstream.NewWriter(escaper)
	if err := write(j); err != nil {
		return err
	}
	if err := j.Flush(); err != nil {
		return err
	}
	return escaper.flush()
}

// finish ends the answer to a request of that major version of HTTP. It clears the write deadline,
// because the deadline belongs to the connection and not to the request. net/http resets the read
// deadline itself. The rest of a long answer is flushed under the deadline. A short answer is left
// to net/http, which then sets its Content-Length.
func (w *response) finish(protoMajor int) {
	if w.written > flushBytes {
		_ = w.control.Flush() // it does not matter now whether the client is gone
	}
	if protoMajor < 2 { // an HTTP/2 stream ends with its request, and its deadline bounds the rest
		_ = w.control.SetWriteDeadline(time.Time{}) // not every ResponseWriter has one
	}
}
