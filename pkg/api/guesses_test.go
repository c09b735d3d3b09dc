package api_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestGuessesAreBraked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, func(h *harness) { h.cfg.ClientFailures = 1 })
		issued := token(h, "")
		const tokenCall = "/oauth2/authorization-server/oauth/token?grant_type=client_credentials"
		try := func(from string, r request, want int) {
			t.Helper()
			req, rec := r.build(), httptest.NewRecorder()
			req.RemoteAddr = from
			h.api.Handler().ServeHTTP(rec, req)
			h.schema.check(t, req, rec.Code, rec.Body.Bytes())
			if rec.Code != want {
				t.Errorf("%s %s from %s = %d %s, want %d", req.Method, req.URL.Path, from, rec.Code, rec.Body, want)
			}
			if got := rec.Header().Get("Retry-After"); want == http.StatusTooManyRequests && got != "1" {
				t.Errorf("Retry-After = %q, want 1", got)
			}
		}
		const there, elsewhere = "192.0.2.7:1000", "198.51.100.7:1000"
		right, guesses := request{path: known}, 0
		guess := func(path string) request {
			guesses++
			return request{method: http.MethodPost, path: path, auth: basic(alice, "guess "+strconv.Itoa(guesses))}
		}
		wrong := func() request { r := guess(known); r.method = ""; return r }
		for range 30 { // good ones count for nothing
			try(there, right, http.StatusNotFound)
		}
		for range 5 {
			try(there, wrong(), http.StatusUnauthorized)
			try(there, guess(tokenCall), http.StatusUnauthorized)
		}
		try(there, wrong(), http.StatusTooManyRequests)
		try(there, right, http.StatusTooManyRequests) // not looked at
		try(there, request{method: http.MethodPost, path: tokenCall}, http.StatusTooManyRequests)
		try(there, request{path: known, header: map[string]string{"X-Forwarded-For": "203.0.113.1"}},
			http.StatusTooManyRequests)
		try(there, request{path: known, auth: "Bearer " + issued}, http.StatusNotFound)
		try(there, request{path: known, auth: basic(bob, bobSecret)}, http.StatusNotFound)
		try(elsewhere, right, http.StatusNotFound)

		time.Sleep(time.Second)
		for range 3 {
			try(there, right, http.StatusNotFound)
		}
		try(there, wrong(), http.StatusUnauthorized)
		try(there, wrong(), http.StatusTooManyRequests)

		time.Sleep(2 * time.Second)
		old := wrong()
		for range 30 { // no guesses, but an old secret
			try(there, old, http.StatusUnauthorized)
		}
		try(there, right, http.StatusNotFound)
	})
}

// TestGuessesWithoutBrake checks that the brake can be switched off, for installations in which all
// clients come from one address.
func TestGuessesWithoutBrake(t *testing.T) {
	h := newHarness(t, nil)
	for i := range 100 {
		got := h.do(request{path: known, auth: basic(alice, "guess "+strconv.Itoa(i))})
		if got.Code != http.StatusUnauthorized {
			t.Fatalf("guess %d = %d, want 401", i, got.Code)
		}
	}
}
