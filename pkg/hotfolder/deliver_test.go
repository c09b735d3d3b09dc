//go:build linux

package hotfolder_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// backless is a Storage whose backup folder can be broken.
type backless struct {
	hotfolder.Storage
	*fault
}

func (b backless) Backup(ctx context.Context, run hotfolder.Run, files []hotfolder.BackupFile) []error {
	if err := b.get(); err != nil {
		errs := make([]error, len(files))
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	return b.Storage.Backup(ctx, run, files)
}

// TestCountedOnce counts a file once, also if its original cannot be moved to the backup folder for
// some time.
func TestCountedOnce(t *testing.T) {
	broken := &fault{err: errors.New("no space left on device")}
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return backless{s, broken} }
	}, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.put("b.pdf", pdf("bad"))
		h.pass(5 * time.Minute)
		h.has("out", "a.pdf=signed "+pdf("1"), "b.pdf.txt=damaged: it is bad\n")
		broken.set(nil)
		h.pass(time.Minute)
		for _, result := range []string{"signed", "failed"} {
			if got := h.metric("files_total", result); got != 1 {
				t.Errorf("%v files are counted as %s, want 1", got, result)
			}
		}
		h.has("backup", "a.pdf="+pdf("1"), "b.pdf="+pdf("bad"), "b.pdf.txt=damaged: it is bad\n")
	})
}
