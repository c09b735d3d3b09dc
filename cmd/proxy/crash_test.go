package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/audit"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// The crash matrix kills the proxy while a remote side counts the signatures that it makes. Then it
// checks that no accepted operation was lost, that none ended twice, and that each signature made
// is counted as delivered or as unknown.

// crashOperations and crashDocuments are small, so that kills often hit the steps between calls.
// Each operation has one document of each shape.
const (
	crashOperations = 6
	crashDocuments  = 5
)

// newCrashProxy prepares a proxy that retries at once.
func newCrashProxy(t *testing.T, remote *remoteSide, flags ...string) *testProxy {
	all := append(remote.flags(), "--signing.retry.backoff=50ms", "--signing.tries=100")
	return newTestProxy(t, append(all, flags...)...)
}

func crashRequest(t *testing.T, i int) *client.Request {
	t.Helper()
	r := oneDocument(t, fmt.Sprint("crash ", i), client.SignatureInfo{})
	r.Documents = nil
	for k, s := range shapes() {
		r.Documents = append(r.Documents, s.document(fmt.Sprintf("%s/%d", r.Reference, k)))
	}
	if len(r.Documents) != crashDocuments {
		t.Fatalf("there are %d shapes, want %d", len(r.Documents), crashDocuments)
	}
	return r
}

// TestCrashAtRandom kills the proxy at random moments, several times in each run, while requests
// arrive. The runs share a remote side. Each run has its own state folder.
func TestCrashAtRandom(t *testing.T) {
	t.Parallel()
	multisign := []service.Credential{{Multisign: 8}}
	remote := newRemoteSide(t, service.Options{Latency: 5 * time.Millisecond, Credentials: multisign})
	for run := range crashRuns.count(t) {
		if !t.Run(fmt.Sprint(run), func(t *testing.T) { crashRun(t, remote) }) {
			return
		}
	}
}

func crashRun(t *testing.T, remote *remoteSide) {
	before := remote.Counts().Signatures
	p := newCrashProxy(t, remote).start(t)
	accepted := make(map[string]client.Accepted)
	kills := 1 + rand.N(2)
	for i, killed := 0, 0; len(accepted) < crashOperations || killed < kills; i++ {
		var killer sync.WaitGroup
		if killed < kills {
			killed++
			victim, delay := p.Instance, rand.N(300*time.Millisecond)
			killer.Go(func() {
				time.Sleep(delay) // the random moment is what the test varies
				victim.Kill()
			})
		}
		submit(t, p, accepted, i*crashOperations)
		killer.Wait()
		select {
		case <-p.Ended():
			p.start(t)
		default:
		}
	}
	wantAllEnded(t, p, accepted)
	wantAccounted(t, remote, p, before)
}

// submit sends requests until one fails because the proxy was killed, or until enough were sent. A
// request with answer 202 is accepted.
func submit(t *testing.T, p *testProxy, accepted map[string]client.Accepted, from int) {
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
		a, err := c.SignAsync(t.Context(), r)
		if err != nil {
			return
		}
		accepted[r.Reference] = *a
	}
}

// wantAllEnded checks that each accepted operation ended once, as executed, with its id, and with
// every document signed and valid.
func wantAllEnded(t *testing.T, p *testProxy, accepted map[string]client.Accepted) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := newClient(t, p.Instance)
	for reference, a := range accepted {
		if _, err := c.Wait(ctx, reference); err != nil {
			t.Fatalf("%s was accepted as %d and does not end: %v", reference, a.ID, err)
		}
		var signed memorySink
		op, err := c.Detail(ctx, reference, &signed)
		if err != nil || op.Status != client.StatusExecuted || op.ID != a.ID || len(signed) != crashDocuments {
			t.Errorf("%s = %+v, %v, want operation %d executed with %d contents", reference, op, err, a.ID, crashDocuments)
			continue
		}
		for i, s := range shapes() {
			if err := s.verify(signed[op.Documents[i].Content].Bytes(), "", nil); err != nil {
				t.Errorf("%s: %v", reference, err)
			}
		}
	}
	wantOneEnd(t, p)
}

// wantOneEnd reads the log of all runs of the proxy. No operation may have ended twice. If a kill
// comes between the durable end and its log line, the line is missing.
func wantOneEnd(t *testing.T, p *testProxy) {
	t.Helper()
	ends, accepted := map[float64]int{}, 0
	for line := range strings.Lines(p.log(t)) {
		var entry struct {
			Msg       string
			Operation float64
		}
		if json.Unmarshal([]byte(line), &entry) != nil {
			continue
		}
		switch entry.Msg {
		case "operation accepted":
			accepted++
		case "operation ended":
			if ends[entry.Operation]++; ends[entry.Operation] > 1 {
				t.Errorf("operation %.0f has ended %d times", entry.Operation, ends[entry.Operation])
			}
		}
	}
	if accepted == 0 {
		t.Error("the log names no operation, so the test has not read it")
	}
}

