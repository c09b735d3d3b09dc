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

// maxShown is how many credentials the status page shows: client services at the service domain
// have one each, and there may be many.
const maxShown = 100

// health remembers how credentials did, for the status page and for alerts: that of each client
// service, or one that ends or cannot be read would go unseen. Safe for concurrent use.
type health struct {
	gone func(name string) bool // whether a credential's client service is not there any more; nil = never

	mu   sync.Mutex
	seen map[string]*credentialHealth
}

type credentialHealth struct {
	status.Credential
	asked      bool                // whether it can be read is known
	unread     *unread             // nil = it can be
	credential *signing.Credential // as it was read last; nil = never
}

// judge notes a certificate that is not valid at now, which the passing of time alone can bring.
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

// configured lists a credential from the start, before anything is known of it.
func (h *health) configured(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entry(name)
}

// read notes how the reading of a credential ended. Details of faults hold no secrets: clients are
// told them. It returns whether the certificate is not valid, and that is news.
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
	// to ask for a certificate brings nobody nearer to being locked out
	e.unread = &unread{at: time.Now(), passes: fault.Retry || e.Invalid}
	if e.Invalid {
		e.Fault = fault.Detail
	} else {
		e.Fault = strings.Trim(string(fault.Kind)+": "+fault.Detail, ": ")
	}
	e.Fault = cmp.Or(e.Fault, "the log says why")
	return e.Invalid && !before
}

// lapsed reports whether a credential could be read, and its certificate is not valid any more.
func (h *health) lapsed(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.seen[name]
	return e != nil && e.credential != nil && e.credential.CheckValidity(time.Now()) != nil
}

// unreadable says why a credential could not be read when it was last asked for; nil = it could, or
// nobody has asked.
func (h *health) unreadable(name string) *unread {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.seen[name]; e != nil {
		return e.unread
	}
	return nil
}

// entry returns a credential's, made where there is none.
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

// called notes how a call ended.
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

// callReturned is the outcome of a call whose values came back.
const callReturned = "returned"

// credentials lists them by name, maxShown at most: those that something is wrong with, and those
// that end first. more is how many are left off.
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

// byUrgency has those first that an operator is looking for.
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

// entries are all that are known, by name. Those of client services that have gone are forgotten.
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
