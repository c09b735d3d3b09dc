package signing_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestFailureDoesNotAffectOtherDocuments: a document that is damaged, or whose format panics, fails
// alone. The text of a panic is not shown to the client.
func TestFailureDoesNotAffectOtherDocuments(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", "one", "damaged", "panic", "four")
		docs := h.check(id, signing.StatusExecuted, "sffs")
		if f := docs[1].Failure; f.Kind != signing.KindDamaged || f.Detail != "the cross-reference is damaged" {
			t.Errorf("failure = %+v, want the format's reason", f)
		}
		if f := docs[2].Failure; f.Kind != signing.KindInternal || f.Detail != "" {
			t.Errorf("failure after a panic = %+v, want internal without a text", f)
		}
	})
}

// TestUnreachableServiceDoesNotDelayOthers: a service that is not reachable does not delay
// operations that wait for the answer of another service.
func TestUnreachableServiceDoesNotDelayOthers(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.stop()
		down := newProvider(t)
		down.key, down.credential, down.silent = h.provider.key, h.provider.credential, true
		down.credential.Name = "down"
		h.cfg.Providers = func(client string) (signing.Provider, error) {
			if client == "b" {
				return h.provider, nil
			}
			return down, nil
		}
		ids := map[string]signing.ID{}
		for client, credential := range map[string]string{"a": "down", "b": "test"} {
			ids[client] = h.crashedOperationOf(client, "of "+client)
			refs := []signing.Ref{{Operation: ids[client]}}
			h.beginCall(signing.CallRecord{ID: client, Credential: credential, Handle: "r-1", Refs: refs})
		}
		start := time.Now()
		h.start()
		h.check(ids["b"], signing.StatusExecuted, "s")
		if took := time.Since(start); took > time.Second {
			t.Errorf("the operation of the reachable service ended after %v of fake time, want at most a second", took)
		}
	})
}

// TestBacklogOfOthers: the backlog of one client service at a slow service does not stop others
// from signing at another service.
func TestBacklogOfOthers(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.latency, h.provider.credential.MaxBatch, h.provider.credential.InFlight = time.Minute, 1, 1
		fast := newProvider(t)
		fast.key, fast.credential = h.provider.key, h.provider.credential
		fast.credential.Name = "fast"
		h.cfg.Providers = func(client string) (signing.Provider, error) {
			if client == "b" {
				return fast, nil
			}
			return h.provider, nil
		}
	}, func(t *testing.T, h *harness) {
		for i := range 1100 {
			h.mustSubmit("a", fmt.Sprint(i), fmt.Sprint("document ", i))
		}
		time.Sleep(time.Second)
		start := time.Now()
		h.check(h.mustSubmit("b", "small", "one"), signing.StatusExecuted, "s")
		if took := time.Since(start); took > time.Second {
			t.Errorf("the document took %v of fake time, want at most a second at a service that takes 100 ms", took)
		}
	})
}

// TestFairness: a large batch does not delay the single document of another client service for
// long.
func TestFairness(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		big := h.mustSubmit("a", "big", names(500)...)
		time.Sleep(time.Second) // fake time: much of the batch is still waiting
		start := time.Now()
		h.check(h.mustSubmit("b", "small", "one"), signing.StatusExecuted, "s")
		if took := time.Since(start); took > 3*h.provider.latency {
			t.Errorf("one document behind a batch took %v of fake time, want a call or two of %v", took, h.provider.latency)
		}
		if op, err := h.Service.Operation(t.Context(), "a", big); err != nil || op.Status.Ended() {
			t.Errorf("the batch = %v, %v, want it still running", op.Status, err)
		}
		h.waitFor(big)
	})
}

// TestUnexpectedErrorIsInternal: an error that is not an *Error fails the document, and its text is
// not shown to the client.
func TestUnexpectedErrorIsInternal(t *testing.T) {
	run(t, func(h *harness) {
		h.format.embed = func(content []byte) error {
			if bytes.Equal(content, []byte("one")) {
				return errors.New("secret internals")
			}
			return nil
		}
	}, func(t *testing.T, h *harness) {
		docs := h.check(h.mustSubmit("a", "r1", "one", "two"), signing.StatusExecuted, "fs")
		if f := docs[0].Failure; f.Kind != signing.KindInternal || f.Detail != "" {
			t.Errorf("failure = %+v, want internal without a text", f)
		}
	})
}
