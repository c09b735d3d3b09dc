package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// The load cases measure what much at a time costs: memory of concurrent requests and of what is
// queued.

const (
	loadClients   = 20 // concurrent requests of 50 x 200 KB
	loadDocuments = 50
	loadBatch     = 2500   // documents of an async request
	loadSize      = 20_000 // bytes of each of them
	loadQueued    = 4      // requests queued while the remote side is held
	loadSenders   = 8      // that send requests of one document

	loadRSS = 160 // goal, in MiB
)

// batch is how many documents an async request of the load cases has.
func (b *bench) batch() int {
	if b.documents > 0 {
		return b.documents
	}
	return loadBatch
}

// concurrent sends all requests at once.
func (b *bench) concurrent(ctx context.Context) error {
	return b.withDocuments(loadDocuments, 200_000, func(dir string, docs []document) error {
		return withProxy(ctx, b.binary, dir, func(p *instance.Instance, c *client.Client) error {
			watch := watchState(filepath.Join(dir, "state"))
			start := time.Now()
			err := atOnce(loadClients, loadClients, func(i int) error {
				op, err := c.Sign(ctx, newRequest(fmt.Sprint("concurrent-", i), docs), &discard{})
				if err != nil {
					return err
				}
				return allSigned(op, len(docs))
			})
			took, state := time.Since(start), watch.stop()
			memory, merr := p.Memory()
			if err := errors.Join(err, merr); err != nil {
				return err
			}
			what := fmt.Sprintf("%d concurrent sync requests of %d x 200 KB", loadClients, loadDocuments)
			fmt.Printf("%s   %s\n", what, ms(took))
			b.goals.rss(what, memory.Peak, loadRSS)
			b.goals.disk(what, state, total(docs)*loadClients, loadClients*loadDocuments)
			return nil
		})
	})
}

// queued has few large requests wait for the remote side.
func (b *bench) queued(ctx context.Context) error {
	return b.withDocuments(b.batch(), loadSize, func(dir string, docs []document) error {
		return b.held(
			ctx,
			dir,
			fmt.Sprintf("%d async documents queued, %d in a request", loadQueued*len(docs), len(docs)),
			held{
				requests: loadQueued, senders: 1, documents: func(int) []document { return docs },
			},
		)
	})
}

// single has as many documents wait, each in a request of its own.
func (b *bench) single(ctx context.Context) error {
	return b.withDocuments(b.batch(), loadSize, func(dir string, docs []document) error {
		return b.held(ctx, dir, fmt.Sprintf("%d async documents queued, 1 in a request", loadQueued*len(docs)), held{
			requests: loadQueued * len(
				docs,
			),
			senders:   loadSenders,
			documents: func(i int) []document { return docs[i%len(docs):][:1] },
		})
	})
}

// held is what is sent while the remote side is held.
type held struct {
	requests, senders int
	documents         func(request int) []document
}

// held holds the remote side until all is accepted, and judges the memory until all is signed.
func (b *bench) held(ctx context.Context, dir, what string, h held) error {
	remote, err := service.New(service.Options{
		ClientServices: map[string]string{clientID: secret}, Credentials: []service.Credential{{Multisign: remoteMultisign}},
	})
	if err != nil {
		return err
	}
	defer remote.Close()
	server := httptest.NewServer(remote)
	defer server.Close()
	return withProxy(ctx, b.binary, dir, func(p *instance.Instance, c *client.Client) error {
		remote.Hold()
		err := atOnce(h.requests, h.senders, func(i int) error {
			_, err := c.SignAsync(ctx, newRequest(fmt.Sprint("queued-", i), h.documents(i)))
			return err
		})
		queued, merr := p.Memory()
		remote.Release()
		if err := errors.Join(err, merr); err != nil {
			return err
		}
		err = atOnce(h.requests, h.senders, func(i int) error { return executed(ctx, c, fmt.Sprint("queued-", i)) })
		done, merr := p.Memory()
		if err := errors.Join(err, merr); err != nil {
			return err
		}
		fmt.Printf("%s   RSS %d MiB\n", what, queued.Now>>20)
		b.goals.rss(what+", then signed", done.Peak, loadRSS)
		return nil
	}, "--einvoice-integration-client.service.domain="+server.URL,
		"--limits.client.rate=0",    // what is measured is the queue, not the limit in front of it
		"--signing.call.timeout=1h") // those that are held must not be given up
}

// executed waits for an operation and tells if it ended otherwise than signed.
func executed(ctx context.Context, c *client.Client, reference string) error {
	op, err := c.Wait(ctx, reference)
	if err != nil {
		return fmt.Errorf("wait for %s: %w", reference, err)
	}
	if op.Status != client.StatusExecuted {
		return fmt.Errorf("%s ended %s", reference, op.Status)
	}
	return nil
}

// atOnce does count things, so many at a time, and returns the faults. After one nothing more is
// begun.
func atOnce(count, workers int, do func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Bool
	errs := make([]error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < count && !failed.Load(); i = int(next.Add(1)) - 1 {
				if errs[w] = do(i); errs[w] != nil {
					failed.Store(true)
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// withDocuments makes documents in a folder that goes when do has ended.
func (b *bench) withDocuments(count int, size int64, do func(dir string, docs []document) error) error {
	dir, err := os.MkdirTemp(b.temp, "bench-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	docs, err := makeDocuments(dir, count, size, 0)
	if err != nil {
		return err
	}
	return do(dir, docs)
}
