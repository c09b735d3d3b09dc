package hotfolder

import (
	"context"
	"strings"
	"sync"
	"time"
)

// Notify tells the engine that files have appeared in the input folder of a client service. names
// are the files; without names the whole folder is listed soon. It is only a hint: the files are
// looked at before the next scan, and a name without a file changes nothing. Notify does not wait.
// It reports whether the engine works on a hot folder of that client service. It is safe for
// concurrent use.
func (e *Engine) Notify(client string, names []string) bool {
	f := e.folders.find(client)
	if f == nil {
		return false
	}
	f.hints.add(names)
	return true
}

// folders are the folders that are worked on, by client service. The zero value is empty. It is
// safe for concurrent use.
type folders struct {
	mu   sync.Mutex
	byID map[string]*folder
}

func (l *folders) add(f *folder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil {
		l.byID = make(map[string]*folder)
	}
	l.byID[f.client] = f
}

func (l *folders) remove(client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byID, client)
}

func (l *folders) find(client string) *folder {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byID[client]
}

// maxHints bounds the files that are looked at because of notifications, at most once per
// hintDelay. Each of them is one call of Storage.Stat. If more files are named, the folder is
// listed.
const maxHints = 200

// hints are what notifications said since the last look. It is safe for concurrent use.
type hints struct {
	wake chan struct{} // one value at most: there are hints

	mu    sync.Mutex
	names map[string]bool
	list  bool // the folder must be listed
}

func newHints() *hints { return &hints{wake: make(chan struct{}, 1), names: make(map[string]bool)} }

// add remembers a notification.
func (h *hints) add(names []string) {
	h.mu.Lock()
	h.list = h.list || len(names) == 0
	for _, name := range names {
		if len(h.names) >= maxHints {
			h.list = true
			break
		}
		if isName(name) {
			h.names[strings.Clone(name)] = true // not a part of a whole notification
		}
	}
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// take returns what was remembered, and forgets it.
func (h *hints) take() (names []string, list bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range h.names {
		names = append(names, name)
	}
	list, h.list = h.list, false
	clear(h.names)
	return names, list
}

// look looks at the files that notifications name, so that they need not wait for the next scan. It
// reports whether the folder should be listed.
func (f *folder) look(ctx context.Context) (list bool) {
	named, list := f.hints.take()
	var names []string
	for _, name := range named {
		if _, known := f.window.files[name]; !known {
			names = append(names, name)
		}
	}
	found := make([]Entry, len(names))
	forEach(names, func(i int, name string) {
		if e, err := f.storage.Stat(ctx, name); err == nil { // the next scan reports faults of the folder
			found[i] = e
		}
	})
	now := time.Now()
	for _, e := range found {
		if e.Name != "" {
			f.window.hinted(e, now)
		}
	}
	return list
}

// maxKeyBytes is the longest key of an object in a store, so no file has a longer name.
const maxKeyBytes = 1024

// isName reports whether a text can be the name of a file in an input folder.
func isName(name string) bool {
	return name != "" && len(name) <= maxKeyBytes && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

// hinted adds an entry that was found without a scan. If there is no room, the next scan finds it.
func (w *window) hinted(e Entry, now time.Time) {
	list, name := w.files, e.Name
	if base, ok := strings.CutSuffix(e.Name, sidecarSuffix); ok && base != "" {
		list, name = w.sidecars, base
	} else if base, ok := strings.CutSuffix(e.Name, w.cfg.DoneSuffix); ok && base != "" && w.cfg.DoneSuffix != "" {
		list, name = w.markers, base
	} else if w.ignored.match(e.Name) {
		return
	}
	if e.Irregular == "" && (list[name] != nil || len(list) < w.cfg.Window) {
		list[name] = list[name].seen(e, now)
	}
}
