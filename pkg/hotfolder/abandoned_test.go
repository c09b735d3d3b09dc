//go:build linux

package hotfolder_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
)

// lines is a log. Its levels up to 0 and from 1 on are kept apart.
type lines struct {
	mu         sync.Mutex
	info, more []string
}

func (l *lines) write(prefix, args string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.Contains(args, `"level"=1`) {
		l.more = append(l.more, prefix+args)
		return
	}
	l.info = append(l.info, prefix+args)
}

// with returns how many lines up to the level INFO, and how many below it, contain a text.
func (l *lines) with(text string) (info, more int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.info {
		info += strings.Count(line, text)
	}
	for _, line := range l.more {
		more += strings.Count(line, text)
	}
	return info, more
}

// keepLog makes the engine write into a log.
func (h *harness) keepLog() *lines {
	l := new(lines)
	h.log = funcr.New(l.write, funcr.Options{Verbosity: 1})
	return l
}

// TestAbandonedFolder names the input folder of a client service that was removed while it had
// runs, once, and counts these runs until they have ended.
func TestAbandonedFolder(t *testing.T) {
	var log *lines
	inBubble(t, func(h *harness) {
		log = h.keepLog()
		h.cfg.Abandoned = func(ctx context.Context, services *clientservice.Services) ([]hotfolder.Abandoned, error) {
			var configured []string
			for c := range services.All() {
				configured = append(configured, c.InputFolder, c.OutputFolder, c.BackupFolder)
			}
			return directory.FindAbandoned(ctx, h.work, configured)
		}
	}, func(h *harness) {
		h.put("a.pdf", pdf("slow"))
		h.pass(time.Minute)
		if got := h.metric("abandoned_runs", ""); got != 0 {
			t.Errorf("%v abandoned runs, want 0", got)
		}
		other := h.client
		other.ID, other.InputFolder, other.OutputFolder, other.BackupFolder = "other", "", "", ""
		for range 2 {
			h.configure(other)
			h.pass(30 * time.Minute)
		}
		if got := h.metric("abandoned_runs", clientID); got != 1 {
			t.Errorf("%v abandoned runs, want 1", got)
		}
		if n, _ := log.with("hot folder is abandoned"); n != 1 {
			t.Errorf("the folder is named %d times, want once", n)
		}
		if n, _ := log.with(`"clientService"="client" "folder"="/in" "runs"=1`); n != 1 {
			t.Errorf("log = %q", log.info)
		}
		h.configure(h.client)
		h.service.release()
		h.pass(30 * time.Minute)
		h.has("out", "a.pdf=signed "+pdf("slow"))
		if got := h.metric("abandoned_runs", ""); got != 0 {
			t.Errorf("%v abandoned runs afterwards, want 0", got)
		}
	})
}

// TestNoNamesInLog logs faults of files without their names. The level DEBUG has the names.
func TestNoNamesInLog(t *testing.T) {
	var log *lines
	cannot := &fault{err: hotfolder.OfFile("stuck Alice.pdf", context.DeadlineExceeded)}
	inBubble(t, func(h *harness) {
		log = h.keepLog()
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return stuck{s, cannot} }
	}, func(h *harness) {
		h.put("stuck Alice.pdf", pdf("1"))
		h.put("Alice.pdf.sign.json", `{"unknown": 1}`)
		h.put("Alice.pdf", pdf("2"))
		h.pass(time.Minute)
		if n, _ := log.with("run cannot go on"); n != 1 {
			t.Errorf("log = %q, want one fault", log.info)
		}
		if info, more := log.with("Alice"); info != 0 || more == 0 {
			t.Errorf("the name is in %d lines up to INFO and in %d of DEBUG:\n%s", info, more, strings.Join(log.info, "\n"))
		}
	})
}
