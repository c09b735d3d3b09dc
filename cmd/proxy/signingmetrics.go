package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// signingMetrics counts the outcomes of operations, documents and calls. Each label has few values.
// No label contains a client or a reference.
type signingMetrics struct {
	operations, documents *prometheus.CounterVec
	calls                 *prometheus.HistogramVec
	batch                 prometheus.Histogram
}

func newSigningMetrics(r prometheus.Registerer) *signingMetrics {
	m := &signingMetrics{
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signstash_operations_ended_total", Help: "Operations that ended, by status.",
		}, []string{"status"}),
		documents: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signstash_documents_ended_total", Help: "Documents that ended, by outcome: signed, or the kind of the error.",
		}, []string{"outcome"}),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "signstash_provider_call_duration_seconds",
			Help:    "Calls to providers, by credential and outcome: returned, refused or unknown.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}, []string{"credential", "outcome"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "signstash_provider_call_digests", Help: "Digests in one call to a provider.",
			Buckets: []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000},
		}),
	}
	for _, outcome := range append([]string{documentSigned, documentInternal}, otherKinds...) {
		m.documents.WithLabelValues(outcome) // Create the series at 0. Otherwise increase() misses the first event.
	}
	r.MustRegister(m.operations, m.documents, m.calls, m.batch)
	return m
}

// Outcomes of documents in addition to the error kinds.
const (
	documentSigned   = "signed"
	documentInternal = "internal"
)

// otherKinds lists the error kinds that the document did not cause.
var otherKinds = []string{
	string(signing.KindProviderCredentials),
	string(signing.KindProviderAccount),
	string(signing.KindProvider),
	string(signing.KindConfiguration),
	string(signing.KindTimestamp),
	string(signing.KindRevocation),
	string(signing.KindCertificate),
	string(signing.KindStorage),
	string(signing.KindAltered),
}

func (m *signingMetrics) operationEnded(status signing.Status) {
	m.operations.WithLabelValues(string(status)).Inc()
}

func (m *signingMetrics) documentEnded(kind signing.Kind, signed bool) {
	outcome := string(kind)
	switch {
	case signed:
		outcome = documentSigned
	case kind == signing.KindInternal:
		outcome = documentInternal
	}
	m.documents.WithLabelValues(outcome).Inc()
}

func (m *signingMetrics) callEnded(c *signing.Credential, digests int, took time.Duration, outcome string) {
	m.calls.WithLabelValues(credentials.Label(c.Name), outcome).Observe(took.Seconds())
	m.batch.Observe(float64(digests))
}
