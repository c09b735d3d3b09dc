//go:build linux

package hotfolder_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// TestSeveralMistakes writes all mistakes of a sidecar into a text by which tools for operators
// recognize a document that failed.
func TestSeveralMistakes(t *testing.T) {
	inBubble(t, nil, func(h *harness) {
		h.put("a.txt.sign.json", `{"contentType": 1, "externalReference": 2}`)
		h.put("a.txt", "a")
		h.pass(time.Minute)
		const want = "invalid: a.txt.sign.json: 2 mistakes: contentType: want a string; externalReference: want a string\n"
		text := h.visible("backup")["a.txt.txt"]
		if text != want || !hotfolder.IsReason([]byte(text)) {
			t.Errorf("text = %q, want %q", text, want)
		}
	})
}

// refusing is a Storage that refuses to claim some files.
type refusing struct {
	hotfolder.Storage
	refuse func(name string) error
}

func (r refusing) Claim(ctx context.Context, run hotfolder.Run, files []hotfolder.Entry) []error {
	errs := make([]error, len(files))
	for i, e := range files {
		if errs[i] = r.refuse(e.Name); errs[i] == nil {
			if err := r.Storage.Claim(ctx, run, files[i:i+1]); err != nil {
				errs[i] = err[0]
			}
		}
	}
	return errs
}

// TestSidecarCannotBeClaimed gives a file back whose sidecar cannot be claimed, and signs the other
// files of its run.
func TestSidecarCannotBeClaimed(t *testing.T) {
	broken := &fault{err: errors.New("permission denied")}
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage {
			return refusing{s, func(name string) error {
				if strings.HasSuffix(name, ".sign.json") {
					return broken.get()
				}
				return nil
			}}
		}
	}, func(h *harness) {
		h.put("a.txt.sign.json", `{"signatureInfo": {"packaging": "DETACHED"}}`)
		h.put("a.txt", "a")
		h.put("b.txt", "b")
		h.pass(5 * time.Minute)
		h.has("out", "b.txt.p7m=signed b")
		h.has("in", "a.txt=a", `a.txt.sign.json={"signatureInfo": {"packaging": "DETACHED"}}`)
		broken.set(nil)
		h.pass(30 * time.Minute)
		h.has("out", "a.txt.p7s=signed a", "b.txt.p7m=signed b")
		h.has("in")
	})
}

// goneText is the reason of a file whose sidecar has disappeared.
const goneText = "a.txt.txt=invalid: its settings a.txt.sign.json were removed before they were read\n"

// TestSidecarRemoved fails a file whose sidecar disappears before it is claimed, because its
// signature would have other fields than its producer wanted.
func TestSidecarRemoved(t *testing.T) {
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage {
			return refusing{s, func(name string) error {
				if strings.HasSuffix(name, ".sign.json") {
					_ = os.Remove(h.path("in", name))
					return hotfolder.ErrGone
				}
				return nil
			}}
		}
	}, func(h *harness) {
		h.put("a.txt.sign.json", `{}`)
		h.put("a.txt", "a")
		h.pass(time.Minute)
		h.has("out", goneText)
		h.hasNoRuns()
	})
}

// vanishing is a Storage whose input folder loses a sidecar between Stat and Claim.
type vanishing struct{ hotfolder.Storage }

func (v vanishing) Claim(ctx context.Context, run hotfolder.Run, files []hotfolder.Entry) []error {
	if len(files) == 1 && strings.HasSuffix(files[0].Name, ".sign.json") {
		return []error{hotfolder.ErrGone}
	}
	return v.Storage.Claim(ctx, run, files)
}

// TestSidecarVanishes fails the file of an earlier process if the sidecar that it finds in the
// input folder is gone when it is claimed.
func TestSidecarVanishes(t *testing.T) {
	d := &death{at: 3, before: true} // before the sidecar is claimed
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return dying{s, d} }
	}, func(h *harness) {
		h.put("a.txt.sign.json", `{}`)
		h.put("a.txt", "a")
		h.pass(20 * time.Second)
		h.stop()
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return vanishing{s} }
		h.start()
		h.pass(time.Minute)
		h.has("out", goneText)
		h.hasNoRuns()
	})
}

// TestNoRunIsLeft removes the folder of a run that got none of its files, because other instances
// were faster.
func TestNoRunIsLeft(t *testing.T) {
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return slower{s} }
	}, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.pass(time.Minute)
		h.hasNoRuns()
	})
}

// slower is a Storage of an instance that is never the first one.
type slower struct{ hotfolder.Storage }

func (s slower) Claim(ctx context.Context, run hotfolder.Run, files []hotfolder.Entry) []error {
	changed := make([]hotfolder.Entry, len(files))
	for i, e := range files {
		changed[i] = hotfolder.Entry{Name: e.Name + " was here", Version: e.Version}
	}
	return s.Storage.Claim(ctx, run, changed)
}

// hasNoRuns fails the test if the instance has a folder of a run.
func (h *harness) hasNoRuns() {
	h.Helper()
	list, err := os.ReadDir(h.path("in/.signstash/0"))
	if err != nil {
		h.Fatal(err)
	}
	for _, e := range list {
		if e.IsDir() {
			h.Errorf("run %s is left", e.Name())
		}
	}
}

// TestChangedFileAndNewOne fails a file that was changed after it was read and that cannot go back,
// because a new file has its name. The new file is signed.
func TestChangedFileAndNewOne(t *testing.T) {
	inBubble(t, nil, func(h *harness) {
		h.put("a.pdf", pdf("slow"))
		h.pass(10 * time.Second)
		h.rewriteClaim("a.pdf", pdf("changed"))
		h.put("a.pdf", pdf("new"))
		h.service.release()
		h.pass(10 * time.Minute)
		out := h.visible("out")
		if !strings.HasPrefix(out["a.pdf.txt"], "damaged: ") || out["a.pdf"] != "signed "+pdf("new") {
			t.Errorf("output = %q", out)
		}
		h.has("in")
		h.hasNoRuns()
	})
}

// TestWriterLongAfterClaim gives a file back that was changed long before its result came, also if
// the process has started again meanwhile.
func TestWriterLongAfterClaim(t *testing.T) {
	for _, again := range []bool{false, true} {
		for _, text := range []string{"SLOW", "slow, and more"} {
			t.Run(fmt.Sprintf("%v/%s", again, text), func(t *testing.T) {
				inBubble(t, nil, func(h *harness) {
					h.put("a.pdf", pdf("slow"))
					h.put("b.pdf", pdf("slow too"))
					h.pass(10 * time.Second)
					h.rewriteClaim("a.pdf", pdf(text))
					if again {
						h.stop()
						h.start()
					}
					h.pass(time.Minute)
					h.has("out")
					h.service.release()
					h.pass(time.Minute)
					h.has("out", "a.pdf=signed "+pdf(text), "b.pdf=signed "+pdf("slow too"))
					h.has("backup", "a.pdf="+pdf(text), "b.pdf="+pdf("slow too"))
					h.hasNoRuns()
				})
			})
		}
	}
}

// rewriteClaim writes to a claimed file, as a writer does that has it open.
func (h *harness) rewriteClaim(name, content string) {
	h.Helper()
	list, err := filepath.Glob(h.path("in/.signstash/0/*/claimed", name))
	if err != nil || len(list) != 1 {
		h.Fatalf("claimed: %q, %v", list, err)
	}
	if err := os.WriteFile(list[0], []byte(content), 0); err != nil {
		h.Fatal(err)
	}
	chtimes(h.T, list[0], time.Now())
}
