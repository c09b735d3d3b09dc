//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/e2e/keyedload"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

const (
	// newKeyEach is the time between two new keys. Ten a second leave most of two cores to the
	// cluster.
	newKeyEach = 100 * time.Millisecond
	// tryTime is how long the client waits for one answer. A healthy instance needs milliseconds.
	tryTime = 3 * time.Second
	// keyPatience is how long a client repeats a new key that was refused. A restart of a pod takes
	// longer, so that a client that must wait for the pod counts as refused.
	keyPatience = 4 * time.Second
	// quiet is how long the load runs without any disturbance, to compare with.
	quiet = 12 * time.Second
	// around is how long the load runs before and after a disturbance.
	around = 2 * time.Second
	// outage is how long an instance is missing in the steps that choose the time.
	outage = 10 * time.Second
	// small is a short document, because the load measures no throughput.
	small = "../../hack/samples/hybrid-xref.pdf"
)

// availability is a cluster under keyed load.
type availability struct {
	*world
	document  string // in base64
	instances atomic.Int64
	own       int64 // signatures that the disturbance itself asked for
	quiet     keyedload.Report
	table     strings.Builder // one line for each step
}

// TestAvailability disturbs the instances one way after the other, while a careful client sends new
// and repeated Idempotency-Keys. Planned stops refuse no key. A missing instance refuses at most
// the keys whose first home it is. Nothing is signed twice.
func TestAvailability(t *testing.T) {
	content, err := os.ReadFile(small)
	if err != nil {
		t.Fatal(err)
	}
	v := &availability{world: newWorld(t), document: base64.StdEncoding.EncodeToString(content)}
	if nodes := strings.Fields(v.must("kubectl", "get", "nodes", "-o", "name")); len(nodes) < 4 {
		t.Skipf("%d nodes, and each of three instances needs its own (KIND_WORKERS)", len(nodes))
	}
	v.instances.Store(3)
	for _, step := range []struct {
		name string
		run  func(*availability)
	}{
		{"install", (*availability).start},
		{"no disturbance", (*availability).undisturbed},
		{"rolling restart", (*availability).rollingRestart},
		{"deleted pod", (*availability).deletedPod},
		{"replaced pod without a controller", (*availability).withoutController},
		{"setting with a typo", (*availability).typo},
		{"frozen process", (*availability).frozenProcess},
		{"killed pod", (*availability).killedPod},
		{"drained node", (*availability).drainedNode},
		{"scale 3, 5, 2, 5", (*availability).scaleUpAndDown},
		{"remove", (*availability).remove},
	} {
		finished := false
		v.step(t, step.name, func() {
			step.run(v)
			finished = true
		})
		if !finished { // after another failure the cluster is well, and the next step may run
			break
		}
	}
	t.Logf("steps:%s\n%s", v.times.String(), v.table.String())
}

// start installs the chart. The client's way in and the simulated service stay on the control
// plane's node, which no step disturbs.
func (v *availability) start() {
	v.values["drain.lingerSeconds"] = "60" // the client fetches all results, so that no instance stays so long
	v.install()
	v.kubectl("patch", "deployment", release+"-trial", "--type=merge", "--patch="+onControlPlane)
	v.kubectl("rollout", "status", "deployment/"+release+"-trial", "--timeout=2m")
	v.eventually(func() error { // the old pod has other counters
		pods := v.kubectl("get", "pods", "-l", "app.kubernetes.io/component=trial", "-o", "name")
		if strings.Contains(pods, "\n") {
			return fmt.Errorf("there are %s", pods)
		}
		a, err := call(v.t.Context(), v.door, credential{}, http.MethodGet, simulator+"counts", nil)
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("counts: %v", a)
		}
		return err
	})
	v.clientByKubectl()
	nodes := map[string]bool{}
	for ordinal := range 3 {
		nodes[v.pod(ordinal).Spec.NodeName] = true
	}
	v.t.Logf("three instances run on %d nodes", len(nodes))
}

// body is a request with the small document.
func (v *availability) body(reference string) []byte {
	document := object{
		"externalReference": reference, "name": "invoice.pdf", "contentType": "application/pdf", "base64Content": v.document,
	}
	body, err := json.Marshal(object{
		"externalReference": reference, "description": "an invoice",
		"documents": []any{object{"documentRequest": document, "signatureInfo": object{"signatureType": "PAdES"}}},
	})
	if err != nil {
		panic(err) // no value of the request can fail
	}
	return body
}

