package credentials

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Health describes a credential and its last reads and calls.
type Health struct {
	Name        string
	Algorithm   string
	Subject     string    // of the certificate; empty = never read
	NotAfter    time.Time // of the certificate; zero = never read
	LastGood    time.Time // of a call; zero = never since the start
	LastFailure time.Time // of a call; zero = never since the start
	Outcome     string    // of the last failed call: refused or unknown
	Fault       string    // why the credential cannot be read or is not valid; empty = no fault, or not read yet
	Invalid     bool      // the certificate is expired or not yet valid, so the credential does not sign
}

// State says in words whether the credential can be used. Empty = it can be used.
func (h Health) State() string {
	switch {
	case h.Invalid:
		return "signs nothing: " + h.Fault
	case h.Fault != "":
		return "cannot be read: " + h.Fault
	case h.NotAfter.IsZero():
		return "not read yet"
	}
	return ""
}

// Healthy reports whether no call has failed since the last success.
func (h Health) Healthy() bool { return !h.LastFailure.After(h.LastGood) }

// returned is the outcome of a call that returned its signature values; see signing.Observer.
const returned = "returned"

// health records the health of each credential for the status page and for alerts. It has an entry
// for each client service, because otherwise nobody would notice that one of many certificates
// expires or that one of many credentials cannot be read. It is safe for concurrent use.
type health struct {
	selection *selection

	mu      sync.Mutex
	entries map[string]*entry // by name of the credential
}

type entry struct {
	Health
	probed     bool                // a read was attempted
	failed     *failedRead         // nil = the last read succeeded
	credential *signing.Credential // as last read; nil = never read
}

// judge records that the certificate is not valid at now. A certificate that was valid when it was
// read may have expired since.
func (e *entry) judge(now time.Time) {
	if e.Fault != "" || e.credential == nil {
		return
	}
	if err := signing.AsError(e.credential.CheckValidity(now)); err != nil {
		e.Invalid, e.Fault = true, err.Detail
	}
}

// describe copies what the status page shows of the credential.
func (e *entry) describe(c *signing.Credential) {
	if e.credential == c {
		return
	}
	e.credential = c
	e.Algorithm, e.Subject, e.NotAfter = string(c.Algorithm), c.Certificate().Subject.String(), c.Certificate().NotAfter
}

func newHealth(s *selection) *health {
	return &health{selection: s, entries: make(map[string]*entry)}
}

// list adds a credential before its first read.
func (h *health) list(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entry(name)
}

// entry returns the entry of a credential, and creates it if necessary. h.mu is held.
func (h *health) entry(name string) *entry {
	e := h.entries[name]
	if e == nil {
		e = &entry{Health: Health{Name: name}}
		h.entries[name] = e
	}
	return e
}

// recordRead records the result of reading a credential. The status page shows the detail of the
// fault. This is safe, because clients see these details too, so they contain no secrets. It
// returns true if the certificate is not valid and was not already known to be invalid.
func (h *health) recordRead(name string, c *signing.Credential, fault *signing.Error, now time.Time) (invalid bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.entry(name)
	before := e.Invalid
	e.probed, e.Fault, e.failed, e.Invalid = true, "", nil, false
	if c != nil {
		h.entry(c.Name).describe(c)
	}
	if fault == nil {
		return false
	}
	e.Invalid = fault.Kind == signing.KindCertificate
	// Reading a certificate again cannot lead to a lock-out.
	e.failed = &failedRead{at: now, transient: fault.Retry || e.Invalid}
	if e.Invalid {
		e.Fault = fault.Detail
	} else {
		e.Fault = strings.Trim(string(fault.Kind)+": "+fault.Detail, ": ")
	}
	e.Fault = cmp.Or(e.Fault, "the log says why")
	return e.Invalid && !before
}

// recordCall records the outcome of a call that used the credential.
func (h *health) recordCall(c *signing.Credential, outcome string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.entry(c.Name)
	e.describe(c)
	if outcome == returned {
		e.LastGood = now
		return
	}
	e.LastFailure, e.Outcome = now, outcome
}

// lastRead returns the result of the last attempt to read a credential. failed is nil if the
// attempt succeeded or if there was none. expired reports whether the certificate that was read is
// not valid at now.
func (h *health) lastRead(name string, now time.Time) (failed *failedRead, expired bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.entries[name]
	if e == nil {
		return nil, false
	}
	return e.failed, e.credential != nil && e.credential.CheckValidity(now) != nil
}

// snapshot returns copies of all entries at now, sorted by name. It removes the credentials of
// client services that no longer exist.
func (h *health) snapshot(now time.Time) []entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]entry, 0, len(h.entries))
	for name, e := range h.entries {
		if h.selection.orphaned(name) {
			delete(h.entries, name)
			continue
		}
		shown := *e
		shown.judge(now)
		all = append(all, shown)
	}
	slices.SortFunc(all, byName)
	return all
}

// report implements Set.Health.
func (h *health) report(limit int, now time.Time) (list []Health, more int) {
	entries := h.snapshot(now)
	if more = len(entries) - limit; more > 0 {
		slices.SortStableFunc(entries, byUrgency)
		entries = entries[:limit]
		slices.SortFunc(entries, byName)
	}
	for _, e := range entries {
		list = append(list, e.Health)
	}
	return list, max(0, more)
}

// byUrgency sorts the credentials that need an operator's attention to the front.
func byUrgency(a, b entry) int {
	rank := func(e entry) int {
		if e.Fault != "" || !e.Healthy() {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), a.NotAfter.Compare(b.NotAfter))
}

func byName(a, b entry) int { return strings.Compare(a.Name, b.Name) }
