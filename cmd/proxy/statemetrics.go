package main

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// scrapeTimeout bounds the time that a scrape waits for the store. By default Prometheus gives up
// after ten seconds.
const scrapeTimeout = 5 * time.Second

// stateCollector reads gauges and durable counters at each scrape. It leaves out values that the
// store cannot read.
type stateCollector struct {
	service   *signing.Service
	store     *store.Store
	maxQueued int // in documents
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("signstash_"+name, help, labels, nil)
}

// Descriptions of the metrics of stateCollector.
var (
	queuedDocuments = describe("queued_documents", "Documents that are accepted and have not ended.")
	queuedLimit     = describe("queued_documents_limit",
		"Most documents that may be accepted and not ended at the same time.")
	activeOperations = describe("active_operations", "Operations that are being worked on.")
	oldestQueued     = describe("oldest_operation_age_seconds", "Age of the oldest operation that has not ended.")
	unstoredValues   = describe("unstored_values",
		"Signature values that are kept in memory because the state folder cannot store them.")
	signatures = describe("signatures_total",
		"Digests since the state folder was created, by outcome: sent, returned, unknown, refused.", "outcome")
	storedBytes  = describe("stored_bytes", "Bytes in the state folder, by kind: documents, uploads, metadata.", "kind")
	freeBytes    = describe("disk_free_bytes", "Free bytes of the state folder's disk.")
	minFreeBytes = describe("disk_min_free_bytes", "Free bytes below which new operations are refused (--disk.min-free).")
	diskBytes    = describe("disk_size_bytes", "Size of the state folder's disk, if it is known.")
	operations   = describe("stored_operations", "Operations in the state folder.")
	lostFiles    = describe("lost_files",
		"Files with documents that the database does not know, in the folder lost inside the state folder.")
	earlierIDs = describe(
		"earlier_ids_total",
		"Requests for operations of this ordinal that are older than its state folder. "+
			"The volume is new, or the state was deleted.",
	)
	keyClaims = describe("key_claims",
		"Claims of Idempotency-Keys in the state folder, of this instance and for others.")
	uncopiedClaims = describe("key_claims_uncopied",
		"Claims of Idempotency-Keys that are lost with the volume of this instance, because no other instance has a copy.")
	clockJump = describe("clock_jump_seconds",
		"How far the clock has jumped ahead, while retention ignores the jump; else 0.")
	stateWritable = describe("state_writable",
		"1 while the state folder is writable and has room for new operations, else 0. At 0 they are refused.")
)

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(d chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		queuedDocuments, queuedLimit, activeOperations, oldestQueued, unstoredValues, signatures, storedBytes,
		freeBytes, minFreeBytes, diskBytes, operations, lostFiles, earlierIDs, keyClaims, uncopiedClaims, clockJump,
		stateWritable,
	} {
		d <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	q := c.service.Stats()
	gauge(queuedDocuments, float64(q.QueuedDocuments))
	gauge(queuedLimit, float64(c.maxQueued))
	gauge(activeOperations, float64(q.ActiveOperations))
	gauge(oldestQueued, q.OldestQueued.Seconds())
	gauge(unstoredValues, float64(q.UnstoredValues))
	writable := 0.0
	if c.store.Check(ctx) == nil {
		writable = 1
	}
	gauge(stateWritable, writable)
	if st, err := c.store.Stats(ctx); err == nil {
		gauge(storedBytes, float64(st.StoredBytes), "documents")
		gauge(storedBytes, float64(st.UploadingBytes), "uploads")
		gauge(storedBytes, float64(st.MetadataBytes), "metadata")
		gauge(freeBytes, float64(st.FreeBytes))
		gauge(minFreeBytes, float64(st.MinFreeBytes))
		if st.DiskBytes != math.MaxInt64 {
			gauge(diskBytes, float64(st.DiskBytes))
		}
		gauge(operations, float64(st.Operations))
		gauge(lostFiles, float64(st.LostFiles))
		out <- prometheus.MustNewConstMetric(earlierIDs, prometheus.CounterValue, float64(st.EarlierIDs))
		gauge(keyClaims, float64(st.Claims))
		gauge(uncopiedClaims, float64(st.UncopiedClaims))
		gauge(clockJump, st.ClockJump.Seconds())
	}
	if n, err := c.store.Counters(ctx); err == nil {
		for outcome, v := range map[string]int64{
			"sent": n.Sent, "returned": n.Returned, "unknown": n.Unknown, "refused": n.Refused,
		} {
			out <- prometheus.MustNewConstMetric(signatures, prometheus.CounterValue, float64(v), outcome)
		}
	}
}
