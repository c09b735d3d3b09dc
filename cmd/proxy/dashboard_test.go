package main_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

const chartFiles = "../../charts/signstash-proxy/files/"

// TestDashboardAndAlerts checks that each metric in a panel or an alert exists, with its labels, on
// a proxy that has seen successes and failures. The metrics of the controller are tested in
// pkg/controller.
func TestDashboardAndAlerts(t *testing.T) {
	t.Parallel()
	there := samplesOf(t)
	asked := 0
	for where, expr := range expressions(t) {
		for _, m := range metricUses(expr) {
			if strings.HasPrefix(m.name, "signstash_controller_") {
				continue
			}
			asked++
			labels, ok := there[m.name]
			if !ok {
				t.Errorf("%s asks for %s, which no proxy has", where, m.name)
				continue
			}
			for _, label := range m.labels {
				if !slices.Contains(scraped, label) && labels[label] == nil {
					t.Errorf("%s asks for label %s of %s, which has %v", where, label, m.name, slices.Sorted(maps.Keys(labels)))
				}
			}
			for label, value := range m.values {
				if !labels[label][value] {
					t.Errorf("%s asks for %s of %s to be %q, which is %v", where, label, m.name, value,
						slices.Sorted(maps.Keys(labels[label])))
				}
			}
		}
	}
	if asked < 30 {
		t.Errorf("only %d metrics were asked for: the files were not understood", asked)
	}
	named := readmeMetrics(t)
	for _, name := range named {
		if there[name] == nil && there[name+"_count"] == nil {
			t.Errorf("a README names %s, which no proxy has", name)
		}
	}
	if len(named) < 20 {
		t.Errorf("the READMEs name only %v: their table was not understood", named)
	}
}

// readmeMetrics returns the metrics of the proxy that the operators' documentation names.
func readmeMetrics(t *testing.T) (names []string) {
	t.Helper()
	for _, path := range []string{"../../charts/signstash-proxy/README.head.md", "../../pkg/store/README.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, regexp.MustCompile(`\bsignstash_[a-z_]+\b`).FindAllString(string(text), -1)...)
	}
	return names
}

// expressions returns every PromQL expression of the dashboard and the alerts, by its place.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(chartFiles, name))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read("dashboard.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, p := range dashboard.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			all["panel "+p.Title+": "+target.Expr] = target.Expr
		}
	}
	var alerts struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(read("alerts.yaml"), &alerts); err != nil {
		t.Fatal(err)
	}
	for _, g := range alerts.Groups {
		for _, r := range g.Rules {
			all["alert "+r.Alert] = r.Expr
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("alert %s does not say what to do", r.Alert)
			}
		}
	}
	return all
}

// scraped lists labels that a scrape adds. le belongs to histograms.
var scraped = []string{"namespace", "pod", "instance", "le"}

// metricUse is a metric in an expression, with the labels by which it is matched and grouped and
// the values that these labels are compared with.
type metricUse struct {
	name   string
	labels []string
	values map[string]string
}

var (
	metricName  = regexp.MustCompile(`\b((?:signstash|process|go)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	matcherName = regexp.MustCompile(`([a-z_]+)\s*(?:=|!)`)
	equalTo     = regexp.MustCompile(`([a-z_]+)!?="([^"]*)"`)
	grouping    = regexp.MustCompile(`\bby \(([^)]*)\)`)
)

func metricUses(expr string) []metricUse {
	var by []string
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(g[1], ",") {
			by = append(by, strings.TrimSpace(label))
		}
	}
	var uses []metricUse
	for _, m := range metricName.FindAllStringSubmatch(expr, -1) {
		use := metricUse{name: m[1], labels: slices.Clone(by), values: map[string]string{}}
		for _, e := range equalTo.FindAllStringSubmatch(m[2], -1) {
			use.values[e[1]] = e[2]
		}
		for _, l := range matcherName.FindAllStringSubmatch(m[2], -1) {
			use.labels = append(use.labels, l[1])
		}
		uses = append(uses, use)
	}
	return uses
}

// samplesOf returns the names of all samples with the values of their labels. They come from three
// proxies: the remote side of one failed until the proxy gave up, and then the proxy signed
// something; the second one changes to TLS, and the third one has a hot folder.
func samplesOf(t *testing.T) map[string]map[string]map[string]bool {
	t.Helper()
	remote := newRemoteSide(t, service.Options{})
	p := newTestProxy(t, append(remote.flags(), "--signing.retry.backoff=10ms", "--signing.tries=100")...).start(t)
	c := newClient(t, p.Instance)
	stranger, err := client.New(client.Config{URL: p.URL, ClientID: "nobody", Secret: "wrong"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Status(t.Context(), "first"); err == nil {
		t.Fatal("a stranger is answered")
	}
	if err := remote.Misbehave(service.Fault{Misbehaviour: service.CutBefore, Times: 8}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"first", "second"} {
		if _, err := c.SignAsync(t.Context(), oneDocument(t, name, client.SignatureInfo{})); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the circuit breaker opens", func() bool {
		return p.metrics(t)[`signstash_outbound_breaker_changes_total{purpose="signing",state="open"}`] > 0
	})
	remote.Behave()
	for _, name := range []string{"first", "second"} {
		if _, err := c.Wait(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	there := map[string]map[string]map[string]bool{}
	for _, management := range []string{p.Management, withTLS(t).Management, withHotFolder(t).Management} {
		all, err := metricsOf(management)
		if err != nil {
			t.Fatal(err)
		}
		for sample := range all {
			name, labels, _ := strings.Cut(strings.TrimSuffix(sample, "}"), "{")
			if there[name] == nil {
				there[name] = map[string]map[string]bool{}
			}
			for _, l := range equalTo.FindAllStringSubmatch(labels, -1) {
				if there[name][l[1]] == nil {
					there[name][l[1]] = map[string]bool{}
				}
				there[name][l[1]][l[2]] = true
			}
		}
	}
	return there
}

// withTLS starts a proxy whose REST port accepts connections with and without TLS.
func withTLS(t *testing.T) *testProxy {
	t.Helper()
	p := newTestProxy(t)
	certFile, keyFile := filepath.Join(p.o.Work, "tls.crt"), filepath.Join(p.o.Work, "tls.key")
	writePair(t, certFile, keyFile, "proxy")
	p.o.Args = append(p.o.Args, "--server.ssl.certificate="+certFile, "--server.ssl.certificate-private-key="+keyFile,
		"--server.ssl.allow-plaintext")
	return p.start(t)
}
