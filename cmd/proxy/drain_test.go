package main_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// TestStopFinishesRunningWork asks the proxy to end while a sync request waits for its documents: the request gets its result, and
// then the process ends well.
func TestStopFinishesRunningWork(t *testing.T) {
	dir := t.TempDir()
	o := instance.Options{
		Binary: filepath.Join(build(t), "proxy"), Work: filepath.Join(dir, "work"), State: filepath.Join(dir, "state"), Log: logFile(t, dir),
		Args: []string{"--signing.embedded.algorithm=RSA-4096"}, // slow enough to be stopped in the middle
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
	for { // until it is accepted
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
		t.Errorf("Sign = %+v, %v with %d contents, want %s with %d", r.op, r.err, len(signed), client.StatusExecuted, killDocuments)
	}
}
