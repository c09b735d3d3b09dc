package credentials

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Descriptions of the metrics. All client services at the service domain share one label value.
var (
	notAfter = describe("not_after_timestamp_seconds", "End of the validity of a credential's certificate, as Unix time; "+
		"for the client services at the service domain that of the certificate that ends first.")
	readable = describe("readable", "1 if the last attempt to read a credential succeeded, else 0; "+
		"for the client services at the service domain 0 if any attempt failed.")
	valid = describe("valid", "1 if a credential's certificate is valid now, else 0. At 0 documents are refused. "+
		"For the client services at the service domain 0 if any certificate is not valid.")
)

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("signstash_credential_"+name, help, []string{"credential"}, nil)
}

// Describe implements prometheus.Collector.
func (h *health) Describe(d chan<- *prometheus.Desc) {
	d <- notAfter
	d <- valid
	d <- readable
}

// Collect implements prometheus.Collector.
func (h *health) Collect(out chan<- prometheus.Metric) {
	ends := make(map[string]time.Time)
	valids, readables := make(allTrue), make(allTrue)
	for _, e := range h.snapshot(time.Now()) {
		label := Label(e.Name)
		if end, ok := ends[label]; !e.NotAfter.IsZero() && (!ok || e.NotAfter.Before(end)) {
			ends[label] = e.NotAfter
		}
		if e.credential != nil || e.Invalid {
			valids.add(label, !e.Invalid)
		}
		if e.probed {
			readables.add(label, e.Fault == "")
		}
	}
	for label, end := range ends {
		out <- prometheus.MustNewConstMetric(notAfter, prometheus.GaugeValue, float64(end.Unix()), label)
	}
	valids.collect(valid, out)
	readables.collect(readable, out)
}

// allTrue holds, for each label value, whether all conditions that were added to it are true.
type allTrue map[string]bool

func (a allTrue) add(label string, condition bool) {
	if before, ok := a[label]; ok {
		condition = condition && before
	}
	a[label] = condition
}

// collect sends one gauge for each label value: 1 for true, 0 for false.
func (a allTrue) collect(d *prometheus.Desc, out chan<- prometheus.Metric) {
	for label, condition := range a {
		v := 0.0
		if condition {
			v = 1
		}
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, label)
	}
}
