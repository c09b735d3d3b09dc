package api_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/api"
)

func TestStatusWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, func(h *harness) { h.provider.hold = make(chan struct{}) })
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- h.service.Start(ctx) }()
		<-h.opened
		id := h.do(request{path: "document/sign/async/base64", text: signRequest("slow", "%PDF")}).at("id")

		status := func(path, want string, waited time.Duration) {
			t.Helper()
			began := time.Now()
			resp := h.do(request{path: path})
			if resp.Code != http.StatusOK || resp.at("status")+resp.at("0.status") != want {
				t.Errorf("GET %s = %d %s, want %s", path, resp.Code, resp.text, want)
			}
			if got := time.Since(began); got != waited {
				t.Errorf("GET %s took %v, want %v", path, got, waited)
			}
		}
		const byReference = "operation/status/withExternalReference/slow"
		status("operation/status/"+id, "PENDING_EXECUTION", 0)
		status("operation/status/"+id+"?wait=30s", "PENDING_EXECUTION", 30*time.Second)
		status(byReference+"?wait=7", "PENDING_EXECUTION", 7*time.Second)
		status(byReference+"?wait=24h", "PENDING_EXECUTION", api.LongestPoll)
		go func() {
			time.Sleep(11 * time.Second)
			close(h.provider.hold)
		}()
		status(byReference+"?wait=30s", "EXECUTED", 11*time.Second)
		status("operation/status/"+id+"?wait=30s", "EXECUTED", 0)

		for _, wait := range []string{"soon", "-1s", "1e9", "99999999999999999999"} {
			h.do(request{path: byReference + "?wait=" + wait}).fails(http.StatusBadRequest, "0.0.6", "wait must be")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
