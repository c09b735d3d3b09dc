package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// withState gives a harness a state folder of that identity.
func withState(state string) func(*harness) {
	return func(h *harness) {
		h.cfg.Identity = affinity.NewIdentity("")
		h.cfg.Identity.Opened(state, nil)
	}
}

// TestPeerWithAnotherState checks that an instance with another state folder at a peer's address is
// not believed: what it does not know may be in the first folder. The peer itself is believed
// again.
func TestPeerWithAnotherState(t *testing.T) {
	peer, first, _ := startPeerWith(t, withState("one"))
	_, second, paths := startPeerWith(t, withState("two"))
	handle := first
	h := start(t, withPeer(t, func(w http.ResponseWriter, r *http.Request) { handle(w, r) }))
	keyed := func(key string) request {
		return request{
			path: "document/sign/base64", text: signRequest("theirs", "%PDF"), header: map[string]string{"Idempotency-Key": key},
		}
	}
	signed := peer.do(keyed("k"))
	signed.is(http.StatusOK, nil)
	repeated := h.do(keyed("k"))
	repeated.is(http.StatusOK, map[string]string{"id": signed.at("id")})
	if got := repeated.Header().Get(affinity.StateHeader); got != "" {
		t.Errorf("the client got the state %q", got)
	}

	handle = second
	for _, r := range []request{
		keyed("k"), keyed("new"), {path: "operation/status/1025"}, {path: "operation/status/withExternalReference/theirs"},
	} {
		h.do(r).fails(http.StatusServiceUnavailable, "503", "instance proxy-1 does not answer")
	}
	if asked := strings.Join(*paths, "\n"); asked == "" || strings.Contains(asked, "document/sign") {
		t.Errorf("the instance with an empty folder was sent these requests, want questions alone:\n%s", asked)
	}
	handle = first
	h.do(keyed("k")).is(http.StatusOK, map[string]string{"id": signed.at("id")})
}
