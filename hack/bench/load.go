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

// The load cases measure the memory that concurrent requests and queued documents take.

const (
	loadClients   = 20 // concurrent requests of 50 x 200 KB
	loadDocuments = 50
	loadBatch     = 2500   // documents of an async request
	loadSize      = 20_000 // bytes of each of them
	loadQueued    = 4      // requests queued while the remote service is held
	loadSenders   = 8      // goroutines that send requests of one document

	loadRSS = 160 // goal, in MiB
)

// batch returns how many documents an async request of the load cases has.
func (b *bench) batch() int {
	if b.documents > 0 {
		return b.documents
	}
	return loadBatch
}

// concurrent sends all requests at the same time.
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

// queued makes a few large requests wait for the remote service.
func (b *bench) queued(ctx context.Context) error {
	return b.withDocuments(b.batch(), loadSize, func(dir string, docs []document) error {
		what := fmt.Sprintf("%d async documents queued, %d in a request", loadQueued*len(docs), len(docs))
		return b.held(ctx, dir, what, held{
			requests: loadQueued, senders: 1, documents: func(int) []document { return docs },
		})
	})
}

// single makes the same number of documents wait, each in its own request.
func (b *bench) single(ctx context.Context) error {
	return b.withDocuments(b.batch(), loadSize, func(dir string, docs []document) error {
		return b.held(ctx, dir, fmt.Sprintf("%d async documents queued, 1 in a request", loadQueued*len(docs)), held{
			requests:  loadQueued * len(docs),
			senders:   loadSenders,
			documents: func(i int) []document { return docs[i%len(docs):][:1] },
		})
	})
}

// held describes what is sent while the remote service is held.
type held struct {
	requests, senders int
	documents         func(request int) []document
}

// held holds the remote service until all requests are accepted. It judges the peak memory after
// all documents are signed.
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
		"--limits.client.rate=0",    // measure the queue, not the limit in front of it
		"--signing.call.timeout=1h") // calls that are held must not time out
}

// executed waits for an operation, and returns an error if it did not end as signed.
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

// atOnce calls do for 0 to count-1, workers calls at a time, and returns all errors. After an error
// it starts no further calls.
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

// withDocuments creates documents in a temporary folder, calls do, and removes the folder.
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
