//go:build linux

package hotfolder_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/cron"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestSign signs complete files by their content, and moves the originals to the backup folder.
func TestSign(t *testing.T) {
	inBubble(t, nil, func(h *harness) {
		h.put("a", pdf("1"))
		h.put("b.dat", xml("2"))
		h.put("c.txt", "text")
		h.put("line\nbreak \xff.pdf", pdf("3"))
		h.pass(time.Second)
		h.has("out") // not stable yet
		h.pass(time.Minute)
		h.has("out", "a=signed "+pdf("1"), "b.dat=signed "+xml("2"), "c.txt.p7m=signed text",
			"line\nbreak \xff.pdf=signed "+pdf("3"))
		h.has("backup", "a="+pdf("1"), "b.dat="+xml("2"), "c.txt=text", "line\nbreak \xff.pdf="+pdf("3"))
		h.has("in")
		for name, want := range map[string]signing.SignatureType{"a": signing.PAdES, "b.dat": signing.XAdES,
			"c.txt": signing.CAdES, "line%0Abreak %FF.pdf": signing.PAdES} {
			if d, ok := h.service.documents()[name]; !ok || d.Signature.Type != want ||
				d.Signature.Level != signing.LevelB {
				t.Errorf("document %q has type %q, want %s", name, d.Signature.Type, want)
			}
		}
		if got := h.metric("files_total", "signed"); got != 4 {
			t.Errorf("%v files signed, want 4", got)
		}
		if list, err := os.ReadDir(h.path("in/.signstash/0")); err != nil || len(list) != 1 {
			t.Errorf("runs are left: %v, %v", list, err)
		}
	})
}

// TestFailedDocument leaves a text with the reason beside the output and the original.
func TestFailedDocument(t *testing.T) {
	inBubble(t, func(h *harness) { h.cfg.Receipts = true }, func(h *harness) {
		h.put("a.pdf", pdf("bad"))
		h.put("b.pdf", pdf("good"))
		h.pass(time.Minute)
		out := h.visible("out")
		if out["a.pdf.txt"] != "damaged: it is bad\n" || out["b.pdf"] != "signed "+pdf("good") || len(out) != 4 {
			t.Errorf("output = %q", out)
		}
		if !strings.Contains(out["a.pdf.json"], `"code": "damaged"`) ||
			!strings.Contains(out["b.pdf.json"], `"status": "signed"`) {
			t.Errorf("receipts = %s, %s", out["a.pdf.json"], out["b.pdf.json"])
		}
		h.has("backup", "a.pdf="+pdf("bad"), "a.pdf.txt=damaged: it is bad\n", "b.pdf="+pdf("good"))
	})
}

// TestReceiptCertificate writes the serial number of the certificate into the receipts of signed
// documents, if it is known.
func TestReceiptCertificate(t *testing.T) {
	inBubble(t, func(h *harness) { h.cfg.Receipts = true }, func(h *harness) {
		h.put("unknown.pdf", pdf("good"))
		h.pass(time.Minute)
		h.service.certificate = "0A1F"
		h.put("known.pdf", pdf("good"))
		h.put("failed.pdf", pdf("bad"))
		h.pass(time.Minute)
		out := h.visible("out")
		for name, want := range map[string]bool{"unknown.pdf": false, "known.pdf": true, "failed.pdf": false} {
			receipt := out[name+".json"]
			if got := strings.Contains(receipt, `"certificateSerial": "0A1F"`); receipt == "" || got != want ||
				!want && strings.Contains(receipt, "certificateSerial") {
				t.Errorf("receipt of %s = %q, want the certificate: %t", name, receipt, want)
			}
		}
	})
}

