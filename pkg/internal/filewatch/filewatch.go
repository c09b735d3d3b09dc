// Package filewatch tells when files may have changed, also when they are swapped through symbolic
// links as mounted Secrets are.
package filewatch

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/go-logr/logr"
)

// DefaultPoll is how often files are looked at when no event came: often enough for a new
// credential to be in force within five seconds, rare enough to cost nothing.
const DefaultPoll = 2 * time.Second

// settle is how long the folder must be quiet before a change is told. An editor that truncates and
// then writes is read once, whole.
const settle = 100 * time.Millisecond

// Config is what Run needs.
type Config struct {
	Paths []string      // files; the folders they lie in are watched, since a swap replaces links, not files
	Poll  time.Duration // 0 = DefaultPoll
	Log   logr.Logger
}

// Run calls changed after every event in the folders of the files and at every poll, until ctx is
// done; it then returns nil. changed finds out itself whether the content is another: an event says
// little, and none at all comes from network file systems or for a link that leads into another
// folder. Calls never overlap. Without the system's notifications Run polls alone.
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

// loop calls changed at once, since the caller read the files before anybody watched them, then
// settle after the last of several events, and at every poll, before which it calls rewatch: a
// folder that was replaced has a new inode.
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

// folders are the watched folders. A nil watcher means that the system gives no notifications.
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
		f.log.Error(err, "no file notifications; polling alone")
		return
	}
	f.watcher = w
	f.add()
}

// add watches every folder; for one that is watched already it does nothing, and one that is gone
// is tried again at the next poll.
func (f *folders) add() {
	if f.watcher == nil {
		return
	}
	for _, p := range f.paths {
		if err := f.watcher.Add(p); err != nil {
			f.log.V(1).Info("cannot watch a folder; polling it", "folder", p, "reason", err.Error())
		}
	}
}

func (f *folders) close() {
	if f.watcher != nil {
		_ = f.watcher.Close()
	}
}

// forward turns the system's notifications into events until ctx is done.
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
			f.log.Error(err, "file notifications were lost; polling goes on")
		}
	}
}
