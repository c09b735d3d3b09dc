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

// maxCredentials bounds what is remembered: client services at the service domain have a credential each, and there may be many. The one
// that was used least recently goes.
const maxCredentials = 100

// health remembers how credentials did, for the status page and for alerts. Safe for concurrent use.
type health struct {
	gone func(name string) bool // whether a credential's client service is not there any more; nil = never

	mu   sync.Mutex
	seen map[string]*credentialHealth
}

type credentialHealth struct {
	status.Credential
	used       time.Time
	configured bool    // by name: it is there whether it is used or not
	asked      bool    // whether it can be read is known
	unread     *unread // nil = it can be
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
	h.entry(name).configured = true
}

// read notes how the reading of a credential ended. Details of faults hold no secrets: clients are told them.
func (h *health) read(name string, c *signing.Credential, fault *signing.Error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.entry(name)
	e.asked, e.Fault, e.unread = true, "", nil
	if fault != nil {
		e.unread = &unread{at: time.Now(), passes: fault.Retry}
		e.Fault = strings.Trim(string(fault.Kind)+": "+fault.Detail, ": ")
		e.Fault = cmp.Or(e.Fault, "the log says why")
		return
	}
	if c != nil && !c.Certificate().NotAfter.Equal(e.NotAfter) {
		h.describe(c)
	}
}

// unreadable says why a credential could not be read when it was last asked for; nil = it could, or nobody has asked.
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
		if len(h.seen) >= maxCredentials {
			h.forgetOne()
		}
		e = &credentialHealth{Credential: status.Credential{Name: name}}
		h.seen[name] = e
	}
	e.used = time.Now()
	return e
}

func (h *health) forgetOne() {
	oldest := ""
	for name, e := range h.seen {
		if e.configured {
			continue
		}
		if oldest == "" || e.used.Before(h.seen[oldest].used) {
			oldest = name
		}
	}
	delete(h.seen, oldest)
}

func (h *health) describe(c *signing.Credential) *credentialHealth {
	e := h.entry(c.Name)
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

// credentials lists them by name.
func (h *health) credentials() []status.Credential {
	entries := h.entries()
	all := make([]status.Credential, len(entries))
	for i := range entries {
		all[i] = entries[i].Credential
	}
	return all
}

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
		all = append(all, *e)
	}
	slices.SortFunc(all, func(a, b credentialHealth) int { return strings.Compare(a.Name, b.Name) })
	return all
}

var credentialEnd = describe("credential_not_after_timestamp_seconds",
	"End of a credential's certificate, as Unix time; of the client services at the service domain the one that ends first.", "credential")

var credentialReadable = describe("credential_readable",
	"1 if a credential could be read when it was last asked for, else 0; of the client services at the service domain 0 if any could not.", "credential")

// Describe implements prometheus.Collector.
func (h *health) Describe(d chan<- *prometheus.Desc) {
	d <- credentialEnd
	d <- credentialReadable
}

// Collect implements prometheus.Collector.
func (h *health) Collect(out chan<- prometheus.Metric) {
	ends, readable := map[string]time.Time{}, map[string]float64{}
	for _, c := range h.entries() {
		label := credentialLabel(c.Name)
		if end, ok := ends[label]; !c.NotAfter.IsZero() && (!ok || c.NotAfter.Before(end)) {
			ends[label] = c.NotAfter
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
	for label, v := range readable {
		out <- prometheus.MustNewConstMetric(credentialReadable, prometheus.GaugeValue, v, label)
	}
	for label, end := range ends {
		out <- prometheus.MustNewConstMetric(credentialEnd, prometheus.GaugeValue, float64(end.Unix()), label)
	}
}