// TestThreshold starts runs at a tick only if there are enough complete files.
func TestThreshold(t *testing.T) {
	schedule, err := cron.Parse("0 0/5 * * * ?")
	if err != nil {
		t.Fatal(err)
	}
	inBubble(t, func(h *harness) {
		h.cfg.Immediate, h.cfg.Schedule, h.cfg.Threshold, h.cfg.MaxFiles = false, schedule, 3, 2
	}, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.put("b.pdf", pdf("2"))
		h.pass(16 * time.Minute)
		h.has("out")
		h.put("c.pdf", pdf("3"))
		h.pass(3 * time.Minute)
		h.has("out")
		h.pass(2 * time.Minute)
		if got := len(h.visible("out")); got != 3 {
			t.Errorf("%d outputs, want 3", got)
		}
		if got := h.metric("runs_total", ""); got != 2 {
			t.Errorf("%v runs, want 2 of two files at most", got)
		}
		h.put("d.pdf", pdf("4"))
		h.pass(16 * time.Minute)
		if got := len(h.visible("out")); got != 3 {
			t.Errorf("%d outputs, want that one file waits", got)
		}
	})
}

// TestMaxWait signs files below the threshold when they have waited long enough.
func TestMaxWait(t *testing.T) {
	inBubble(t, func(h *harness) {
		h.cfg.Immediate, h.cfg.MaxWait = false, 15*time.Minute
	}, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.pass(10 * time.Minute)
		h.put("b.pdf", pdf("2"))
		h.has("out")
		h.pass(6 * time.Minute)
		h.has("out", "a.pdf=signed "+pdf("1"), "b.pdf=signed "+pdf("2"))
	})
}

// TestTruncatedGrows waits for the end of a PDF.
func TestTruncatedGrows(t *testing.T) {
	inBubble(t, nil, func(h *harness) {
		h.put("a.pdf", "%PDF-1.7\nfirst half")
		h.put("b.xml", "<Invoice><Line>")
		h.put("empty.pdf", "")
		h.pass(2 * time.Minute)
		h.has("out")
		h.has("in", "a.pdf=%PDF-1.7\nfirst half", "b.xml=<Invoice><Line>", "empty.pdf=")
		h.put("a.pdf", pdf("whole"))
		h.put("b.xml", xml("whole"))
		h.put("empty.pdf", pdf("not empty"))
		h.pass(time.Minute)
		h.has("out", "a.pdf=signed "+pdf("whole"), "b.xml=signed "+xml("whole"), "empty.pdf=signed "+pdf("not empty"))
	})
}

// TestIncompleteFails fails a file by name that has no end for too long, and no other one.
func TestIncompleteFails(t *testing.T) {
	inBubble(t, nil, func(h *harness) {
		h.put("a.pdf", "%PDF-1.7\nhalf")
		h.put("empty", "")
		h.put("b.pdf", pdf("good"))
		h.pass(9 * time.Minute)
		h.has("out", "b.pdf=signed "+pdf("good"))
		h.pass(3 * time.Minute)
		h.has("out", "b.pdf=signed "+pdf("good"), "empty.txt=damaged: the file is empty\n",
			"a.pdf.txt=damaged: the document is not complete: it has no end\n")
		h.has("in")
	})
}

