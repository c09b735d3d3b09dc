//go:build linux

package hotfolder_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// status returns the status of the only hot folder.
func (h *harness) status() hotfolder.Status {
	h.Helper()
	list := h.engine.Status()
	if len(list) != 1 {
		h.Fatalf("status = %+v, want one hot folder", list)
	}
	return list[0]
}

// TestStatus follows a file through the status, and a folder that cannot be used for some time.
func TestStatus(t *testing.T) {
	inBubble(t, func(h *harness) {
		h.cfg.Immediate, h.cfg.MaxWait = false, time.Hour
	}, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.put("slow.pdf", "%PDF-1.7 has no end")
		if err := os.Mkdir(h.path("in/folder"), 0o700); err != nil {
			t.Fatal(err)
		}
		h.pass(30 * time.Minute)
		s := h.status()
		if s.ClientService != clientID || s.Input != "/in" || s.Waiting != 2 || s.Irregular != 1 || s.Runs != 0 ||
			s.LastScan.IsZero() || !s.LastRun.IsZero() || s.Unusable || s.LastFault != "" {
			t.Errorf("status = %+v", s)
		}
		if s.OldestWait < 29*time.Minute || h.metric("longest_wait_seconds", clientID) != s.OldestWait.Seconds() {
			t.Errorf("the oldest file has waited for %v", s.OldestWait)
		}
		if limit, interval := h.metric("max_wait_seconds", ""), h.metric("scan_interval_seconds", ""); limit != 3600 ||
			interval != 5 {
			t.Errorf("at most %v s of waiting and a scan every %v s, want 3600 and 5", limit, interval)
		}

		h.pass(40 * time.Minute)
		if s = h.status(); s.LastRun.IsZero() {
			t.Errorf("status after a run = %+v", s)
		}

		if err := os.Rename(h.path("in"), h.path("away")); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Minute)
		s = h.status()
		began := s.LastFaultAt
		if !s.Unusable || !strings.Contains(s.LastFault, "no such file") || began.IsZero() {
			t.Errorf("status of a missing folder = %+v", s)
		}
		h.pass(time.Minute)
		if at := h.status().LastFaultAt; !at.Equal(began) {
			t.Errorf("the fault began at %v, then at %v", began, at)
		}
		if err := os.Rename(h.path("away"), h.path("in")); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Minute)
		if s = h.status(); s.Unusable || s.LastFault == "" || !s.LastFaultAt.Equal(began) {
			t.Errorf("status after a fault = %+v", s)
		}
	})
}

// TestStatusWithoutLimit checks that there is no limit if files below the threshold wait forever.
func TestStatusWithoutLimit(t *testing.T) {
	inBubble(t, func(h *harness) { h.cfg.Immediate = false }, func(h *harness) {
		h.pass(time.Minute)
		families, err := h.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "signstash_hotfolder_max_wait_seconds" {
				t.Errorf("there is a limit: %v", f)
			}
		}
	})
}

// TestStatusOfRemovedClientService checks that nothing is left of a client service that is removed,
// so that no alert goes on for ever.
func TestStatusOfRemovedClientService(t *testing.T) {
	for name, client := range map[string]clientservice.ClientService{
		"usable":       {OutputFolder: "/out"},
		"nested":       {OutputFolder: "/in/out"},
		"never opened": {OutputFolder: "/missing"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(h *harness) { h.client.OutputFolder = client.OutputFolder }, func(h *harness) {
				h.pass(time.Minute)
				if s := h.status(); s.Unusable != (name != "usable") {
					t.Errorf("status = %+v", s)
				}
				h.services.Store(&clientservice.Services{})
				h.pass(time.Minute)
				if list := h.engine.Status(); len(list) > 0 {
					t.Errorf("status after the client service was removed = %+v", list)
				}
				families, err := h.registry.Gather()
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range families {
					if m := f.GetMetric(); len(m) > 0 && m[0].GetGauge() != nil {
						t.Errorf("%s is left", f.GetName())
					}
				}
			})
		})
	}
}
