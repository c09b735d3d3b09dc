package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// loadCase measures what much at a time costs: memory of concurrent requests, memory of what is queued, and whether a document costs the
// same when many have gone before it.
const loadCase = "load"

const (
	loadClients   = 20 // concurrent requests of 50 x 200 KB
	loadDocuments = 50
	loadBatch     = 2500   // documents of an async request
	loadSize      = 20_000 // bytes of each of them
	loadQueued    = 4      // requests queued while the remote side is held
	loadMany      = 40     // requests one after the other
)

// benchLoad prints its own lines.
func benchLoad(ctx context.Context, binary, temp string) error {
	dir, err := os.MkdirTemp(temp, "bench-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	fmt.Println("load")
	for _, part := range []func(context.Context, string, string) error{benchConcurrent, benchQueued, benchMany} {
		if err := part(ctx, binary, dir); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

// benchConcurrent sends all requests at once.
func benchConcurrent(ctx context.Context, binary, dir string) error {
	docs, err := makeDocuments(dir, loadDocuments, 200_000, 0)
	if err != nil {
		return err
	}
	return withProxy(ctx, binary, filepath.Join(dir, "concurrent"), func(p *instance.Instance, c *client.Client) error {
		watch := watchState(filepath.Join(dir, "concurrent", "state"))
		errs := make([]error, loadClients)
		var all sync.WaitGroup
		start := time.Now()
		for i := range loadClients {
			all.Go(func() {
				op, err := c.Sign(ctx, newRequest(fmt.Sprint("concurrent-", i), docs), &discard{})
				if err == nil {
					err = allSigned(op, len(docs))
				}
				errs[i] = err
			})
		}
		all.Wait()
		took, state := time.Since(start), watch.stop()
		memory, err := p.Memory()
		if err := errors.Join(append(errs, err)...); err != nil {
			return err
		}
		payload := total(docs) * loadClients
		bound := int64(float64(payload)*1.05) + loadClients*loadDocuments*40<<10 + 16<<20
		fmt.Printf("  %d concurrent sync requests of %d x 200 KB   %s, peak RSS %d MiB (goal: 160 at most), peak state %.2f of its bound (1.05 x payload + 40 KB a document + 16 MB)\n",
			loadClients, loadDocuments, ms(took), memory.Peak>>20, float64(state)/float64(bound))
		return nil
	})
}

// benchQueued holds the remote side until all is accepted.
func benchQueued(ctx context.Context, binary, dir string) error {
	docs, err := makeDocuments(dir, loadBatch, loadSize, 0)
	if err != nil {
		return err
	}
	remote, err := service.New(service.Options{
		ClientServices: map[string]string{clientID: secret}, Credentials: []service.Credential{{Multisign: remoteMultisign}},
	})
	if err != nil {
		return err
	}
	defer remote.Close()
	server := httptest.NewServer(remote)
	defer server.Close()
	return withProxy(ctx, binary, filepath.Join(dir, "queued"), func(p *instance.Instance, c *client.Client) error {
		remote.Hold()
		for i := range loadQueued {
			if _, err := c.SignAsync(ctx, newRequest(fmt.Sprint("queued-", i), docs)); err != nil {
				return err
			}
		}
		queued, err := p.Memory()
		if err != nil {
			return err
		}
		remote.Release()
		for i := range loadQueued {
			if op, err := c.Wait(ctx, fmt.Sprint("queued-", i)); err != nil || op.Status != client.StatusExecuted {
				return fmt.Errorf("queued request %d: %+v, %w", i, op, err)
			}
		}
		done, err := p.Memory()
		fmt.Printf("  %d async documents queued                  RSS %d MiB, peak until all are signed %d MiB (goal: 160 at most)\n",
			loadQueued*loadBatch, queued.Now>>20, done.Peak>>20)
		return err
	}, "--einvoice-integration-client.service.domain="+server.URL)
}

// benchMany compares the last requests with the first ones, after a warm-up.
func benchMany(ctx context.Context, binary, dir string) error {
	docs, err := makeDocuments(dir, loadBatch, loadSize, 0)
	if err != nil {
		return err
	}
	return withProxy(ctx, binary, filepath.Join(dir, "many"), func(p *instance.Instance, c *client.Client) error {
		if _, err := one(ctx, c, p, scenario{documents: loadBatch, async: true}, "warm-up", docs); err != nil {
			return err
		}
		var runs []sample
		var early instance.Memory
		for i := range loadMany {
			s, err := one(ctx, c, p, scenario{documents: loadBatch, async: true}, fmt.Sprint("many-", i), docs)
			if err != nil {
				return err
			}
			runs = append(runs, s)
			if i == 3 {
				if early, err = p.Memory(); err != nil {
					return err
				}
			}
		}
		late, err := p.Memory()
		if err != nil {
			return err
		}
		wall := func(s sample) time.Duration { return s.wall }
		cpu := func(s sample) time.Duration { return s.proxy }
		first, last := runs[:5], runs[len(runs)-5:]
		fmt.Printf("  %d documents of 20 KB, %d in a request   the last %d of them cost %.2f of the CPU and %.2f of the time of the first (goal: 1.1 at most); "+
			"RSS %d MiB after 10,000, %d MiB after all, peak %d MiB\n",
			loadMany*loadBatch, loadBatch, 5*loadBatch, ratio(mean(last, cpu), mean(first, cpu)), ratio(median(last, wall), median(first, wall)),
			early.Now>>20, late.Now>>20, late.Peak>>20)
		return nil
	})
}
