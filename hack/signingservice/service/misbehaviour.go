package service

import (
	"fmt"
	"net/http"
	"strings"
)

// before carries out a misbehaviour instead of the request. It reports whether it did.
func before(r Misbehaviour) (answer, bool) {
	switch r {
	case TooManyRequests:
		return answer{status: http.StatusTooManyRequests, body: object{{"error", "temporarily_unavailable"}}}, true
	case TooManyRetryAfter:
		return answer{
			status: http.StatusTooManyRequests,
			header: map[string]string{"Retry-After": "2"},
			body:   object{{"error", "temporarily_unavailable"}},
		}, true
	case ErrorBefore:
		return answer{
			status: http.StatusInternalServerError,
			body:   object{{"error_description", "simulated fault before"}, {"error", "server_error"}},
		}, true
	case Unavailable:
		return answer{
			status: http.StatusServiceUnavailable,
			header: map[string]string{"Retry-After": "3"},
			body:   object{{"error", "temporarily_unavailable"}},
		}, true
	case Gateway:
		return answer{
			status: http.StatusBadGateway,
			header: map[string]string{"Content-Type": "text/html"},
			body:   raw("<html><body><h1>502 Bad Gateway</h1></body></html>"),
		}, true
	case Refused:
		return refuse("invalid_request", "Simulated refusal"), true
	case CutBefore:
		panic(http.ErrAbortHandler) // net/http cuts the connection
	}
	return answer{}, false
}

// after writes the answer of a request that was carried out, or the misbehaviour that replaces it.
func (f *frontend) after(w http.ResponseWriter, r *http.Request, rude Misbehaviour, a answer) {
	if lie, ok := misleading(rude); ok {
		write(w, lie)
		return
	}
	switch rude {
	case ErrorAfter:
		a = answer{
			status: http.StatusInternalServerError,
			body:   object{{"error", "server_error"}, {"error_description", "simulated fault after"}},
		}
	case CutAfter:
		panic(http.ErrAbortHandler)
	case HalfAnswer, Stalled:
		f.writeHalf(w, r, rude, a)
		return
	case NotJSON:
		a.body = raw("It worked!")
	case Empty:
		a.body = raw("{}")
	case Huge:
		writeHuge(w, a)
		return
	}
	write(w, a)
}

// misleading returns an answer that looks like a refusal of a request that was carried out.
func misleading(r Misbehaviour) (answer, bool) {
	page := func(status int, title string) (answer, bool) {
		return answer{
			status: status, header: map[string]string{"Content-Type": "text/html"},
			body: raw("<html><body><h1>" + title + "</h1></body></html>"),
		}, true
	}
	switch r {
	case TimedOutAfter:
		return page(http.StatusRequestTimeout, "408 Request Time-out")
	case HungUpAfter:
		return page(499, "499 Client Closed Request")
	case NotFoundAfter:
		return page(http.StatusNotFound, "404 Not Found")
	case TooManyAfter:
		return answer{
			status: http.StatusTooManyRequests, header: map[string]string{"Retry-After": "2"},
			body: object{{"message", "API rate limit exceeded"}},
		}, true
	case ServerErrorAfter:
		return answer{status: http.StatusBadRequest, body: object{
			{"error", "server_error"}, {"error_description", "simulated fault after"},
		}}, true
	case RedirectAfter:
		return answer{
			status: http.StatusFound, header: map[string]string{"Location": "https://simulated.invalid/sorry"}, body: raw(""),
		}, true
	}
	return answer{}, false
}

// writeHalf sends half of the answer. Then it cuts the connection, immediately or when the client
// has given up.
func (f *frontend) writeHalf(w http.ResponseWriter, r *http.Request, rude Misbehaviour, a answer) {
	text := encode(a.body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	w.WriteHeader(a.status)
	_, _ = w.Write(text[:len(text)/2])
	_ = http.NewResponseController(w).Flush()
	if rude == Stalled {
		select {
		case <-r.Context().Done():
		case <-f.closed:
		}
	}
	panic(http.ErrAbortHandler)
}

// writeHuge sends 64 MiB of an answer that never closes its first string.
func writeHuge(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, err := w.Write([]byte(`{"signatures":["`))
	chunk := []byte(strings.Repeat("QUFB", 16<<10))
	for sent := 0; err == nil && sent < 64<<20; sent += len(chunk) {
		_, err = w.Write(chunk)
	}
	panic(http.ErrAbortHandler)
}
