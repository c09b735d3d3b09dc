package affinity

import (
	"net/http"
	"slices"
	"sync/atomic"
)

// Identity says who this instance is: its current run, and the earlier runs with the same ordinal
// and the same state folder. A peers file may still name an earlier run, because a pod is replaced
// faster than the file is written. The instance answers for what such a run stored, so it accepts
// the requests that are meant for it. A nil Identity accepts every request. Safe for concurrent
// use.
type Identity struct {
	run    string
	folder atomic.Pointer[openFolder] // nil until the state folder is open
}

// openFolder is what an Identity learns from the state folder.
type openFolder struct {
	state   string
	earlier []string
}

// NewIdentity returns the identity of an instance whose state folder is not open yet. run is the
// UID of the pod; empty = runs cannot be told apart.
func NewIdentity(run string) *Identity { return &Identity{run: run} }

// Opened adds what the state folder says: its own identity and the earlier runs that RecordRun has
// returned.
func (i *Identity) Opened(state string, earlier []string) {
	i.folder.Store(&openFolder{state: state, earlier: slices.Clone(earlier)})
}

// Known reports whether this instance can tell its runs from those of other instances.
func (i *Identity) Known() bool { return i != nil && i.run != "" }

// State returns the identity of the state folder, or an empty text while it is not known.
func (i *Identity) State() string {
	if i == nil {
		return ""
	}
	if folder := i.folder.Load(); folder != nil {
		return folder.state
	}
	return ""
}

// Is reports whether run is this run, or an earlier run with the same ordinal and state folder. It
// is true if one of the two runs is not known.
func (i *Identity) Is(run string) bool {
	if !i.Known() || run == "" || run == i.run {
		return true
	}
	folder := i.folder.Load()
	return folder != nil && slices.Contains(folder.earlier, run)
}

// isStale reports whether run is not this run. An earlier run with the same state folder had
// another address, so its endpoint is stale.
func (i *Identity) isStale(run string) bool { return i.Known() && run != i.run }

// Misdirected reports whether a forwarded request is meant for an instance other than this one.
func (i *Identity) Misdirected(r *http.Request) bool { return !i.Is(r.Header.Get(TargetHeader)) }
