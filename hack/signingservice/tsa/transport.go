package tsa

import "net/http"

// withoutAnswer carries out a misbehaviour below the level of RFC 3161. It reports whether it
// answered.
func withoutAnswer(w http.ResponseWriter, r *http.Request, rude Misbehaviour) bool {
	switch rude {
	case BadRequest:
		http.Error(w, "Bad Request", http.StatusBadRequest)
	case TooMany:
		w.Header().Set("Retry-After", "30")
		http.Error(w, "slow down", http.StatusTooManyRequests)
	case Unavailable:
		http.Error(w, "maintenance", http.StatusServiceUnavailable)
	case Forbidden:
		http.Error(w, "no", http.StatusForbidden)
	case HTML:
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html><body>It works!</body></html>"))
	case Empty:
		w.Header().Set("Content-Type", "application/timestamp-reply")
	case Garbage:
		w.Header().Set("Content-Type", "application/timestamp-reply")
		_, _ = w.Write([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x30, 0x80})
	case Slow:
		<-r.Context().Done()
	case Huge:
		endless(w, r)
	case Redirect:
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	default:
		return false
	}
	return true
}

// endless writes until the client closes the connection.
func endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/timestamp-reply")
	chunk := make([]byte, 64<<10)
	chunk[0] = 0x30
	for r.Context().Err() == nil {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// cut announces the whole answer, writes half of it and drops the connection.
func cut(w http.ResponseWriter, answer []byte) {
	w.Header().Set("Connection", "close")
	_, _ = w.Write(answer[:len(answer)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}
