//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// rotations is how often the credential is changed.
const rotations = 10

// clientSecret is the Secret of a client service as a user keeps it.
func clientSecret(id, secret, previous string) object {
	data := object{"clientId": id, "secret": secret}
	if previous != "" {
		data["previousSecret"] = previous
	}
	return object{
		"apiVersion": "v1", "kind": "Secret", "type": "signstash.io/client-service",
		"metadata": object{"name": credentialSecret}, "stringData": data,
	}
}

// rotate changes the credential ten times by kubectl apply. The old one goes on until it is
// removed.
func (w *world) rotate() {
	var took []time.Duration
	for i := range rotations {
		old := w.admin
		w.admin.secret = fmt.Sprintf("rotated-secret-%d", i)
		started := time.Now()
		w.apply(namespace, clientSecret(old.id, w.admin.secret, old.secret))
		took = append(took, w.lastToAccept(started, w.admin, http.StatusNotFound))
		w.askAs(old, http.StatusNotFound) // not 401
	}
	for ordinal := range 3 { // what makes it seconds, not the kubelet's minute
		if w.pod(ordinal).Metadata.Annotations["signstash.io/refreshed"] == "" {
			w.t.Errorf("%s was not told to look at its files again", podName(ordinal))
		}
	}
	slices.Sort(took)
	w.t.Logf("from kubectl apply to the last of three pods: median %v, maximum %v of %d (goal 5 s)",
		took[rotations/2].Round(time.Millisecond), took[rotations-1].Round(time.Millisecond), rotations)
	old := credential{w.admin.id, fmt.Sprintf("rotated-secret-%d", rotations-2)}
	started := time.Now()
	w.kubectl(
		"patch",
		"secret",
		credentialSecret,
		"--type=json",
		`--patch=[{"op":"remove","path":"/data/previousSecret"}]`,
	)
	removed := w.lastToAccept(started, old, http.StatusUnauthorized)
	w.t.Logf("from its removal until the last pod refuses the old one: %v", removed.Round(time.Millisecond))
	w.askAs(w.admin, http.StatusNotFound)
}

// lastToAccept returns when the last of three pods answers a credential with that status, after a
// start.
func (w *world) lastToAccept(started time.Time, who credential, status int) time.Duration {
	w.t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	var last time.Duration
	for ordinal := range 3 {
		all.Go(func() {
			for deadline := started.Add(patience); ; time.Sleep(interval / 2) {
				a, err := call(w.t.Context(), w.door, who, http.MethodGet, byIDURL(instanceURL(ordinal), 1), nil)
				if err == nil && a.status == status {
					break
				}
				if time.Now().After(deadline) {
					w.t.Errorf("pod %d: %v, %v, want %d", ordinal, a, err, status)
					return
				}
			}
			mu.Lock()
			defer mu.Unlock()
			last = max(last, time.Since(started))
		})
	}
	all.Wait()
	if w.t.Failed() {
		w.t.FailNow()
	}
	return last
}

// askAs asks every pod for an operation that is not there.
func (w *world) askAs(who credential, status int) {
	w.t.Helper()
	for ordinal := range 3 {
		a, err := call(w.t.Context(), w.door, who, http.MethodGet, byIDURL(instanceURL(ordinal), 1), nil)
		if err != nil || a.status != status {
			w.t.Errorf("pod %d: %v, %v, want %d", ordinal, a, err, status)
		}
	}
}

// brokenSecret breaks the Secret: an event says so without its value, and the client goes on with
// what was good.
func (w *world) brokenSecret() {
	w.kubectl(
		"patch",
		"secret",
		credentialSecret,
		"--type=merge",
		`--patch={"stringData":{"config":"{\"inputFolder\": 7"}}`,
	)
	note := w.wantEvent("Secret", credentialSecret, "InvalidClientService")
	if strings.Contains(note, w.admin.secret) || !strings.Contains(note, "config") {
		w.t.Errorf("the event says %q", note)
	}
	// Once a client service that came after it is known everywhere, so is what the controller made of
	// the broken one.
	later := credential{"later", "later-secret"}
	w.apply(namespace, object{
		"apiVersion": "v1", "kind": "Secret", "type": "signstash.io/client-service",
		"metadata": object{"name": later.id}, "stringData": object{"clientId": later.id, "secret": later.secret},
	})
	w.accepted(later, 3)
	w.askAs(w.admin, http.StatusNotFound) // not 401
	w.ask(http.StatusOK, http.MethodGet, statusURL(front, "once"), nil)
	w.kubectl("delete", "secret", later.id)
	w.kubectl("patch", "secret", credentialSecret, "--type=json", `--patch=[{"op":"remove","path":"/data/config"}]`)
	w.wantEvent("Secret", credentialSecret, "Accepted")
}
