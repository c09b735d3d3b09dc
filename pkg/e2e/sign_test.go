//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// credentialSecret is the Secret of the client service that the steps use.
const credentialSecret = "erp"

// clientByKubectl applies the sample of a client service as a user would. It waits until every pod
// knows the client service.
func (w *world) clientByKubectl() {
	w.kubectl("apply", "-f", "../../config/samples/client-service.yaml")
	w.accepted(w.admin, 3)
}

// accepted waits until all instances accept a client service.
func (w *world) accepted(who credential, instances int) {
	w.t.Helper()
	for ordinal := range instances {
		w.eventually(func() error {
			a, err := call(w.t.Context(), w.door, who, http.MethodGet, byIDURL(instanceURL(ordinal), 1), nil)
			if err == nil && a.status != http.StatusNotFound { // 404: no such operation; 401: client service not known yet
				err = fmt.Errorf("pod %d: %v", ordinal, a)
			}
			return err
		})
	}
}

// signSync gets a token from one pod, signs with it at the others, and verifies the result.
func (w *world) signSync() {
	a := w.ask(http.StatusOK, http.MethodPost, instanceURL(0)+tokenAPI+"?grant_type=client_credentials", nil)
	var token struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
	}
	if err := json.Unmarshal(a.body, &token); err != nil || token.AccessToken == "" || token.TokenType != "bearer" {
		w.t.Fatalf("token: %d bytes, %v", len(a.body), err)
	}
	for ordinal := 1; ordinal < 3; ordinal++ {
		got, err := call(
			w.t.Context(),
			w.door,
			credential{},
			http.MethodPost,
			instanceURL(ordinal)+api+"document/sign/base64/",
			request(w.t, fmt.Sprintf("sync %d", ordinal)),
			"Authorization",
			"Bearer "+token.AccessToken,
		)
		if err != nil || got.status != http.StatusOK {
			w.t.Fatalf("sign at %d: %v, %v", ordinal, got, err)
		}
		w.signed(w.decode(got))
	}
}

// signAsync uses host and port of the answer, and also asks the wrong pods and the Service.
func (w *world) signAsync() {
	op := w.accept(front, "async/1")
	own := ""
	for ordinal := range 3 {
		if instanceURL(ordinal) == fmt.Sprintf("http://%s:%d", op.Host, op.Port) {
			own = podName(ordinal)
		}
	}
	if own == "" || op.HostPort != fmt.Sprintf("%s:%d", op.Host, op.Port) {
		w.t.Fatalf("the answer names %s, port %d, %s: no instance", op.Host, op.Port, op.HostPort)
	}
	there := "http://" + op.HostPort
	if got := w.ended(there, "async/1"); got.ID != op.ID || got.Host != op.Host || got.Port != op.Port {
		w.t.Errorf("status says %+v, the answer was %+v", got, op)
	}
	w.signed(w.decode(w.ask(http.StatusOK, http.MethodGet, detailURL(there, "async/1"), nil)))
	for _, base := range []string{instanceURL(0), instanceURL(1), instanceURL(2), front} {
		for _, url := range []string{
			statusURL(base, "async/1"), byIDURL(base, op.ID), detailURL(base, "async/1") + "?includeContent=false",
		} {
			a := w.ask(http.StatusOK, http.MethodGet, url, nil)
			if got := a.header.Get("X-Signstash-Instance"); got != own {
				w.t.Errorf("%s was answered by %q, want %s", url, got, own)
			}
			if !strings.Contains(string(a.body), fmt.Sprint(op.ID)) {
				w.t.Errorf("%s: %v, want operation %d", url, a, op.ID)
			}
		}
	}
}

// idempotency repeats a request through the Service and at every pod. There is one operation and
// one signature.
func (w *world) idempotency() {
	before := w.counts().Signatures
	first := w.accept(front, "once")
	for i, base := range []string{
		front, instanceURL(0), instanceURL(1), instanceURL(2), front, front, front, front, front, front,
	} {
		if again := w.accept(base, "once"); again.ID != first.ID || again.HostPort != first.HostPort {
			w.t.Errorf("repetition %d is operation %d at %s, want %d at %s", i, again.ID, again.HostPort,
				first.ID, first.HostPort)
		}
	}
	w.ended(front, "once")
	if made := w.counts().Signatures - before; made != 1 {
		w.t.Errorf("%d signatures were made, want 1", made)
	}
}
