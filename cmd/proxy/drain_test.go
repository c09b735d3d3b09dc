package main_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// TestStopFinishesRunningWork asks the proxy to stop while a synchronous request waits for its
// documents. The request gets its result, and then the process exits with code 0.
func TestStopFinishesRunningWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := instance.Options{
		Binary: filepath.Join(build(t), "proxy"),
		Work:   filepath.Join(dir, "work"),
		State:  filepath.Join(dir, "state"),
		Log:    logFile(t, dir),
		Args:   []string{"--signing.embedded.algorithm=RSA-4096"}, // slow enough to be stopped in the middle
	}
	if err := instance.WriteClients(o.Work, clients); err != nil {
		t.Fatal(err)
	}
	p := startInstance(t, o)
	c := newClient(t, p)
	request := killRequest(samplesInTurn(t))

	type result struct {
		op  *client.Operation
		err error
	}
	answered := make(chan result, 1)
	var signed memorySink
	go func() {
		op, err := c.Sign(t.Context(), request, &signed)
		answered <- result{op, err}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for { // until the request is accepted
		if ops, err := newClient(t, p).Status(ctx, request.Reference); err == nil && len(ops) > 0 {
			t.Logf("stopped when it was %s", ops[0].Status)
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the request was not accepted in time")
		}
	}
	if err := p.Stop(ctx); err != nil {
		t.Error(err)
	}
	r := <-answered
	if r.err != nil || r.op.Status != client.StatusExecuted || len(signed) != killDocuments {
		t.Errorf("Sign = %+v, %v with %d contents, want %s with %d",
			r.op, r.err, len(signed), client.StatusExecuted, killDocuments)
	}
}

// TestDelayWorksOn asks the proxy to stop with a delay that is longer than any test. The proxy is
// not ready at once, but it keeps working.
func TestDelayWorksOn(t *testing.T) {
	t.Parallel()
	p := newTestProxy(t, "--shutdown.delay=1h").start(t)
	terminate(t, p)
	until(t, "readyz says that it is stopping", func() bool {
		code, why := readyz(t, p)
		return code == http.StatusServiceUnavailable && why == "stopping\n"
	})
	f := &fleet{proxies: []*testProxy{p}}
	f.call(t, 0, http.MethodPost, "document/sign/base64", signBody(t, "late")).
		want(t, "a request in the delay", http.StatusOK, `"SIGNED"`)
	f.call(t, 0, http.MethodGet, "operation/status/withExternalReference/late", "").
		want(t, "its status", http.StatusOK, `"EXECUTED"`)
}

// TestDrainRefuses asks the proxy to stop while it waits for the remote side. New requests are
// refused with Retry-After, reads are still served, and the running request gets its result.
func TestDrainRefuses(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	p := newTestProxy(t, append(remote.flags(), "--shutdown.grace=10m")...).start(t)
	f := &fleet{proxies: []*testProxy{p}}
	remote.Hold()
	defer remote.Release()
	running := make(chan reply, 1)
	go func() { running <- f.call(t, 0, http.MethodPost, "document/sign/base64", signBody(t, "running")) }()
	until(t, "the request is accepted", func() bool {
		return f.call(t, 0, http.MethodGet, "operation/status/withExternalReference/running", "").status == http.StatusOK
	})
	terminate(t, p)
	var got reply
	n := 0
	until(t, "new requests are refused", func() bool { // a request that is faster than the signal is accepted
		n++
		got = f.call(t, 0, http.MethodPost, "document/sign/async/base64", signBody(t, fmt.Sprint("new ", n)))
		return got.status != http.StatusAccepted
	})
	got.want(t, "a new request", http.StatusServiceUnavailable, "stopping")
	if got.header.Get("Retry-After") == "" {
		t.Error("the refusal has no Retry-After")
	}
	f.call(t, 0, http.MethodGet, "operation/status/withExternalReference/running", "").
		want(t, "a read", http.StatusOK, `"PENDING_EXECUTION"`)
	select {
	case early := <-running:
		t.Errorf("the running request ended before the remote side answered: %d %.300s", early.status, early.body)
	default:
		remote.Release()
		(<-running).want(t, "the running request", http.StatusOK, `"SIGNED"`)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// terminate asks the proxy to stop and does not wait.
func terminate(t *testing.T, p *testProxy) {
	t.Helper()
	if err := syscall.Kill(p.PID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// TestDrainAnswersPeers asks one of three instances to stop. During its delay, and while it
// finishes its running work after the delay, it still tells the others which keys it knows. So they
// accept new keys, and nothing is signed twice. A repetition of a key that it knows is answered.
func TestDrainAnswersPeers(t *testing.T) {
	t.Parallel()
	for name, flag := range map[string]string{
		"in the delay": "--shutdown.delay=1h", "after the delay": "--shutdown.grace=10m",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			remote := newRemoteSide(t, service.Options{})
			f := newFleet(t, remote, flag)
			keyed := func(i int, key string) reply {
				return f.call(t, i, http.MethodPost, "document/sign/async/base64", signBody(t, key), "Idempotency-Key", key)
			}
			id := f.signed(t, 1, "done")
			remote.Hold()
			defer remote.Release()
			keyed(1, "known").want(t, "a request with a key", http.StatusAccepted)
			terminate(t, f.proxies[1])
			until(t, "it is stopping", func() bool { code, _ := readyz(t, f.proxies[1]); return code != http.StatusOK })
			if name == "after the delay" {
				n := 0
				until(t, "it refuses new requests", func() bool {
					n++
					return f.call(t, 1, http.MethodPost, "document/sign/async/base64", signBody(t, fmt.Sprint("late ", n))).
						status == http.StatusServiceUnavailable
				})
			}
			for _, i := range []int{0, 2} {
				keyed(i, fmt.Sprint("new ", i)).want(t, "a new key", http.StatusAccepted)
				again := keyed(i, "known")
				if again.want(t, "a repetition", http.StatusAccepted); again.header.Get("Idempotent-Replayed") != "true" {
					t.Errorf("the repetition at instance %d is not marked", i)
				}
				f.call(t, i, http.MethodGet, "operation/status/"+id, "").want(t, "its operation", http.StatusOK, `"EXECUTED"`)
				f.call(t, i, http.MethodGet, "operation/status/withExternalReference/none", "").
					want(t, "an unknown reference", http.StatusNotFound)
			}
		})
	}
}
