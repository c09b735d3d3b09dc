package main_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// browserTime bounds the time for one page. On a busy machine the first start of a browser takes
// seconds.
const browserTime = 2 * time.Minute

// browser returns the DOM of a page in headless Chromium, after scripts, styles and other resources
// are loaded. It resolves no host except loopback. If Chromium is not installed, the test is
// skipped, or fails if CI=true.
func browser(t *testing.T, url string, more ...string) string {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is not installed; hack/install-tools does that")
		}
		t.Skip("chromium is not installed; `make tools` does that")
	}
	ctx, cancel := context.WithTimeout(t.Context(), browserTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir=" + t.TempDir(),
		"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--dump-dom",
	}, append(more, url)...)...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return string(out)
}

// startWithUnreachable starts a proxy with a local key for alice, an unreachable provider (away)
// for bob, and an unreachable provider (idle) that nobody uses. It waits until an operation of bob
// has failed, and returns the id of that operation.
func startWithUnreachable(t *testing.T) (p *testProxy, failed int64) {
	t.Helper()
	p = newTestProxy(t, "--signing.tries=1", "--signing.retry.backoff=10ms")
	const alice, bob = "PRT.1-PRT.2-alice", "PRT.1-PRT.2-bob"
	p.file(t, "client-services-config.json",
		fmt.Sprintf(`{%q: {"secret": %q}, %q: {"secret": %q, "provider": "away"}}`, alice, clients[alice], bob, clients[bob]))
	away, idle := p.file(t, "away-secret", "geheim\n"), p.file(t, "idle-secret", "geheim\n")
	const nowhere = "kind: csc, url: 'http://127.0.0.1:1', clientID: us"
	p.configure(t, fmt.Sprintf(`defaultProvider: embedded
providers:
- {name: embedded, kind: embedded}
- {name: away, %[1]s, clientSecretFile: %[2]s}
- {name: idle, %[1]s, clientSecretFile: %[3]s}
`, nowhere, away, idle)).start(t)
	c, err := client.New(client.Config{URL: p.URL, ClientID: bob, Secret: clients[bob]})
	if err != nil {
		t.Fatal(err)
	}
	op, err := c.SignAsync(t.Context(), oneDocument(t, "in vain", client.SignatureInfo{}))
	if err != nil {
		t.Fatal(err)
	}
	if end, err := c.Wait(t.Context(), "in vain"); err != nil || end.Status != client.StatusFailed {
		t.Fatalf("in vain: %+v, %v, want it failed", end, err)
	}
	return p, op.ID
}

// TestCredentialReadable checks the metric signstash_credential_readable, which an alert uses: it
// is 0 for a credential that cannot be read, 1 for one that can be read, and absent for one that
// was never read.
func TestCredentialReadable(t *testing.T) {
	p, _ := startWithUnreachable(t)
	if v := p.metric(t, `signstash_credential_readable{credential="away"}`); v != 0 {
		t.Errorf("the credential of the unreachable provider is readable: %v", v)
	}
	until(t, "the embedded credential to be readable",
		func() bool { return p.metrics(t)[`signstash_credential_readable{credential="embedded"}`] == 1 })
	all := p.metrics(t)
	if _, ok := all[`signstash_credential_readable{credential="idle"}`]; ok {
		t.Error("the idle credential was never read, but a metric says whether it is readable")
	}
	for name, v := range all {
		if strings.HasPrefix(name, "signstash_credential_not_after") && v <= 0 {
			t.Errorf("%s = %v, although the certificate was never read", name, v)
		}
	}
}

// TestStatusPage checks the page in a real browser, after one operation that succeeded and one that
// failed.
func TestStatusPage(t *testing.T) {
	p, failed := startWithUnreachable(t)
	c := newClient(t, p.Instance)
	good, err := c.SignAsync(t.Context(), killRequest(samplesInTurn(t)[:2]))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(t.Context(), "killed"); err != nil {
		t.Fatal(err)
	}
	dom := browser(t, p.Management+"/")
	for _, want := range []string{
		"<title>", "signstash-proxy", `id="ready" class="good">ready`, "<td>embedded</td>",
		fmt.Sprint("<td>", good.ID, "</td>"), "PRT.1-PRT.2-alice",
		`class="good">EXECUTED`, "100 %", "<dt>returned</dt><dd>2</dd>",
		fmt.Sprint("<td>", failed, "</td>"), `class="bad">EXECUTION_FAILED`, "<td>away</td>",
		"cannot be read: provider", "<td>idle</td>", "not read yet",
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page has no %q:\n%s", want, dom)
			break
		}
	}
	for _, never := range []string{
		"killed", "in vain", ".pdf", "geheim", clients["PRT.1-PRT.2-alice"], clients["PRT.1-PRT.2-bob"],
	} {
		if strings.Contains(dom, never) {
			t.Errorf("the page shows %q: a reference, the name of a document or a secret", never)
		}
	}
}

// TestStatusJSON checks GET /status after one operation with two signed documents and one that
// failed.
func TestStatusJSON(t *testing.T) {
	t.Parallel()
	before := time.Now().Add(-time.Minute)
	p, failed := startWithUnreachable(t)
	c := newClient(t, p.Instance)
	good, err := c.SignAsync(t.Context(), killRequest(samplesInTurn(t)[:2]))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(t.Context(), "killed"); err != nil {
		t.Fatal(err)
	}
	i, err := client.ReadInstance(t.Context(), http.DefaultClient, p.Management, before)
	if err != nil {
		t.Fatal(err)
	}
	if i.Ready != "ready" || i.Phase != "running" || i.StateFault != "" || i.FreeBytes <= 0 || i.Endpoint == "" ||
		i.StoredOperations != 2 || i.ShowsReferences || len(i.Faults) > 0 {
		t.Errorf("the instance says %+v", i)
	}
	if want := map[string]int64{"PRT.1-PRT.2-alice": 2}; !maps.Equal(i.Signed, want) {
		t.Errorf("signed = %v, want %v", i.Signed, want)
	}
	if len(i.Recent) != 2 || i.Recent[0].ID != good.ID || i.Recent[0].Status != client.StatusExecuted ||
		i.Recent[0].EndedDocuments != 2 || i.Recent[1].ID != failed || i.Recent[0].Reference != "" {
		t.Errorf("recent = %+v, want the operations %d and %d", i.Recent, good.ID, failed)
	}
	i, err = client.ReadInstance(t.Context(), http.DefaultClient, p.Management, time.Now().Add(time.Hour))
	if err != nil || len(i.Signed) != 0 {
		t.Errorf("signed in the future = %v, %v, want none", i.Signed, err)
	}
	_, err = client.ReadInstance(t.Context(), http.DefaultClient, p.Management, time.Now().Add(-72*time.Hour))
	if err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("signed in the last three days: %v, want the answer 400", err)
	}
}

// TestStatusPageReferences checks that references are shown if the setting asks for them.
func TestStatusPageReferences(t *testing.T) {
	t.Parallel()
	p := newTestProxy(t, "--management.show-references").start(t)
	if _, err := newClient(t, p.Instance).Sign(t.Context(), killRequest(samplesInTurn(t)[:1]), &memorySink{}); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(p.Management + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(text), "killed") {
		t.Errorf("the page shows no reference, %v", err)
	}
}
