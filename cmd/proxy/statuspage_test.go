package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// browserTime bounds one page: the first start of a browser on a busy machine takes seconds.
const browserTime = 2 * time.Minute

// browser returns the DOM of a page as headless Chromium makes it, after scripts, styles and whatever a page would load. Every host but
// loopback is unknown to it. Where Chromium is not installed the test is skipped, or fails where CI=true.
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

// TestStatusPage looks at the page in a real browser, after an operation that went well and one that did not.
func TestStatusPage(t *testing.T) {
	p := newTestProxy(t).start(t)
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
		"<title>", "signstash-proxy", `id="ready" class="good">ready`, "<td>embedded</td>", fmt.Sprint("<td>", good.ID, "</td>"), "PRT.1-PRT.2-alice",
		`class="good">EXECUTED`, "100 %", "<dt>returned</dt><dd>2</dd>",
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page has no %q:\n%s", want, dom)
			break
		}
	}
	if strings.Contains(dom, "killed") || strings.Contains(dom, ".pdf") {
		t.Error("the page shows a reference or the name of a document")
	}
}

// TestStatusPageReferences: they are there for who has asked for them.
func TestStatusPageReferences(t *testing.T) {
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
