package main

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/status"
)

// maxShown is how many credentials the status page shows. There may be many, because each client
// service at the service domain has its own credential.
const maxShown = 100

// health records the state of each credential for the status page and for alerts. It has an entry
// for each client service; otherwise a certificate that expires or a credential that cannot be read
// would go unnoticed. It is safe for concurrent use.
type health struct {
	gone func(name string) bool // reports whether the credential's client service was removed; nil = never

	mu   sync.Mutex
	seen map[string]*credentialHealth
}

type credentialHealth struct {
	status.Credential
	asked      bool                // a read was attempted
	unread     *unread             // nil = the last read succeeded
	credential *signing.Credential // as last read; nil = never read
}

// judge records that the certificate is not valid at now. A certificate that was valid when it was
// read may have expired since.
func (c *credentialHealth) judge(now time.Time) {
	if c.Fault != "" || c.credential == nil {
		return
	}
	if err := signing.AsError(c.credential.CheckValidity(now)); err != nil {
		c.Invalid, c.Fault = true, err.Detail
	}
}

func newHealth(r prometheus.Registerer) *health {
	h := &health{seen: make(map[string]*credentialHealth)}
	r.MustRegister(h)
	return h
}

// configured lists a credential from the start, before its first read.
func (h *health) configured(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entry(name)
}

// read records the result of reading a credential. The status page shows the detail of the fault.
// This is safe, because clients see these details too, so they contain no secrets. It returns true
// if the certificate is not valid and was not already known to be invalid.
func (h *health) read(name string, c *signing.Credential, fault *signing.Error) (invalid bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.entry(name)
	before := e.Invalid
	e.asked, e.Fault, e.unread, e.Invalid = true, "", nil, false
	if c != nil {
		h.describe(c)
	}
	if fault == nil {
		return false
	}
	e.Invalid = fault.Kind == signing.KindCertificate
	// Reading a certificate again cannot lead to a lock-out.
	e.unread = &unread{at: time.Now(), passes: fault.Retry || e.Invalid}
	if e.Invalid {
		e.Fault = fault.Detail
	} else {
		e.Fault = strings.Trim(string(fault.Kind)+": "+fault.Detail, ": ")
	}
	e.Fault = cmp.Or(e.Fault, "the log says why")
	return e.Invalid && !before
}

// lapsed reports whether a credential was read and its certificate is no longer valid.
func (h *health) lapsed(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.seen[name]
	return e != nil && e.credential != nil && e.credential.CheckValidity(time.Now()) != nil
}

// unreadable returns why the last attempt to read a credential failed. It returns nil if the
// attempt succeeded or none was made.
func (h *health) unreadable(name string) *unread {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.seen[name]; e != nil {
		return e.unread
	}
	return nil
}

// entry returns the entry of a credential, and creates it if necessary.
func (h *health) entry(name string) *credentialHealth {
	e := h.seen[name]
	if e == nil {
		e = &credentialHealth{Credential: status.Credential{Name: name}}
		h.seen[name] = e
	}
	return e
}

func (h *health) describe(c *signing.Credential) *credentialHealth {
	e := h.entry(c.Name)
	if e.credential == c {
		return e
	}
	e.credential = c
	e.Algorithm, e.Subject, e.NotAfter = string(c.Algorithm), c.Certificate().Subject.String(), c.Certificate().NotAfter
	return e
}

// called records the outcome of a call that used the credential.
func (h *health) called(c *signing.Credential, outcome string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.describe(c)
	if outcome == callReturned {
		e.LastGood = time.Now()
		return
	}
	e.LastFailure, e.Outcome = time.Now(), outcome
}

// callReturned is the outcome of a call that returned its values.
const callReturned = "returned"

// credentials returns at most maxShown credentials by name. If there are more, it keeps those with
// a fault and those that expire first. more is the number of credentials that it leaves out.
func (h *health) credentials() (all []status.Credential, more int) {
	entries := h.entries()
	if more = len(entries) - maxShown; more > 0 {
		slices.SortStableFunc(entries, byUrgency)
		entries = entries[:maxShown]
		slices.SortFunc(entries, byName)
	}
	for i := range entries {
		all = append(all, entries[i].Credential)
	}
	return all, max(0, more)
}

// byUrgency sorts the credentials that need an operator's attention to the front.
func byUrgency(a, b credentialHealth) int {
	wrong := func(c credentialHealth) int {
		if c.Fault != "" || !c.Healthy() {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(wrong(a), wrong(b)), a.NotAfter.Compare(b.NotAfter))
}

func byName(a, b credentialHealth) int { return strings.Compare(a.Name, b.Name) }

// entries returns all known credentials by name. It removes the credentials of client services that
// no longer exist.
func (h *health) entries() []credentialHealth {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]credentialHealth, 0, len(h.seen))
	for name, e := range h.seen {
		if h.gone != nil && h.gone(name) {
			delete(h.seen, name)
			continue
		}
		shown := *e
		shown.judge(time.Now())
		all = append(all, shown)
	}
	slices.SortFunc(all, byName)
	return all
}

var credentialEnd = describe(
	"credential_not_after_timestamp_seconds",
	"End of a credential's certificate, as Unix time; of the client services at the service domain the one that ends first.",
	"credential",
)

var credentialReadable = describe(
	"credential_readable",
	"1 if a credential could be read when it was last asked for, else 0; of the client services at the service domain 0 if any could not.",
	"credential",
)

var credentialValid = describe(
	"credential_valid",
	"1 if a credential's certificate is valid now, else 0: then documents are refused; of the client services at the service domain 0 if any is not.",
	"credential",
)

// Describe implements prometheus.Collector.
func (h *health) Describe(d chan<- *prometheus.Desc) {
	d <- credentialEnd
	d <- credentialValid
	d <- credentialReadable
}

// Collect implements prometheus.Collector.
func (h *health) Collect(out chan<- prometheus.Metric) {
	ends, readable, valid := map[string]time.Time{}, map[string]float64{}, map[string]float64{}
	for _, c := range h.entries() {
		label := credentialLabel(c.Name)
		if end, ok := ends[label]; !c.NotAfter.IsZero() && (!ok || c.NotAfter.Before(end)) {
			ends[label] = c.NotAfter
		}
		if c.credential != nil || c.Invalid {
			if _, ok := valid[label]; !ok {
				valid[label] = 1
			}
			if c.Invalid {
				valid[label] = 0
			}
		}
		if !c.asked {
			continue
		}
		if _, ok := readable[label]; !ok {
			readable[label] = 1
		}
		if c.Fault != "" {
			readable[label] = 0
		}
	}
	for label, v := range valid {
		out <- prometheus.MustNewConstMetric(credentialValid, prometheus.GaugeValue, v, label)
	}
	for label, v := range readable {
		out <- prometheus.MustNewConstMetric(credentialReadable, prometheus.GaugeValue, v, label)
	}
	for label, end := range ends {
		out <- prometheus.MustNewConstMetric(credentialEnd, prometheus.GaugeValue, float64(end.Unix()), label)
	}
}
