package hotfolder

import (
	"strings"
	"time"
)

// taken are the files that a run claims together.
type taken struct {
	entries    []Entry            // files, and sidecars whose file never came
	companions map[string][]Entry // sidecars and markers by the name of their file
	settled    []string           // files that have a sidecar
	// final are the names whose content need not have an end, because they have waited too long.
	final map[string]bool
}

// take returns what a run claims. It removes sidecars without a file from the window.
func (w *window) take(group []*candidate, orphans []Entry, now time.Time) taken {
	t := taken{companions: make(map[string][]Entry), final: make(map[string]bool)}
	for _, c := range group {
		e := c.Entry
		if w.late(c, now) {
			t.final[e.Name], e.Unread = true, true
		}
		t.entries = append(t.entries, e)
		if w.sidecars[e.Name] != nil {
			t.settled = append(t.settled, e.Name)
		}
		for _, list := range []map[string]*candidate{w.sidecars, w.markers} {
			if companion := list[e.Name]; companion != nil {
				t.companions[e.Name] = append(t.companions[e.Name], companion.Entry)
			}
		}
	}
	for _, e := range orphans {
		e.Unread = true
		t.entries, t.final[e.Name] = append(t.entries, e), true
		delete(w.sidecars, strings.TrimSuffix(e.Name, sidecarSuffix))
	}
	return t
}

// forget removes a file that has left the input folder, with what belongs to it. A file that could
// not be claimed keeps its sidecar in the window, because it may be claimed again before the next
// scan.
func (w *window) forget(name string) {
	delete(w.files, name)
	delete(w.sidecars, name)
	delete(w.markers, name)
}

// companionsOf returns the companions of the files that were claimed. Those of other files belong
// to the instance that was faster.
func (t *taken) companionsOf(errs []error) (list []Entry) {
	for i, e := range t.entries {
		if errs == nil || errs[i] == nil {
			list = append(list, t.companions[e.Name]...)
		}
	}
	return list
}