// wantAccounted checks that made ≤ delivered + unknown, and that everything sent has one outcome.
// It waits for operations that were accepted although the client got no answer.
func wantAccounted(t *testing.T, remote *remoteSide, p *testProxy, before int64) {
	t.Helper()
	until(t, "every digest sent has an end", func() bool {
		n := p.signatures(t)
		return n["sent"] == n["returned"]+n["unknown"]+n["refused"] && p.metric(t, "signstash_queued_documents") == 0
	})
	n := p.signatures(t)
	// A request of a killed proxy may still be in progress at the remote side.
	made := remote.Counts().Signatures - before
	t.Logf("%d signatures made, counters %v", made, n)
	if made > n["returned"]+n["unknown"] {
		t.Errorf("%d signatures made, but only %d delivered and %d unknown", made, n["returned"], n["unknown"])
	}
	wantAudited(t, p, n)
}

// wantAudited compares the audit record with the store's counters. If a call is recorded twice, the
// later outcome counts.
func wantAudited(t *testing.T, p *testProxy, counted map[string]int64) {
	t.Helper()
	ends := map[string]audit.Outcome{}
	r, err := audit.Verify(filepath.Join(p.o.State, "audit"), func(_ string, r *audit.Record) {
		if r == nil {
			return
		}
		ends[fmt.Sprint(r.Call, " ", r.Operation, " ", r.Document)] = r.Outcome
		if r.SHA256 == "" || r.Reference == "" || r.DocumentReference == "" || r.Certificate == "" || r.ClientService == "" {
			t.Errorf("audit record %+v is not whole", r)
		}
	})
	if err != nil || len(r.Faults) > 0 || r.Torn {
		t.Errorf("audit: %+v, %v", r, err)
	}
	got := map[string]int64{}
	for _, outcome := range ends {
		got[string(outcome)]++
	}
	for _, outcome := range []string{"returned", "unknown", "refused"} {
		if got[outcome] != counted[outcome] {
			t.Errorf("audit says %d %s, the counters %d", got[outcome], outcome, counted[outcome])
		}
	}
}

// TestNoCrash is the comparison for the crash tests: without a fault or a crash, each digest is
// sent once and every signature arrives.
func TestNoCrash(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{Credentials: []service.Credential{{Multisign: 8}}})
	p := newCrashProxy(t, remote).start(t)
	accepted := make(map[string]client.Accepted)
	submit(t, p, accepted, 0)
	wantAllEnded(t, p, accepted)
	wantMadeOnce(t, remote, p, crashOperations*crashDocuments)
	if n := p.signatures(t); n["sent"] != n["returned"] {
		t.Errorf("counters %v, want each digest sent once", n)
	}
}

// wantMadeOnce checks that the remote service made exactly want signatures, and that the proxy
// received all of them.
func wantMadeOnce(t *testing.T, remote *remoteSide, p *testProxy, want int64) {
	t.Helper()
	n, made := p.signatures(t), remote.Counts().Signatures
	if made != want || n["returned"] != want || n["unknown"] != 0 {
		t.Errorf("%d signatures made, counters %v, want %d made and returned, none twice", made, n, want)
	}
}

// crashSteps are the durable steps of an operation. The remote side or the metrics show when each
// step is reached.
var crashSteps = []struct {
	name    string
	prepare func(r *remoteSide)
	reached func(t *testing.T, r *remoteSide, p *testProxy) bool
	after   func(r *remoteSide) // runs after the proxy was killed
	unknown bool                // whether signatures are unknown after this step
}{
	{
		"accepted",
		func(r *remoteSide) { r.slow("credentials/authorize") },
		func(*testing.T, *remoteSide, *testProxy) bool { return true },
		(*remoteSide).polite,
		false,
	},
	{"prepared and sent, before a signature is made", (*remoteSide).Hold, held, func(r *remoteSide) { r.Release() }, true},
	{"signed, and the answer lost", func(r *remoteSide) { r.stalls() }, made, (*remoteSide).polite, true},
	{"values stored", func(*remoteSide) {}, func(t *testing.T, _ *remoteSide, p *testProxy) bool {
		return p.signatures(t)["returned"] == crashDocuments
	}, (*remoteSide).polite, false},
}

func held(_ *testing.T, r *remoteSide, _ *testProxy) bool { return r.Counts().Held > 0 }

