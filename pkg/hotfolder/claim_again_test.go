//go:build linux

package hotfolder_test

import (
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// TestClaimedAgainWithSidecar signs a file with its settings that was in use when it was to be
// claimed first, although no scan has found its sidecar again.
func TestClaimedAgainWithSidecar(t *testing.T) {
	for _, fault := range []error{hotfolder.ErrInUse, hotfolder.ErrUnreadable, hotfolder.ErrChanged} {
		t.Run(fault.Error(), func(t *testing.T) {
			broken := &faultOnce{err: fault}
			inBubble(t, func(h *harness) {
				h.cfg.Scan, h.cfg.Stability = time.Minute, 90*time.Second // two scans, the claims, a scan
				h.put("a.txt.sign.json", `{"signatureInfo": {"packaging": "DETACHED"}}`)
				h.put("a.txt", "a")
				h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return refusing{s, broken.of} }
			}, func(h *harness) {
				h.pass(5 * time.Minute)
				h.has("out", "a.txt.p7s=signed a")
				h.has("in")
			})
		})
	}
}

// faultOnce is the error of the first claim of a file that is no sidecar.
type faultOnce struct{ err error }

func (f *faultOnce) of(name string) (err error) {
	if !strings.HasSuffix(name, ".sign.json") {
		err, f.err = f.err, nil
	}
	return err
}