// TestWriterPauses does not sign a file while its writer has it open, also if it pauses for a long
// time.
func TestWriterPauses(t *testing.T) {
	inBubble(t, nil, func(h *harness) {
		h.put("a.pdf", "%PDF-1.7\n%%EOF\n")
		w, err := os.OpenFile(h.path("in/a.pdf"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		h.pass(20 * time.Second)
		h.has("out")
		if _, err := w.WriteString("more\n%%EOF\n"); err != nil {
			t.Fatal(err)
		}
		h.pass(20 * time.Second)
		h.has("out")
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		h.pass(20 * time.Second)
		h.has("out", "a.pdf=signed %PDF-1.7\n%%EOF\nmore\n%%EOF\n")
	})
}

// TestWriterAfterClaim gives a file back that was changed after it was read, and signs the complete
// one.
func TestWriterAfterClaim(t *testing.T) {
	inBubble(t, nil, func(h *harness) {
		h.put("a.pdf", pdf("slow"))
		h.pass(10 * time.Second)
		list, err := os.ReadDir(h.path("in/.signstash/0"))
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range list {
			if !run.IsDir() {
				continue
			}
			at := h.path("in/.signstash/0", run.Name(), "claimed/a.pdf")
			if err := os.WriteFile(at, []byte(pdf("slow, and more")), 0); err != nil {
				t.Fatal(err)
			}
		}
		h.service.release()
		h.pass(time.Minute)
		h.has("out", "a.pdf=signed "+pdf("slow, and more"))
	})
}

// TestOneSlowDocument does not block the other results of its run.
func TestOneSlowDocument(t *testing.T) {
	inBubble(t, nil, func(h *harness) {
		h.put("a.pdf", pdf("slow"))
		h.put("b.pdf", pdf("fast"))
		h.pass(20 * time.Second)
		h.has("out", "b.pdf=signed "+pdf("fast"))
		h.service.release()
		h.pass(20 * time.Second)
		h.has("out", "a.pdf=signed "+pdf("slow"), "b.pdf=signed "+pdf("fast"))
	})
}

// TestSidecar overrides the settings of the client service for one file.
func TestSidecar(t *testing.T) {
	inBubble(t, func(h *harness) {
		h.client.SignatureInfo = &clientservice.SignatureInfo{Level: "B-LT", Reason: "general"}
	}, func(h *harness) {
		h.put(
			"a.pdf.sign.json",
			`{"externalReference": "R-1", "signatureInfo": {"signatureType": "CAdES", "packaging": "DETACHED"}}`,
		)
		h.put("a.pdf", pdf("1"))
		h.put("b.pdf", pdf("2"))
		h.put("c.pdf.sign.json", `{"signatureinfo": {}}`)
		h.put("c.pdf", pdf("3"))
		h.put("d.pdf.sign.json", `{"signatureInfo": {"level": 7}}`)
		h.put("d.pdf", pdf("4"))
		h.put(
			"e.pdf.sign.json",
			`{"signatureInfo": {"packaging": "DETACHED", "signatureType": "PAdES", "level": "B-X"}}`,
		)
		h.put("e.pdf", pdf("5"))
		h.pass(time.Minute)
		docs := h.service.documents()
		if a := docs["a.pdf"]; a.ExternalReference != "R-1" || a.Signature.Type != signing.CAdES ||
			a.Signature.Packaging != signing.Detached || a.Signature.Level != signing.LevelB {
			t.Errorf("a.pdf = %+v", a.DocumentRequest)
		}
		if b := docs["b.pdf"]; b.Signature.Level != signing.LevelLT || b.Signature.Reason != "general" {
			t.Errorf("b.pdf = %+v", b.DocumentRequest)
		}
		out := h.visible("out")
		for name, want := range map[string]string{"a.pdf.p7s": "signed ", "b.pdf": "signed ",
			"c.pdf.txt": "signatureinfo: unknown key", "d.pdf.txt": "signatureInfo.level: want a string",
			"e.pdf.txt": "level must be"} {
			if !strings.Contains(out[name], want) {
				t.Errorf("output %s = %q, want %q", name, out[name], want)
			}
		}
		if len(out) != 5 {
			t.Errorf("output = %q", out)
		}
		if backup := h.visible("backup"); len(backup) != 5+4+3 {
			t.Errorf("backup = %q, want originals, sidecars and texts", backup)
		}
		h.has("in")
	})
}

// TestOrphanSidecar fails a sidecar whose file does not come.
func TestOrphanSidecar(t *testing.T) {
	inBubble(t, nil, func(h *harness) {
		h.put("a.pdf.sign.json", `{}`)
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(h.path("in/a.pdf.sign.json"), old, old); err != nil {
			t.Fatal(err)
		}
		h.pass(20 * time.Minute)
		h.has("out", "a.pdf.sign.json.txt=invalid: the file for these settings did not come\n")
		h.has("in")
	})
}

// TestIgnored leaves files alone that no document is.
func TestIgnored(t *testing.T) {
	inBubble(t, nil, func(h *harness) {
		names := []string{
			".hidden.pdf",
			"~$a.pdf",
			"a.tmp",
			"a.part",
			"a.part.minio",
			"a.crdownload",
			"a.filepart",
			"a.swp",
			"Thumbs.db",
			".DS_Store",
		}
		for _, name := range names {
			h.put(name, pdf("1"))
		}
		if err := os.Symlink("a.tmp", h.path("in/link.pdf")); err != nil {
			t.Fatal(err)
		}
		h.pass(20 * time.Minute)
		h.has("out")
		if got := h.metric("irregular_files", ""); got != 1 {
			t.Errorf("%v irregular files, want 1", got)
		}
		if got := h.metric("waiting_files", ""); got != 0 {
			t.Errorf("%v files wait, want 0", got)
		}
	})
}

// TestDoneMarker signs a file when its marker exists, and removes the marker.
func TestDoneMarker(t *testing.T) {
	inBubble(t, func(h *harness) { h.cfg.DoneSuffix = ".done" }, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.pass(5 * time.Minute)
		h.has("out")
		h.put("a.pdf.done", "")
		h.put("b.pdf", pdf("2"))
		h.pass(time.Minute)
		h.has("out", "a.pdf=signed "+pdf("1"))
		h.has("backup", "a.pdf="+pdf("1"))
		h.has("in", "b.pdf="+pdf("2"))
		h.pass(10 * time.Minute)
		h.has("out", "a.pdf=signed "+pdf("1"), "b.pdf.txt=invalid: its marker b.pdf.done did not come\n")
	})
}

// TestFullQueue claims nothing while the queue is full, and counts it.
func TestFullQueue(t *testing.T) {
	inBubble(t, func(h *harness) { h.service.busy = true }, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.pass(10 * time.Minute)
		h.has("in", "a.pdf="+pdf("1"))
		if h.metric("blocked_total", "queue") == 0 {
			t.Error("blocked_total is 0")
		}
		h.service.mu.Lock()
		h.service.busy = false
		h.service.mu.Unlock()
		h.pass(time.Minute)
		h.has("out", "a.pdf=signed "+pdf("1"))
	})
}

