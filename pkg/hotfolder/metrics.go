package hotfolder

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are gauges and counters by client service.
type metrics struct {
	waiting, incomplete, irregular, inFlight, oldest, readable, scanned *prometheus.GaugeVec
	longestWait, maxWait, scanInterval, unreadable, abandoned           *prometheus.GaugeVec
	files, runs, blocked, takenOver                                     *prometheus.CounterVec
	board                                                               board
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
		abandoned: gauge(
			"abandoned_runs",
			"Runs in an input folder that is not configured any more. Nobody works on them.",
		),
		unreadable: gauge("unreadable_files", "Files in the input folder that cannot be examined or read."),
		inFlight:   gauge("runs_in_flight", "Runs that this instance works on."),
		oldest:     gauge("oldest_file_age_seconds", "Age of the oldest file in the input folder."),
		readable:   gauge("folder_usable", "1 if the folders of the client service can be used, otherwise 0."),
		scanned:    gauge("last_scan_timestamp_seconds", "When the input folder was listed completely."),
		longestWait: gauge(
			"longest_wait_seconds",
			"How long this instance has seen the file that waits longest, at most since its start.",
		),
		maxWait: gauge(
			"max_wait_seconds",
			"How long a file waits at most if everything works. It is missing if there is no limit, because files below "+
				"the threshold wait for ever.",
		),
		scanInterval: gauge("scan_interval_seconds", "Planned time between two scans of the input folder."),
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
		m.scanned, m.longestWait, m.maxWait, m.scanInterval, m.unreadable, m.abandoned, m.files, m.runs,
		m.blocked, m.takenOver} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// begin creates the series of a client service at 0, because increase() misses the first event of a
// series that did not exist.
func (m *metrics) begin(client string, cfg *Config) {
	for _, result := range []string{"signed", "failed", "changed", "resumed"} {
		m.files.WithLabelValues(client, result)
	}
	for _, reason := range []string{"queue", "output"} {
		m.blocked.WithLabelValues(client, reason)
	}
	m.runs.WithLabelValues(client)
	m.takenOver.WithLabelValues(client)
	m.inFlight.WithLabelValues(client)
	if limit := cfg.waitLimit(); limit > 0 {
		m.maxWait.WithLabelValues(client).Set(limit.Seconds())
	}
}

// end removes the gauges of a client service that has no hot folder any more.
func (m *metrics) end(client string) {
	for _, g := range []*prometheus.GaugeVec{
		m.waiting, m.incomplete, m.irregular, m.inFlight, m.oldest, m.readable, m.scanned, m.longestWait, m.maxWait,
		m.scanInterval, m.unreadable,
	} {
		g.DeleteLabelValues(client)
	}
	m.board.remove(client)
}

func (m *metrics) file(client, result string) { m.files.WithLabelValues(client, result).Inc() }

// usable sets whether the folders can be used; nil = they can.
func (m *metrics) usable(client string, err error) {
	m.board.fault(client, err, time.Now())
	value := 0.0
	if err == nil {
		value = 1
	}
	m.readable.WithLabelValues(client).Set(value)
}

// working sets how many runs this instance works on.
func (m *metrics) working(client string, runs int) {
	m.inFlight.WithLabelValues(client).Set(float64(runs))
	m.board.change(client, func(s *Status) { s.Runs = runs })
}

// started counts a run that this instance has started.
func (m *metrics) started(client string, now time.Time) {
	m.runs.WithLabelValues(client).Inc()
	m.board.change(client, func(s *Status) { s.LastRun = now })
}

// listed sets what a scan has found. The next scan is planned after interval.
func (m *metrics) listed(client string, w *window, incomplete int, now time.Time, interval time.Duration) {
	c := w.counts
	wait := w.longestWait(now)
	m.longestWait.WithLabelValues(client).Set(wait.Seconds())
	m.scanInterval.WithLabelValues(client).Set(interval.Seconds())
	m.board.change(client, func(s *Status) {
		s.LastScan, s.Waiting, s.Incomplete, s.Irregular, s.OldestWait = now, c.waiting, incomplete, c.irregular, wait
	})
	m.waiting.WithLabelValues(client).Set(float64(c.waiting))
	m.incomplete.WithLabelValues(client).Set(float64(incomplete))
	m.irregular.WithLabelValues(client).Set(float64(c.irregular))
	m.unreadable.WithLabelValues(client).Set(float64(w.unreadable()))
	age := 0.0
	if !c.oldest.IsZero() {
		age = max(now.Sub(c.oldest).Seconds(), 0)
	}
	m.oldest.WithLabelValues(client).Set(age)
	m.scanned.WithLabelValues(client).Set(float64(now.Unix()))
}
