package status_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
	"github.com/signstash-proxy/signstash-proxy/pkg/status"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func snapshot() status.Snapshot {
	return status.Snapshot{
		Version:  "1.2.3",
		Instance: "proxy-1",
		Ordinal:  1,
		Endpoint: "sign-1.example.org:443",
		Ready:    "ready",
		Started:  now.Add(-90 * time.Minute),
		Credentials: []credentials.Health{
			{
				Name:      "seal",
				Algorithm: "RSA",
				Subject:   "CN=Seal",
				NotAfter:  now.Add(100 * 24 * time.Hour),
				LastGood:  now.Add(-time.Second),
			},
			{Name: "old", NotAfter: now.Add(3 * 24 * time.Hour), LastFailure: now.Add(-time.Minute), Outcome: "unknown"},
			{Name: "blocked", Fault: "provider-credentials: <the service> says no"},
			{Name: "waits"},
		},
		Certificates:    []status.Certificate{{Use: "REST port", NotAfter: now.Add(20 * 24 * time.Hour)}},
		QueuedDocuments: 7,
		OldestQueued:    42 * time.Second,
		Signatures:      []status.Count{{Name: "returned", Value: 99}},
		SignedDocuments: []status.Count{{Name: "XAdES", Value: 77}},
		FreeBytes:       5 << 30,
		HotFolders: []status.HotFolder{
			{
				ClientService: "alice", Input: "/alice/in", Output: "/alice/out", Backup: "/alice/backup",
				LastScan: now.Add(-3 * time.Second), Waiting: 1234, Incomplete: 56, OldestWait: 13 * time.Minute, Runs: 3,
			},
			{ClientService: "bob", Unusable: true, LastFault: "no <folder>", LastFaultAt: now.Add(-2 * time.Hour)},
		},
		Recent: []status.Operation{
			{
				ID:            4711,
				ClientService: "<script>alert(1)</script>",
				Reference:     "FT 2026/1",
				Status:        "PENDING_EXECUTION",
				Documents:     8,
				Ended:         2,
				Created:       now,
			},
		},
	}
}

// TestRender checks that all data is shown, that urgent facts are marked, and that text from
// clients is never interpreted as HTML.
func TestRender(t *testing.T) {
	out, err := status.Render(snapshot(), now)
	if err != nil {
		t.Fatal(err)
	}
	page := string(out)
	for _, want := range []string{
		"signstash-proxy 1.2.3", "proxy-1 (ordinal 1)", "sign-1.example.org:443", `class="good">ready`, "1 h 30 min ago",
		">100<", `"n bad">3<`, `"n warn">20<`, "1 min ago: unknown", "<dt>Documents waiting</dt><dd>7</dd>", "42 s",
		"<dt>returned</dt><dd>99</dd>", "<dt>XAdES</dt><dd>77</dd>", "5.0 GiB",
		`class="bad">cannot be read: provider-credentials: &lt;the service&gt; says no`, "not read yet", "25 %",
		"&lt;script&gt;", "<td>/alice/in<br>/alice/out<br>/alice/backup</td>", `"n">1234<`, `"n">56<`, "13 min", "3 s ago",
		`class="bad">2 h 0 min ago: no &lt;folder&gt;`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, never := range []string{"<script", "FT 2026/1", "http://", "https://", "url(", "src="} {
		if strings.Contains(page, never) {
			t.Errorf("the page has %q", never)
		}
	}
	if strings.Contains(page, "not listed") {
		t.Error("the page says that credentials are not listed although all are listed")
	}
	s := snapshot()
	s.ShowReferences, s.MoreCredentials = true, 17
	out, err = status.Render(s, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"FT 2026/1", "17 more credentials are not listed"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the page has no %q", want)
		}
	}
}

// TestEmpty checks that a proxy that has just started has a page.
func TestEmpty(t *testing.T) {
	out, err := status.Render(status.Snapshot{Ready: "starting", Faults: []string{"the store cannot be read"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"not known yet", `class="bad">starting`, "No credential is configured or has been used yet.",
		"No operation yet.", "the store cannot be read",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the page has no %q", want)
		}
	}
}

// TestHandler checks the headers: no browser may store the page, guess another type or load
// anything for it.
func TestHandler(t *testing.T) {
	w := httptest.NewRecorder()
	status.Handler(func(context.Context) status.Snapshot { return snapshot() }, func() time.Time { return now }).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" ||
		!strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'none'; style-src 'unsafe-inline'") {
		t.Errorf("answer is %d with %v", w.Code, w.Header())
	}
}
