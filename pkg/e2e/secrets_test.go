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

// clientSecret is a user's Secret with the credential of a client service.
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

// rotate changes the credential ten times with kubectl apply. The old credential stays valid until
// it is removed.
func (w *world) rotate() {
	var took []time.Duration
	for i := range rotations {
		old := w.admin
		w.admin.secret = fmt.Sprintf("rotated-secret-%d", i)
		started := time.Now()
		w.apply(namespace, clientSecret(old.id, w.admin.secret, old.secret))
		took = append(took, w.lastToAccept(started, w.admin, http.StatusNotFound))
		w.askAs(old, http.StatusNotFound) // and not 401
	}
	for ordinal := range 3 { // the reason that this takes seconds and not the kubelet's minute
		if w.pod(ordinal).Metadata.Annotations["signstash.io/refreshed"] == "" {
			w.t.Errorf("%s was not told to look at its files again", podName(ordinal))
		}
	}
	slices.Sort(took)
	w.t.Logf("from kubectl apply to the last of three pods: median %v, maximum %v of %d (goal 5 s)",
		took[rotations/2].Round(time.Millisecond), took[rotations-1].Round(time.Millisecond), rotations)
	old := credential{w.admin.id, fmt.Sprintf("rotated-secret-%d", rotations-2)}
	started := time.Now()
	w.kubectl("patch", "secret", credentialSecret, "--type=json",
		`--patch=[{"op":"remove","path":"/data/previousSecret"}]`)
	removed := w.lastToAccept(started, old, http.StatusUnauthorized)
	w.t.Logf("from its removal until the last pod refuses the old one: %v", removed.Round(time.Millisecond))
	w.askAs(w.admin, http.StatusNotFound)
}

// lastToAccept returns how long after start the last of three pods answers a credential with that
// status.
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

// askAs asks every pod for an operation that does not exist.
func (w *world) askAs(who credential, status int) {
	w.t.Helper()
	for ordinal := range 3 {
		a, err := call(w.t.Context(), w.door, who, http.MethodGet, byIDURL(instanceURL(ordinal), 1), nil)
		if err != nil || a.status != status {
			w.t.Errorf("pod %d: %v, %v, want %d", ordinal, a, err, status)
		}
	}
}

// brokenSecret breaks the Secret in a way that the API server does not notice. An event reports
// this without the value of the Secret, and the client keeps its last good credential.
func (w *world) brokenSecret() {
	w.kubectl("patch", "secret", credentialSecret, "--type=merge",
		`--patch={"stringData":{"config":"{\"callbackUrl\": \"https://\"}"}}`)
	note := w.wantEvent("Secret", credentialSecret, "InvalidClientService")
	if strings.Contains(note, w.admin.secret) || !strings.Contains(note, "config") {
		w.t.Errorf("the event says %q", note)
	}
	// Once every pod knows a client service that was created later, every pod also knows what the
	// controller made of the broken Secret.
	later := credential{"later", "later-secret"}
	w.apply(namespace, object{
		"apiVersion": "v1", "kind": "Secret", "type": "signstash.io/client-service",
		"metadata": object{"name": later.id}, "stringData": object{"clientId": later.id, "secret": later.secret},
	})
	w.accepted(later, 3)
	w.askAs(w.admin, http.StatusNotFound) // and not 401
	w.ask(http.StatusOK, http.MethodGet, statusURL(front, "once"), nil)
	w.kubectl("delete", "secret", later.id)
	w.kubectl("patch", "secret", credentialSecret, "--type=json", `--patch=[{"op":"remove","path":"/data/config"}]`)
	w.wantEvent("Secret", credentialSecret, "Accepted")
}
