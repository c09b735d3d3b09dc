// Package filewatch reports when files may have changed. It also notices files that are replaced
// through symbolic links, as in mounted Secrets.
package filewatch

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/go-logr/logr"
)

// DefaultPoll is how often files are checked if no event came. It is short enough for a new
// credential to be used within five seconds, and long enough to cost nothing.
const DefaultPoll = 2 * time.Second

// settle is how long the folder must be quiet before a change is reported. So a file that an editor
// truncates and then writes is read once, complete.
const settle = 100 * time.Millisecond

// Config is what Run needs.
type Config struct {
	Paths []string      // files; their folders are watched, because a swap replaces links and not files
	Poll  time.Duration // 0 = DefaultPoll
	Log   logr.Logger
}

// Run calls changed after every event in the folders of the files and at every poll, until ctx is
// done. It then returns nil. changed must find out itself whether the content is different, because
// an event does not say that. Network file systems send no events, nor does a link into another
// folder. Calls never overlap. If the system has no notifications, Run only polls.
func Run(ctx context.Context, c Config, changed func()) error {
	if c.Poll == 0 {
		c.Poll = DefaultPoll
	}
	w := folders{log: c.Log, paths: folderSet(c.Paths)}
	w.open()
	defer w.close()

	events := make(chan struct{})
	forwarding := make(chan struct{})
	go func() {
		defer close(forwarding)
		w.forward(ctx, events)
	}()
	loop(ctx, c.Poll, events, w.add, changed)
	<-forwarding
	return nil
}

// loop calls changed once at the start, because the caller read the files before the folders were
// watched. Then it calls changed after the last of several events plus settle, and at every poll.
// Before a poll it calls rewatch, because a folder that was replaced has a new inode.
func loop(ctx context.Context, every time.Duration, events <-chan struct{}, rewatch, changed func()) {
	poll := time.NewTicker(every)
	defer poll.Stop()
	quiet := time.NewTimer(0)
	quiet.Stop()
	changed()
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
			quiet.Reset(settle)
		case <-quiet.C:
			changed()
		case <-poll.C:
			rewatch()
			changed()
		}
	}
}

// folders are the watched folders. A nil watcher means that the system has no notifications.
type folders struct {
	log     logr.Logger
	paths   []string
	watcher *fsnotify.Watcher
}

func folderSet(files []string) []string {
	seen := make(map[string]bool, len(files))
	var set []string
	for _, f := range files {
		if dir := filepath.Dir(f); !seen[dir] {
			seen[dir] = true
			set = append(set, dir)
		}
	}
	return set
}

func (f *folders) open() {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		f.log.Error(err, "file notifications are not available; files are polled")
		return
	}
	f.watcher = w
	f.add()
}

// add watches every folder. A folder that is already watched stays watched. A missing folder is
// retried at the next poll.
func (f *folders) add() {
	if f.watcher == nil {
		return
	}
	for _, p := range f.paths {
		if err := f.watcher.Add(p); err != nil {
			f.log.V(1).Info("could not watch a folder; it is polled", "folder", p, "reason", err.Error())
		}
	}
}

func (f *folders) close() {
	if f.watcher != nil {
		_ = f.watcher.Close()
	}
}

// forward turns the notifications of the system into events until ctx is done.
func (f *folders) forward(ctx context.Context, events chan<- struct{}) {
	if f.watcher == nil {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.watcher.Events:
			select {
			case events <- struct{}{}:
			case <-ctx.Done():
				return
			}
		case err := <-f.watcher.Errors:
			f.log.Error(err, "file notifications were lost; polling continues")
		}
	}
}
