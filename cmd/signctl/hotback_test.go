//go:build linux

package main

import (
	"strings"
	"testing"
)

// TestRetrySharedBackup does not put the documents of one client service into the input folder of
// another one that has the same backup folder.
func TestRetrySharedBackup(t *testing.T) {
	w := newHotWork(t)
	w.put(t, "in-2/.keep", "")
	w.put(t, "client-services-config.json", `{
		"PRT.1": {"secret": "hush-hush", "inputFolder": "/in", "backupFolder": "/backup", "outputFolder": "/out"},
		"PRT.2": {"secret": "hush-hush", "inputFolder": "/in-2", "backupFolder": "/backup", "outputFolder": "/out"}}`)
	w.put(t, "backup/run/a.pdf", "a")
	w.put(t, "backup/run/a.pdf.txt", "damaged: it is bad\n")
	r := w.signctl(t, "retry", "run")
	if r.code != exitFailed || !strings.Contains(r.err, "--client") {
		t.Errorf("retry = %d, %s%s, want that --client is asked for", r.code, r.out, r.err)
	}
	w.wantFiles(t, "in", map[string]string{})
	if r = w.signctl(t, "retry", "run", "--client", "PRT.2"); r.code != 0 {
		t.Errorf("retry --client = %d, %s%s", r.code, r.out, r.err)
	}
	w.wantFiles(t, "in-2", map[string]string{".keep": "", "a.pdf": "a"})
	w.wantFiles(t, "in", map[string]string{})
}
