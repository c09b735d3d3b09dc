package main_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/audit"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// TestCrashAtRandomLocalKey kills a proxy with a local key at random moments, several times in each
// run, while requests arrive. The clients of most requests wait for the result, so their documents
// are signed before they are stored.
func TestCrashAtRandomLocalKey(t *testing.T) {
	t.Parallel()
	for run := range crashRuns.count(t) {
		if !t.Run(fmt.Sprint(run), localCrashRun) {
			return
		}
	}
}

func localCrashRun(t *testing.T) {
	p := newTestProxy(t, "--signing.retry.backoff=50ms", "--signing.tries=100").start(t)
	answered := make(map[string]client.Accepted)
	var unanswered []*client.Request
	kills := 1 + rand.N(2)
	for i, killed := 0, 0; len(answered) < crashOperations || killed < kills; i++ {
		var killer sync.WaitGroup
		if killed < kills {
			killed++
			victim, delay := p.Instance, rand.N(300*time.Millisecond)
			killer.Go(func() {
				time.Sleep(delay) // the random moment is what the test varies
				victim.Kill()
			})
		}
		if r := submitAndWait(t, p, answered, i*crashOperations); r != nil {
			unanswered = append(unanswered, r)
		}
		killer.Wait()
		select {
		case <-p.Ended():
			p.start(t)
		default:
		}
	}
	c := newClient(t, p.Instance)
	for _, r := range unanswered { // as a client does: with the same Idempotency-Key
		op, err := c.Sign(t.Context(), r, &memorySink{})
		if err != nil {
			t.Fatalf("repeated %s: %v", r.Reference, err)
		}
		answered[r.Reference] = client.Accepted{ID: op.ID}
	}
	wantAllEnded(t, p, answered)
	wantEachAudited(t, p, answered)
}

// submitAndWait sends requests until one fails because the proxy was killed, which it returns, or
// until enough were sent. The client waits for three of four results.
func submitAndWait(t *testing.T, p *testProxy, answered map[string]client.Accepted, from int) *client.Request {
	t.Helper()
	c, err := client.New(client.Config{
		URL:      p.URL,
		ClientID: "PRT.1-PRT.2-alice",
		Secret:   clients["PRT.1-PRT.2-alice"],
		Basic:    true,
		Patience: time.Nanosecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range crashOperations {
		r := crashRequest(t, from+i)
		r.Key = r.Reference
		if i%4 == 3 {
			a, err := c.SignAsync(t.Context(), r)
			if err != nil {
				return r
			}
			answered[r.Reference] = *a
			continue
		}
		var signed memorySink
		op, err := c.Sign(t.Context(), r, &signed)
		if err != nil {
			return r
		}
		if op.Status != client.StatusExecuted || len(signed) != crashDocuments {
			t.Errorf("%s = %+v with %d contents, want %d signed", r.Reference, op, len(signed), crashDocuments)
		}
		answered[r.Reference] = client.Accepted{ID: op.ID}
	}
	return nil
}

// wantEachAudited checks that the audit record is consistent and has every signature of the
// operations.
func wantEachAudited(t *testing.T, p *testProxy, answered map[string]client.Accepted) {
	t.Helper()
	returned := map[string]bool{}
	r, err := audit.Verify(filepath.Join(p.o.State, "audit"), func(_ string, r *audit.Record) {
		if r != nil && r.Outcome == audit.Returned {
			returned[fmt.Sprint(r.Reference, " ", r.Operation, " ", r.Document)] = true
		}
	})
	if err != nil || len(r.Faults) > 0 {
		t.Errorf("audit: %+v, %v", r, err)
	}
	for reference, a := range answered {
		for i := range crashDocuments {
			if !returned[fmt.Sprint(reference, " ", a.ID, " ", i)] {
				t.Errorf("document %d of %s is not in the audit record", i, reference)
			}
		}
	}
	n := p.signatures(t)
	if int64(len(returned)) < n["returned"] || n["sent"] < n["returned"]+n["unknown"]+n["refused"] {
		t.Errorf("counters %v, but the audit record has %d signatures", n, len(returned))
	}
}
