//go:build e2e

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	namespace     = "e2e"
	doorNamespace = "e2e-door"
	release       = "signstash-proxy" // all objects of the chart have this name as their prefix
	chart         = "../../charts/signstash-proxy"

	// commandTime bounds one command of kubectl, helm or docker. helm waits for pods, which wait for
	// volumes.
	commandTime = 5 * time.Minute
	// patience is how long a step waits for a state of the cluster. A pod waits up to a minute for the
	// lock of the state folder after the previous pod was killed, and an operation is retried a minute
	// after its call was cut.
	patience = 3 * time.Minute
	// interval is the time between two checks.
	interval = 100 * time.Millisecond
)

// world is a cluster with the chart installed.
type world struct {
	t      *testing.T // the running step
	chart  string     // folder or OCI reference; empty = the chart of this checkout
	values map[string]string
	door   *http.Client    // reaches every name in the cluster
	admin  credential      // a client service that exists after the credentials step
	times  strings.Builder // how long each step took
}

// newWorld returns a world without a release.
func newWorld(t *testing.T) *world {
	sample := credential{"erp", "change-me"} // config/samples/client-service.yaml
	return &world{t: t, door: newDoor(), admin: sample, values: map[string]string{
		"image.tag":        "e2e",
		"image.pullPolicy": "Never",
		"trial.enabled":    "true",
		"trial.image.tag":  "e2e",
		"persistence.size": "200Mi",
		// Some results are never fetched. So an instance that leaves for good would wait as long as it
		// may.
		"drain.lingerSeconds": "5",
	}}
}

// step runs one step as a subtest of t, and reports whether the next step may run.
func (w *world) step(t *testing.T, name string, run func()) bool {
	started := time.Now()
	ok := t.Run(name, func(t *testing.T) {
		w.t = t
		defer func() {
			if t.Failed() {
				w.diagnose()
			}
		}()
		run()
	})
	fmt.Fprintf(&w.times, "\n%8.1f s  %s", time.Since(started).Seconds(), name)
	return ok
}

// credential is the id and the secret of a client service.
type credential struct{ id, secret string }

// run runs a command and returns its output.
func run(ctx context.Context, stdin string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return strings.TrimSpace(stdout.String()), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err,
			bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// must runs a command that must succeed.
func (w *world) must(name string, args ...string) string {
	w.t.Helper()
	out, err := run(w.t.Context(), "", name, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// kubectl runs kubectl in the release's namespace.
func (w *world) kubectl(args ...string) string {
	w.t.Helper()
	return w.must("kubectl", append([]string{"-n", namespace}, args...)...)
}

// apply applies objects.
func (w *world) apply(namespace string, objects ...any) {
	w.t.Helper()
	list, err := json.Marshal(object{"apiVersion": "v1", "kind": "List", "items": objects})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := run(w.t.Context(), string(list), "kubectl", "-n", namespace, "apply", "-f", "-"); err != nil {
		w.t.Fatal(err)
	}
}

// get reads an object of the release's namespace.
func (w *world) get(kind, name string, into any) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.kubectl("get", kind, name, "-o", "json")), into); err != nil {
		w.t.Fatalf("%s %s: %v", kind, name, err)
	}
}

// helm installs or upgrades the release with w.values. args are further arguments, such as --wait.
func (w *world) helm(args ...string) {
	w.t.Helper()
	if err := w.tryHelm(args...); err != nil {
		w.t.Fatal(err)
	}
}

// tryHelm is helm that may fail.
func (w *world) tryHelm(args ...string) error {
	from := cmp.Or(w.chart, chart)
	args = append([]string{"upgrade", "--install", release, from, "-n", namespace, "--timeout", "4m"}, args...)
	for _, key := range slices.Sorted(maps.Keys(w.values)) {
		args = append(args, "--set", key+"="+w.values[key])
	}
	_, err := run(w.t.Context(), "", "helm", args...)
	return err
}

// eventually calls check until it returns nil.
func (w *world) eventually(check func() error) {
	w.t.Helper()
	w.eventuallyEvery(interval, check)
}

// eventuallyEvery is eventually with another time between two checks, for checks that cost much.
func (w *world) eventuallyEvery(interval time.Duration, check func() error) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("after %v: %v", patience, err)
		}
		time.Sleep(interval)
	}
}

// object is an object that is sent as JSON.
type object map[string]any

// pod holds the fields of a pod that the tests read.
type pod struct {
	Metadata struct {
		Name, UID         string
		Annotations       map[string]string
		DeletionTimestamp string
	}
	Spec struct {
		NodeName                     string
		AutomountServiceAccountToken *bool
		Containers                   []struct{ Image string }
		Volumes                      []struct{ Name string }
	}
	Status struct {
		Phase      string
		Conditions []struct{ Type, Status, Reason, Message string }
	}
}

func (p *pod) condition(name string) string {
	for _, c := range p.Status.Conditions {
		if c.Type == name {
			return c.Status
		}
	}
	return ""
}

func (w *world) pod(ordinal int) *pod {
	w.t.Helper()
	p := &pod{}
	w.get("pod", podName(ordinal), p)
	return p
}

func podName(ordinal int) string { return fmt.Sprintf("%s-%d", release, ordinal) }

