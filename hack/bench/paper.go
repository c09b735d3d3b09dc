package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// paperFor is the number of documents that the case million-paper calculates the needs of.
const paperFor = 10_000_000

// paper measures what a proxy keeps for each operation and each document, and calculates from it
// what ten million need.
func (b *bench) paper(ctx context.Context) error {
	n := loadQueued * b.batch()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "kept for each of %d documents of 20 KB\tmetadata.db\tfiles\taudit\tmemory\ttime of a start\n", n)
	for _, each := range []int{b.batch(), 1} {
		k, err := b.keep(ctx, n/each, each)
		if err != nil {
			return err
		}
		one := func(v int64) float64 { return max(float64(v)/float64(n), 0) }
		fmt.Fprintf(w, "%d in a request\t%.0f bytes\t%.0f bytes\t%.0f bytes\t%.0f bytes\t%.1f us\n", each,
			one(k.database), one(k.files), one(k.audit), one(k.memory), one(int64(k.start))/1e3)
		all := func(v int64) float64 { return one(v) * paperFor }
		fmt.Fprintf(w, "  %d of them need\t%.1f GB\t%.0f GB\t%.1f GB\t%.0f MB\t%.0f s\n", paperFor, all(k.database)/1e9,
			all(k.files)/1e9, all(k.audit)/1e9, all(k.memory)/1e6, all(int64(k.start))/1e9)
	}
	w.Flush()
	fmt.Print(`
The audit record is kept for ever, unless --audit.keep says otherwise. All others are kept until the operation is removed
(--retention.age, --retention.fetched, --retention.size). Files and database are those of a stopped proxy, without what
an empty state folder has. "memory" is how much more RSS a proxy has after it has started with all of them, and "time of
a start" how much longer it takes to become ready.
`)
	return nil
}

// kept is what a proxy keeps for some documents, in bytes.
type kept struct {
	database, audit, files, memory int64
	start                          time.Duration // how much longer a proxy that holds them starts
}

// keep signs documents in requests that have each documents, and measures what is kept of them.
func (b *bench) keep(ctx context.Context, requests, each int) (k kept, err error) {
	err = b.withDocuments(each, loadSize, func(dir string, docs []document) error {
		state := filepath.Join(dir, "state")
		if err := b.fill(ctx, dir, "warm-up-", 1, docs); err != nil {
			return err
		}
		before := sizes(state)
		empty, err := b.startUp(ctx, dir)
		if err != nil {
			return err
		}
		if err := b.fill(ctx, dir, "kept-", requests, docs); err != nil {
			return err
		}
		after := sizes(state)
		full, err := b.startUp(ctx, dir)
		k = kept{
			database: after[0] - before[0], audit: after[1] - before[1], files: after[2] - before[2],
			memory: full.memory - empty.memory, start: full.start - empty.start,
		}
		return err
	})
	return k, err
}

// fill signs count requests at a proxy with the state in dir, and stops it.
func (b *bench) fill(ctx context.Context, dir, prefix string, count int, docs []document) error {
	return withProxy(ctx, b.binary, dir, func(p *instance.Instance, c *client.Client) error {
		err := atOnce(count, loadSenders, func(i int) error {
			reference := fmt.Sprint(prefix, i)
			if _, err := c.SignAsync(ctx, newRequest(reference, docs)); err != nil {
				return err
			}
			return executed(ctx, c, reference)
		})
		return errors.Join(err, p.Stop(ctx))
	}, "--limits.client.rate=0")
}

// startUp measures a start of a proxy with the state in dir, and stops it.
func (b *bench) startUp(ctx context.Context, dir string) (k kept, err error) {
	began := time.Now()
	err = withProxy(ctx, b.binary, dir, func(p *instance.Instance, _ *client.Client) error {
		k.start = time.Since(began)
		memory, err := p.Memory()
		k.memory = memory.Now
		return errors.Join(err, p.Stop(ctx))
	})
	return k, err
}

// sizes returns the bytes of the database, the audit record and the files of the operations.
func sizes(state string) [3]int64 {
	return [3]int64{
		folderSize(filepath.Join(state, "metadata.db")), folderSize(filepath.Join(state, "audit")),
		folderSize(filepath.Join(state, "operations")),
	}
}