// under runs disturb under keyed load, waits until every key has an end and all instances are
// ready, and checks what must hold in every case: nothing accepted is lost, and nothing is signed
// twice.
func (v *availability) under(name string, disturb func()) keyedload.Report {
	v.t.Helper()
	before := v.tally()
	load := keyedload.Start(v.t.Context(), keyedload.Config{
		HTTP: v.door, Front: front, Instances: v.instanceURLs, Body: v.body,
		Authorize: func(r *http.Request) { r.SetBasicAuth(v.admin.id, v.admin.secret) },
		Prefix:    fmt.Sprintf("%s %d", name, time.Now().UnixNano()),
		Every:     newKeyEach, Try: tryTime, Patience: keyPatience, Settle: patience,
	})
	time.Sleep(around)
	disturb()
	time.Sleep(around)
	v.wantReady(int(v.instances.Load()))
	r := load.Stop(v.t.Context())
	after := v.tally()
	made, unknown := after.made-before.made-v.own, after.unknown-before.unknown
	v.own = 0
	fmt.Fprintf(&v.table, "%s\n", name)
	v.note("%v; %d signatures made, %d unknown%s", &r, made, unknown, r.Reasons())
	for what, keys := range map[string][]string{
		"lost": r.Lost, "signed twice": r.Doubled, "without any answer": r.Unanswered, "with a wrong answer": r.Wrong,
	} {
		v.wantNone("keys "+what, keys)
	}
	if delivered := int64(r.Delivered); made < delivered || made > delivered+unknown {
		v.t.Errorf("%d signatures made, want from %d delivered to %d more that are unknown", made, delivered, unknown)
	}
	return r
}

// window is a span of time.
type window struct{ from, to time.Time }

// home returns the first home of a key.
func (v *availability) home(key string) int {
	first, _ := keyhome.Homes(keyhome.KeyOf(v.admin.id, key), int(v.instances.Load()))
	return first
}

// note logs a line, and adds it to the table.
func (v *availability) note(format string, args ...any) {
	v.t.Helper()
	line := fmt.Sprintf(format, args...)
	v.t.Log(line)
	fmt.Fprintf(&v.table, "    %s\n", line)
}

// wantNone fails the step if there is any, and prints some of them.
func (v *availability) wantNone(what string, any []string) {
	v.t.Helper()
	if len(any) > 0 {
		v.t.Errorf("%d %s:\n%s", len(any), what, strings.Join(any[:min(len(any), 10)], "\n"))
	}
}

// instanceURLs returns the base URLs of the instances that exist now.
func (v *availability) instanceURLs() (all []string) {
	for ordinal := range int(v.instances.Load()) {
		all = append(all, instanceURL(ordinal))
	}
	return all
}

// refusesNothing checks a planned disturbance.
func (v *availability) refusesNothing(r keyedload.Report) {
	v.t.Helper()
	if len(r.Refused) > 0 || r.RepeatsRefused > 0 {
		v.t.Errorf("%d of %d new keys and %d of %d repetitions were refused, want none", len(r.Refused), r.Keys,
			r.RepeatsRefused, r.Repeats)
	}
}

// refusesAtMost checks a disturbance in which an instance is missing: only keys whose first home it
// is are refused, and those that it may own, because it was asked and did not answer.
// out is when it was missing.
func (v *availability) refusesAtMost(r keyedload.Report, missing int, out window) {
	v.t.Helper()
	keys, busy := r.Between(out.from, out.to)
	homes := 0
	for _, key := range keys {
		if v.home(key) == missing {
			homes++
		}
	}
	all := float64(max(len(keys), 1)) / 100
	v.note("of %d keys sent while instance %d was missing, %d got 503 first (%.1f %%); it is the home of %.1f %%",
		len(keys), missing, busy, float64(busy)/all, float64(homes)/all)
	var others []string
	for _, refusal := range r.Busy {
		if home := v.home(refusal.Key); home != missing && !refusal.Cut {
			others = append(others, fmt.Sprintf("%s by %s, home %d: %s", refusal.Key, refusal.Instance, home, refusal.Text))
		}
	}
	v.wantNone("keys refused whose home was not missing", others)
	if r.RepeatsRefused > 0 {
		v.t.Errorf("%d of %d repetitions were refused to the end", r.RepeatsRefused, r.Repeats)
	}
}

// tally counts signatures of the whole fleet.
type tally struct{ made, unknown int64 }

// tally reads the counters of the simulated service and of all instances.
func (v *availability) tally() (n tally) {
	v.t.Helper()
	n.made = v.counts().Signatures
	for ordinal := range int(v.instances.Load()) {
		v.eventually(func() error {
			unknown, err := v.metric(ordinal, `signstash_signatures_total{outcome="unknown"}`)
			n.unknown += unknown
			return err
		})
	}
	return n
}
