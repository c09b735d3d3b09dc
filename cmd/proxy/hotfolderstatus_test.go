package main_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withHotFolder starts a proxy with a hot folder of alice, in which one file waits for ever.
func withHotFolder(t *testing.T) *testProxy {
	t.Helper()
	p := newTestProxy(t, "--hot.folder.enabled", "--hot.folder.max-wait=24h", "--hot.folder.stability=10ms")
	for _, name := range []string{"in", "out", "backup"} {
		if err := os.Mkdir(filepath.Join(p.o.Work, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p.hotClient(t, "/out")
	p.file(t, "in/invoice-4711.txt", "a document")
	p.start(t)
	until(t, "the input folder is listed", func() bool {
		return p.metrics(t)[`signstash_hotfolder_waiting_files{client_service="PRT.1-PRT.2-alice"}`] == 1
	})
	return p
}

// hotClient gives alice a hot folder with this output folder.
func (p *testProxy) hotClient(t *testing.T, output string) {
	t.Helper()
	const alice = "PRT.1-PRT.2-alice"
	p.file(t, "client-services-config.json", fmt.Sprintf(
		`{%q: {"secret": %q, "inputFolder": "/in", "outputFolder": %q, "backupFolder": "/backup"}}`,
		alice, clients[alice], output))
}

// page returns the status page.
func (p *testProxy) page(t *testing.T) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Management+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return string(exchange(t, r).body)
}

// TestHotFolderOnStatusPage checks that the page shows the folders, and why they cannot be used.
func TestHotFolderOnStatusPage(t *testing.T) {
	t.Parallel()
	p := withHotFolder(t)
	page := p.page(t)
	if !strings.Contains(page, "<td>/in<br>/out<br>/backup</td>\n<td class=\"n\">1</td>") ||
		strings.Contains(page, "4711") {
		t.Errorf("the page does not show the hot folder, or names a document:\n%s", page)
	}
	p.hotClient(t, "/in/out")
	until(t, "the page shows a fault", func() bool {
		return strings.Contains(p.page(t), "are the same folder or one is inside the other")
	})
}
