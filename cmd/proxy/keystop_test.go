package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// steadyFleet is a fleet whose instance 1 keeps its address over restarts.
type steadyFleet struct {
	*fleet
	remote  *remoteSide
	address *stableAddress
	keys    []string // that were accepted
}

func newSteadyFleet(t *testing.T) *steadyFleet {
	t.Helper()
	k := &steadyFleet{remote: newRemoteSide(t, service.Options{})}
	k.fleet = newFleet(t, k.remote)
	k.address = newStableAddress(t, k.proxies[1])
	k.dir.Endpoints[1].Internal = strings.TrimPrefix(k.address.server.URL, "http://")
	k.publish(t)
	for _, p := range k.proxies {
		until(t, "the address is read", func() bool { return strings.Count(p.log(t), "peers read") >= 3 })
	}
	return k
}

// send sends a request with a key to an instance.
func (k *steadyFleet) send(t *testing.T, i int, key string) reply {
	t.Helper()
	got := k.call(t, i, http.MethodPost, "document/sign/async/base64", signBody(t, key), "Idempotency-Key", key)
	if got.status == http.StatusAccepted && got.header.Get("Idempotent-Replayed") == "" {
		k.keys = append(k.keys, key)
	}
	return got
}

// back starts instance 1 again and waits until it decides about its keys.
func (k *steadyFleet) back(t *testing.T) {
	t.Helper()
	k.address.leadTo(t, k.proxies[1].start(t))
	k.waitForHomes(t)
}

// wantRepeated repeats all accepted keys at an instance. Nothing new is created, and each key has
// one signature.
func (k *steadyFleet) wantRepeated(t *testing.T, at int) {
	t.Helper()
	for _, key := range k.keys {
		again := k.send(t, at, key)
		again.want(t, "a repetition", http.StatusAccepted)
		if again.header.Get("Idempotent-Replayed") != "true" {
			t.Fatalf("the repetition of %s at %d is not marked", key, at)
		}
	}
	until(t, "all is signed", func() bool { return k.remote.Counts().Signatures >= int64(len(k.keys)) })
	if got := k.remote.Counts().Signatures; got != int64(len(k.keys)) {
		t.Errorf("%d signatures for %d keys", got, len(k.keys))
	}
}

// TestHomeStopsInOrder stops one of three instances in order and starts it again. Meanwhile all new
// keys are accepted, and repetitions are found. Nothing is signed twice when it is back.
func TestHomeStopsInOrder(t *testing.T) {
	t.Parallel()
	k := newSteadyFleet(t)
	k.send(t, 0, "known").want(t, "the first", http.StatusAccepted)
	if err := k.proxies[1].Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := range 40 {
		k.send(t, n%2*2, fmt.Sprint("key ", n)).want(t, "a new key", http.StatusAccepted)
	}
	k.wantRepeated(t, 2)
	k.back(t)
	k.wantRepeated(t, 1)
	for n := range 10 {
		k.send(t, n%3, fmt.Sprint("late ", n)).want(t, "a new key", http.StatusAccepted)
	}
	k.wantRepeated(t, 0)
}
