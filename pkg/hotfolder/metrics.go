package hotfolder

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are gauges and counters by client service.
type metrics struct {
	waiting, incomplete, irregular, inFlight, oldest, readable, scanned *prometheus.GaugeVec
	files, runs, blocked, takenOver                                     *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "signstash_hotfolder_" + name, Help: help},
			[]string{"client_service"})
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "signstash_hotfolder_" + name, Help: help},
			append([]string{"client_service"}, labels...))
	}
	m := &metrics{
		waiting:    gauge("waiting_files", "Files in the input folder, complete or not."),
		incomplete: gauge("incomplete_files", "Files in the input folder that are not complete yet."),
		irregular: gauge(
			"irregular_files",
			"Folders, links and devices in the input folder. They are never opened.",
		),
		inFlight: gauge("runs_in_flight", "Runs that this instance works on."),
		oldest:   gauge("oldest_file_age_seconds", "Age of the oldest file in the input folder."),
		readable: gauge("folder_usable", "1 if the folders of the client service can be used, otherwise 0."),
		scanned:  gauge("last_scan_timestamp_seconds", "When the input folder was listed completely."),
		files: counter(
			"files_total",
			"Files that ended, by result: signed, failed, changed (given back), resumed (delivery began before).",
			"result",
		),
		runs: counter("runs_total", "Runs that this instance started."),
		blocked: counter(
			"blocked_total",
			"How often no file was claimed although files were complete, by reason: queue, output.",
			"reason",
		),
		takenOver: counter("taken_over_runs_total", "Runs that were taken over from other instances."),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.waiting, m.incomplete, m.irregular, m.inFlight, m.oldest, m.readable,
		m.scanned, m.files, m.runs, m.blocked, m.takenOver} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// begin creates the series of a client service at 0, because increase() misses the first event of a
// series that did not exist.
func (m *metrics) begin(client string) {
	for _, result := range []string{"signed", "failed", "changed", "resumed"} {
		m.files.WithLabelValues(client, result)
	}
	for _, reason := range []string{"queue", "output"} {
		m.blocked.WithLabelValues(client, reason)
	}
	m.runs.WithLabelValues(client)
	m.takenOver.WithLabelValues(client)
	m.inFlight.WithLabelValues(client)
}

// end removes the gauges of a client service that has no hot folder any more.
func (m *metrics) end(client string) {
	for _, g := range []*prometheus.GaugeVec{
		m.waiting, m.incomplete, m.irregular, m.inFlight, m.oldest, m.readable, m.scanned,
	} {
		g.DeleteLabelValues(client)
	}
}

func (m *metrics) file(client, result string) { m.files.WithLabelValues(client, result).Inc() }

// usable sets whether the folders can be used.
func (m *metrics) usable(client string, ok bool) {
	value := 0.0
	if ok {
		value = 1
	}
	m.readable.WithLabelValues(client).Set(value)
}

// listed sets what a scan has found.
func (m *metrics) listed(client string, c counts, incomplete int, now time.Time) {
	m.waiting.WithLabelValues(client).Set(float64(c.waiting))
	m.incomplete.WithLabelValues(client).Set(float64(incomplete))
	m.irregular.WithLabelValues(client).Set(float64(c.irregular))
	age := 0.0
	if !c.oldest.IsZero() {
		age = max(now.Sub(c.oldest).Seconds(), 0)
	}
	m.oldest.WithLabelValues(client).Set(age)
	m.scanned.WithLabelValues(client).Set(float64(now.Unix()))
}