// TestFolders says what is wrong with the folders of client services.
func TestFolders(t *testing.T) {
	type clients = []clientservice.ClientService
	client := func(id, in, out, backup string) clientservice.ClientService {
		return clientservice.ClientService{
			ID:           id,
			Secret:       clientservice.NewSecret("s"),
			InputFolder:  in,
			OutputFolder: out,
			BackupFolder: backup,
		}
	}
	for name, c := range map[string]struct {
		clients clients
		want    string // empty = no fault
	}{
		"none":    {clients{client("a", "", "", "")}, ""},
		"good":    {clients{client("a", "/in", "/out", "/backup")}, ""},
		"similar": {clients{client("a", "/in", "/in2", "/in3")}, ""},
		"missing": {clients{client("a", "/in", "", "/backup")}, "outputFolder is missing"},
		"same":    {clients{client("a", "/in", "/out", "/out/")}, "backupFolder of a and outputFolder of a"},
		"nested":  {clients{client("a", "/in", "/in/out", "/backup")}, "outputFolder of a and inputFolder of a"},
		"one input": {clients{client("a", "/in", "/o1", "/b1"), client("b", "/in", "/o2", "/b2")},
			"inputFolder of b"},
		"input in an output": {clients{client("a", "/in", "/o", "/b1"), client("b", "/o/x", "/p", "/b2")},
			"inputFolder of b and outputFolder of a"},
		"shared output": {clients{client("a", "/i1", "/o", "/b"), client("b", "/i2", "/o", "/b")}, ""},
	} {
		services, err := clientservice.NewServices(c.clients...)
		if err != nil {
			t.Fatal(err)
		}
		faults := hotfolder.Faults(services)
		if c.want == "" && len(faults) > 0 {
			t.Errorf("%s: Faults = %v", name, faults)
		}
		if fault := faults["a"]; c.want != "" && (fault == nil || !strings.Contains(fault.Error(), c.want)) {
			t.Errorf("%s: Faults = %v, want %q", name, faults, c.want)
		}
	}
}
