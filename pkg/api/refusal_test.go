package api_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestRefusal: while Config.Refusal gives a reason, new requests are refused with it. Repetitions
// of an Idempotency-Key and reads are answered.
func TestRefusal(t *testing.T) {
	var leaving atomic.Bool
	h := start(t, func(h *harness) {
		h.cfg.Refusal = func() error {
			if !leaving.Load() {
				return nil
			}
			return signing.Errorf(signing.KindBusy, "send the request to proxy-7").Retryable(3 * time.Second)
		}
	})
	key := map[string]string{"Idempotency-Key": "key-1"}
	first := signRequest("ref-1", "%PDF one")
	h.do(request{path: "document/sign/base64", text: first, header: key}).is(http.StatusOK, nil)
	leaving.Store(true)
	for _, path := range []string{"document/sign/base64", "document/sign/async/base64"} {
		refused := h.do(request{path: path, text: signRequest("ref-2", "%PDF two")})
		refused.fails(http.StatusServiceUnavailable, "503", "send the request to proxy-7")
		if after := refused.Header().Get("Retry-After"); after != "3" {
			t.Errorf("Retry-After = %q, want 3", after)
		}
		h.do(request{path: path, text: first, header: map[string]string{"Idempotency-Key": "key-2"}}).
			fails(http.StatusServiceUnavailable, "503", "send the request to proxy-7")
		again := h.do(request{path: path, text: first, header: key})
		if again.Code/100 != 2 || again.Header().Get("Idempotent-Replayed") != "true" {
			t.Errorf("a repetition at %s = %d, %v, want the first operation", path, again.Code, again.Header())
		}
	}
	h.do(request{path: "operation/status/withExternalReference/ref-1"}).is(http.StatusOK, nil)
	h.do(request{path: "operation/sign/detail/withExternalReference/ref-1"}).is(http.StatusOK, nil)
}