func made(_ *testing.T, r *remoteSide, _ *testProxy) bool { return r.Counts().Signatures > 0 }

func (r *remoteSide) polite() { r.Behave() }

// slow makes an endpoint unusable.
func (r *remoteSide) slow(endpoint string) {
	_ = r.Misbehave(service.Fault{Endpoint: endpoint, Misbehaviour: service.Unavailable})
}

// stalls makes signatures but never sends the whole answer.
func (r *remoteSide) stalls() {
	_ = r.Misbehave(service.Fault{Endpoint: "signatures/signHash", Misbehaviour: service.Stalled})
}

// TestCrashAtEveryStep kills the proxy at each durable step and checks that the counters report
// signatures that may be lost.
func TestCrashAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, step := range crashSteps {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			remote := newRemoteSide(t, service.Options{})
			p := newCrashProxy(t, remote).start(t)
			step.prepare(remote)
			a, err := newClient(t, p.Instance).SignAsync(t.Context(), crashRequest(t, 0))
			if err != nil {
				t.Fatal(err)
			}
			until(t, step.name, func() bool { return step.reached(t, remote, p) })
			p.Kill()
			step.after(remote)
			p.start(t)
			wantAllEnded(t, p, map[string]client.Accepted{"crash 0": *a})
			wantAccounted(t, remote, p, 0)
			if n := p.signatures(t); (n["unknown"] > 0) != step.unknown {
				t.Errorf("counters %v, want unknown: %v", n, step.unknown)
			}
		})
	}
}

// TestCrashAndResume checks that a crash costs no second signature if the answer can be fetched
// again.
func TestCrashAndResume(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{Asynchronous: true, PendingPolls: 5})
	p := newCrashProxy(t, remote).start(t)
	remote.slow("signatures/signPolling")
	a, err := newClient(t, p.Instance).SignAsync(t.Context(), crashRequest(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the proxy polls", func() bool { return remote.Counts().Calls["csc/v2/signatures/signPolling"] > 0 })
	p.Kill()
	remote.Behave()
	p.start(t)
	wantAllEnded(t, p, map[string]client.Accepted{"crash 0": *a})
	wantMadeOnce(t, remote, p, crashDocuments)
}

// TestCrashAndResumeSAFE checks that values of SAFE are fetched under the processId that was stored
// before the request was sent.
func TestCrashAndResumeSAFE(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	p := newCrashProxy(t, remote)
	p.configure(t, "defaultProvider: account\n"+remote.safeConfig(t, p)).start(t)
	remote.slow("signHash/verify")
	a, err := newClient(t, p.Instance).SignAsync(t.Context(), crashRequest(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the proxy polls", func() bool { return remote.Counts().Calls["safe/signatures/signHash/verify"] > 0 })
	p.Kill()
	remote.Behave()
	p.start(t)
	wantAllEnded(t, p, map[string]client.Accepted{"crash 0": *a})
	wantMadeOnce(t, remote, p, crashDocuments)
	wantAudited(t, p, p.signatures(t))
}

// TestCrashNeverTwice uses --signing.unknown-outcome=fail. A signature that was lost in a crash is
// not made again. Its documents fail, the client is told so, and documents that had not been sent
// are signed.
func TestCrashNeverTwice(t *testing.T) {
	t.Parallel()
	for _, step := range crashSteps {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			remote := newRemoteSide(t, service.Options{})
			p := newCrashProxy(t, remote, "--signing.unknown-outcome=fail").start(t)
			step.prepare(remote)
			if _, err := newClient(t, p.Instance).SignAsync(t.Context(), crashRequest(t, 0)); err != nil {
				t.Fatal(err)
			}
			until(t, step.name, func() bool { return step.reached(t, remote, p) })
			p.Kill()
			step.after(remote)
			p.start(t)
			c := newClient(t, p.Instance)
			op, err := c.Wait(t.Context(), "crash 0")
			if err != nil {
				t.Fatal(err)
			}
			wantStatus, wantUnknown := client.StatusExecuted, int64(0)
			if step.unknown {
				wantStatus, wantUnknown = client.StatusFailed, crashDocuments
			}
			if op.Status != wantStatus {
				t.Errorf("operation is %s, want %s", op.Status, wantStatus)
			}
			n := p.signatures(t)
			if n["unknown"] != wantUnknown || n["sent"] != crashDocuments || remote.Counts().Signatures > crashDocuments {
				t.Errorf("%d signatures made, counters %v, want each sent once and %d unknown",
					remote.Counts().Signatures, n, wantUnknown)
			}
			wantAudited(t, p, n)
		})
	}
}
