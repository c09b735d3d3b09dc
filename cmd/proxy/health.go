package main

import (
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
	mu   sync.Mutex
	seen map[string]*credentialHealth
}

type credentialHealth struct {
	status.Credential
	used time.Time
}

func newHealth(r prometheus.Registerer) *health {
	h := &health{seen: make(map[string]*credentialHealth)}
	r.MustRegister(h)
	return h
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
		if oldest == "" || e.used.Before(h.seen[oldest].used) {
			oldest = name
		}
	}
	delete(h.seen, oldest)
}

// known notes what a credential is.
func (h *health) known(c *signing.Credential) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.describe(c)
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
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]status.Credential, 0, len(h.seen))
	for _, e := range h.seen {
		all = append(all, e.Credential)
	}
	slices.SortFunc(all, func(a, b status.Credential) int { return strings.Compare(a.Name, b.Name) })
	return all
}

var credentialEnd = describe("credential_not_after_timestamp_seconds",
	"End of a credential's certificate, as Unix time; of the client services at the service domain the one that ends first.", "credential")

// Describe implements prometheus.Collector.
func (h *health) Describe(d chan<- *prometheus.Desc) { d <- credentialEnd }

// Collect implements prometheus.Collector.
func (h *health) Collect(out chan<- prometheus.Metric) {
	ends := map[string]time.Time{}
	for _, c := range h.credentials() {
		label := credentialLabel(c.Name)
		if end, ok := ends[label]; !ok || c.NotAfter.Before(end) {
			ends[label] = c.NotAfter
		}
	}
	for label, end := range ends {
		out <- prometheus.MustNewConstMetric(credentialEnd, prometheus.GaugeValue, float64(end.Unix()), label)
	}
}