// wantReady waits until exactly the given number of instances exists and all of them are ready.
func (w *world) wantReady(instances int) {
	w.t.Helper()
	w.eventually(func() error {
		var list struct{ Items []pod }
		out := w.kubectl("get", "pods", "-l", "app.kubernetes.io/component=proxy", "-o", "json")
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			return err
		}
		ready := 0
		for _, p := range list.Items {
			if p.condition("Ready") == "True" && p.Metadata.DeletionTimestamp == "" {
				ready++
			}
		}
		if ready != instances || len(list.Items) != instances {
			return fmt.Errorf("%d of %d pods are ready, want %d", ready, len(list.Items), instances)
		}
		return nil
	})
}

// wantEvent waits for an event on an object, and returns the note of the event.
func (w *world) wantEvent(kind, name, reason string, parts ...string) string {
	w.t.Helper()
	note := ""
	w.eventually(func() error {
		var list struct {
			Items []struct {
				Type, Reason, Note string
				Regarding          struct{ Kind, Name string }
			}
		}
		out := w.kubectl("get", "events.events.k8s.io", "-o", "json")
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			return err
		}
		for _, e := range list.Items {
			absent := func(part string) bool { return !strings.Contains(e.Note, part) }
			if e.Regarding.Kind == kind && e.Regarding.Name == name && e.Reason == reason &&
				!slices.ContainsFunc(parts, absent) {
				note = e.Note
				return nil
			}
		}
		return fmt.Errorf("no event %s on %s %s with %q", reason, kind, name, parts)
	})
	return note
}

// newDoor returns a client that reaches names inside of the cluster.
func newDoor() *http.Client {
	door := &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", doorPort())}
	return &http.Client{
		Timeout:   90 * time.Second,
		Transport: &http.Transport{Proxy: http.ProxyURL(door), MaxIdleConnsPerHost: 16},
	}
}

// openDoor installs the door, on the control plane's node, which no step drains.
func (w *world) openDoor() {
	w.t.Helper()
	labels := object{"app": "door"}
	w.apply(doorNamespace,
		object{
			"apiVersion": "v1", "kind": "Service", "metadata": object{"name": "door"},
			"spec": object{"type": "NodePort", "selector": labels, "ports": []any{object{"port": 8888, "nodePort": doorPort()}}},
		},
		object{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": object{"name": "door"},
			"spec": object{"selector": object{"matchLabels": labels}, "template": object{
				"metadata": object{"labels": labels},
				"spec": object{
					"nodeSelector": object{"node-role.kubernetes.io/control-plane": ""},
					"tolerations":  []any{object{"operator": "Exists"}},
					"containers": []any{object{
						"name": "door", "image": "signstash-door:e2e", "imagePullPolicy": "Never",
						"args": []any{"--address=0.0.0.0:8888"},
						// Without a share of its own it would be the last to get time on a busy machine.
						"resources": object{"requests": object{"cpu": "200m"}},
					}},
				},
			}},
		})
	w.must("kubectl", "-n", doorNamespace, "rollout", "status", "deployment/door", "--timeout=2m")
}

// diagnose prints what helps to find the cause of a failure. It prints no Secrets.
func (w *world) diagnose() {
	for _, command := range []string{
		"get pods -o wide", "get events --sort-by=.lastTimestamp", "logs -l app.kubernetes.io/component=controller --tail=30",
		"logs -l app.kubernetes.io/component=proxy --tail=40 --prefix", "logs -l app.kubernetes.io/component=test --tail=20",
		"get configmap " + release + "-endpoints -o yaml",
	} {
		out, err := run(context.Background(), "", "kubectl", append([]string{"-n", namespace}, strings.Fields(command)...)...)
		w.t.Logf("kubectl %s (%v)\n%s", command, err, out)
	}
}

// answer is an HTTP answer with its whole body.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) String() string { return fmt.Sprintf("%d %.300s", a.status, a.body) }

// call makes one call. header alternates names and values.
func call(
	ctx context.Context, c *http.Client, who credential, method, url string, body []byte, header ...string,
) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if who.id != "" {
		r.SetBasicAuth(who.id, who.secret)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, data}, err
}

// TestCluster runs the steps in order. Each step starts with the cluster as the previous one left
// it.
func TestCluster(t *testing.T) {
	w := newWorld(t)
	for _, step := range steps {
		if !w.step(t, step.name, func() { step.run(w) }) {
			t.Error("the steps behind it were not run")
			break
		}
	}
	t.Logf("steps:%s", w.times.String())
}

// steps are all steps of the test, in order.
var steps = []struct {
	name string
	run  func(*world)
}{
	{"install", (*world).install},
	{"least privilege", (*world).leastPrivilege},
	{"resize", (*world).resize},
	{"client by kubectl", (*world).clientByKubectl},
	{"sign sync", (*world).signSync},
	{"sign async", (*world).signAsync},
	{"any pod answers", (*world).anyPodAnswers},
	{"one pod down", (*world).onePodDown},
	{"idempotency", (*world).idempotency},
	{"rotate", (*world).rotate},
	{"broken Secret", (*world).brokenSecret},
	{"admission", (*world).admission},
	{"kill a pod", (*world).killPod},
	{"scale 3, 4, 2, 4, 3", (*world).scale},
	{"NodePort", (*world).nodePort},
	{"LoadBalancer", (*world).loadBalancer},
	{"Gateway", (*world).gateway},
	{"TLS", (*world).tls},
	{"upgrade under load", (*world).upgradeUnderLoad},
	{"helm test", (*world).helmTest},
	{"uninstall", (*world).uninstall},
}
