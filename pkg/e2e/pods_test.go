//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// killPod kills a pod while the remote side works for it. The operation ends after the restart,
// under the same id.
func (w *world) killPod() {
	w.simulate("hold")
	op := w.accept(instanceURL(1), "killed")
	w.eventually(func() error {
		if w.counts().Held == 0 {
			return errors.New("no call is held")
		}
		return nil
	})
	before := w.pod(1).Metadata.UID
	w.kubectl("delete", "pod", podName(1), "--force", "--grace-period=0")
	// The remote side holds its answers until another process has the operation, so the first process
	// cannot have ended it.
	w.eventually(func() error {
		now, err := run(w.t.Context(), "", "kubectl", "-n", namespace, "get", "pod", podName(1), "-o",
			"jsonpath={.metadata.uid} {.status.phase}")
		if uid, phase, _ := strings.Cut(now, " "); err != nil || uid == before || phase != "Running" {
			return fmt.Errorf("pod %s was %s and is %s: %v", podName(1), before, now, err)
		}
		a, err := call(w.t.Context(), w.door, w.admin, http.MethodGet, statusURL(instanceURL(1), "killed"), nil)
		if err != nil || a.status != http.StatusOK {
			return fmt.Errorf("status after the restart: %v, %v", a, err)
		}
		if strings.Contains(string(a.body), `"EXECUTED"`) {
			w.t.Fatalf("the operation ended while the remote side held its call: %v", a)
		}
		return nil
	})
	w.simulate("release")
	w.wantReady(3)
	if got := w.ended(front, "killed"); got.ID != op.ID {
		w.t.Errorf("operation is %d, was %d", got.ID, op.ID)
	}
	w.signed(w.decode(w.ask(http.StatusOK, http.MethodGet, detailURL(instanceURL(1), "killed"), nil)))
}

// scale scales up and then down. The volume of a removed instance stays, and so do its operations.
func (w *world) scale() {
	w.values["replicas"] = "4"
	w.helm("--wait")
	w.wantReady(4)
	w.accepted(w.admin, 4)
	op := w.accept(instanceURL(3), "fourth")
	w.ended(front, "fourth")
	w.values["replicas"] = "2"
	w.helm("--wait")
	w.wantReady(2)
	w.eventually(func() error { // the directory must reach both pods
		for _, url := range []string{byIDURL(instanceURL(0), op.ID), byIDURL(instanceURL(1), op.ID), byIDURL(front, op.ID)} {
			a, err := call(w.t.Context(), w.door, w.admin, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			if a.status != http.StatusServiceUnavailable || !strings.Contains(string(a.body), podName(3)) {
				return fmt.Errorf("%s: %v, want 503 that names %s", url, a, podName(3))
			}
		}
		return nil
	})
	w.ask(http.StatusOK, http.MethodGet, statusURL(front, "killed"), nil) // of an instance that exists
	w.values["replicas"] = "4"
	w.helm("--wait")
	w.wantReady(4)
	w.signed(w.decode(w.ask(http.StatusOK, http.MethodGet, detailURL(instanceURL(3), "fourth"), nil)))
	w.values["replicas"] = "3"
	w.helm("--wait")
	w.wantReady(3)
}

// load holds what a client saw while the new image was rolled out.
type load struct {
	operations, retried, failed atomic.Int64
	mu                          sync.Mutex
	reasons                     map[string]int // reasons of failures
}

func (l *load) because(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reasons[reason]++
}

// upgradeUnderLoad rolls out a new image while clients sign. The documented retry is enough for
// every call that fails.
func (w *world) upgradeUnderLoad() {
	l := &load{reasons: map[string]int{}}
	ctx, stop := context.WithCancel(w.t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer stop() // stop before that wait, however the function returns
	for client := range 4 {
		clients.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				w.oneOfMany(l, fmt.Sprintf("load %d %d", client, i))
			}
		})
	}
	w.values["image.tag"] = "e2e-next"
	w.helm("--wait")
	w.wantReady(3)
	stop()
	clients.Wait()
	for ordinal := range 3 {
		if image := w.pod(ordinal).Spec.Containers[0].Image; !strings.HasSuffix(image, ":e2e-next") {
			w.t.Errorf("pod %d runs %s", ordinal, image)
		}
	}
	w.t.Logf("%d documents signed and fetched, %d calls repeated because of %v, %d failed",
		l.operations.Load(), l.retried.Load(), l.reasons, l.failed.Load())
	if l.failed.Load() > 0 || l.operations.Load() == 0 {
		w.t.Errorf("%d of %d failed", l.failed.Load(), l.operations.Load())
	}
}

// oneOfMany signs a document through the Service and fetches the result.
func (w *world) oneOfMany(l *load, reference string) {
	body := request(w.t, reference)
	sign := front + api + "document/sign/async/base64/"
	ok := w.retried(l, http.StatusAccepted, http.MethodPost, sign, body, reference, nil) &&
		w.retried(l, http.StatusOK, http.MethodGet, statusURL(front, reference)+"?wait=20s", nil, "", func(a answer) bool {
			return strings.Contains(string(a.body), `"EXECUTED"`)
		}) &&
		w.retried(l, http.StatusOK, http.MethodGet, detailURL(front, reference), nil, "", func(a answer) bool {
			return strings.Contains(string(a.body), `"SIGNED"`)
		})
	if !ok {
		l.failed.Add(1)
		return
	}
	l.operations.Add(1)
}

// retried makes a call as the README tells clients to. It repeats the call after 429, 503 or a lost
// connection. A POST is repeated with its key.
func (w *world) retried(l *load, status int, method, url string, body []byte, key string, done func(answer) bool) bool {
	var header []string
	if key != "" {
		header = []string{"Idempotency-Key", key}
	}
	for started := time.Now(); time.Since(started) < patience; {
		a, err := call(w.t.Context(), w.door, w.admin, method, url, body, header...)
		reason := ""
		switch {
		case err != nil:
			reason = "no connection"
		case a.status == status && (done == nil || done(a)):
			return true
		case a.status == status: // not ended yet
		case a.status == http.StatusBadGateway: // the door answers this if a connection was refused or cut
			reason = "connection cut"
		case a.status == http.StatusTooManyRequests, a.status == http.StatusServiceUnavailable:
			reason = fmt.Sprint(a.status)
		default:
			w.t.Errorf("%s %s: %v", method, url, a)
			return false
		}
		if reason != "" {
			l.retried.Add(1)
			l.because(reason)
		}
		time.Sleep(interval)
	}
	return false
}
