package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

const (
	remoteLatency   = 100 * time.Millisecond // of each answer
	remoteMultisign = 100
	remoteInFlight  = 4 // the proxy's default
	remoteRuns      = 5
	remoteBatch     = 2500
)

// remote measures signing with a remote key: how well independent requests are merged into shared
// calls, and how close a large batch comes to the time that the remote service alone takes. Both
// are ratios within this run.
func (b *bench) remote(ctx context.Context) error {
	documents := b.documents
	dir, err := os.MkdirTemp(b.temp, "bench-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if documents == 0 {
		documents = remoteBatch
	}
	docs, err := makeDocuments(dir, max(documents, 50), 200_000, 0)
	if err != nil {
		return err
	}
	remote, err := service.New(service.Options{
		Latency:        remoteLatency,
		ClientServices: map[string]string{clientID: secret},
		Credentials:    []service.Credential{{Multisign: remoteMultisign}},
	})
	if err != nil {
		return err
	}
	defer remote.Close()
	server := httptest.NewServer(remote)
	defer server.Close()

	var together, one, batch, local time.Duration
	err = withProxy(ctx, b.binary, filepath.Join(dir, "remote"), func(p *instance.Instance, c *client.Client) (err error) {
		if together, one, err = fiftyAndFifty(ctx, p, c, docs[:50]); err != nil {
			return err
		}
		batch, err = asyncBatch(ctx, p, c, docs[:documents])
		return err
	}, "--einvoice-integration-client.service.domain="+server.URL)
	if err != nil {
		return err
	}
	err = withProxy(ctx, b.binary, filepath.Join(dir, "local"), func(p *instance.Instance, c *client.Client) (err error) {
		local, err = asyncBatch(ctx, p, c, docs[:documents])
		return err
	})
	if err != nil {
		return err
	}
	calls := (documents + remoteMultisign - 1) / remoteMultisign
	formula := time.Duration(calls)*2*remoteLatency/remoteInFlight + local // authorize and signHash
	fmt.Printf("remote key (100 ms an answer, multisign 100, %d calls in flight), 200 KB a document\n", remoteInFlight)
	fmt.Printf("  50 concurrent sync requests of 1   %s, one of 50 %s\n", ms(together), ms(one))
	fmt.Printf("  async %d   %s; %d x 200 ms / %d + local key %s = %s\n",
		documents, ms(batch), calls, remoteInFlight, ms(local), ms(formula))
	b.goals.atMost("remote: 50 sync requests of 1 / one of 50", ratio(together, one), 1.5, "")
	what := fmt.Sprintf("remote: async %d / (the remote service's time + the same with a local key)", documents)
	b.goals.atMost(what, ratio(batch, formula), 1.3, "")
	return nil
}

// withProxy starts a proxy with the given flags, calls do, and kills the proxy.
func withProxy(ctx context.Context, binary, dir string, do func(*instance.Instance, *client.Client) error,
	flags ...string) error {
	o := instance.Options{
		Binary: binary,
		Work:   filepath.Join(dir, "work"),
		State:  filepath.Join(dir, "state"),
		Args:   flags,
		Env:    []string{onCores},
	}
	if err := instance.WriteClients(o.Work, map[string]string{clientID: secret}); err != nil {
		return err
	}
	p, err := instance.Start(ctx, o)
	if err != nil {
		return err
	}
	defer p.Kill()
	c, err := client.New(client.Config{URL: p.URL, ClientID: clientID, Secret: secret, Basic: true})
	if err != nil {
		return err
	}
	return do(p, c)
}

// fiftyAndFifty sends the documents as concurrent requests of one document, and as one request, in
// turn, and returns the median time of each.
func fiftyAndFifty(ctx context.Context, p *instance.Instance, c *client.Client, docs []document) (
	together, single time.Duration, err error) {
	whole := scenario{documents: len(docs)}
	var apart, wholes []time.Duration
	for run := range remoteRuns + 1 {
		start := time.Now()
		if err := concurrently(ctx, c, run, docs); err != nil {
			return 0, 0, err
		}
		took := time.Since(start)
		s, err := oneRequest(ctx, p, c, whole, fmt.Sprint("fifty-", run), docs)
		if err != nil {
			return 0, 0, err
		}
		if run > 0 { // the first run is a warm-up
			apart, wholes = append(apart, took), append(wholes, s)
		}
	}
	slices.Sort(apart)
	slices.Sort(wholes)
	return apart[len(apart)/2], wholes[len(wholes)/2], nil
}

func concurrently(ctx context.Context, c *client.Client, run int, docs []document) error {
	errs := make([]error, len(docs))
	var all sync.WaitGroup
	for i := range docs {
		all.Go(func() {
			op, err := c.Sign(ctx, newRequest(fmt.Sprintf("apart-%d-%d", run, i), docs[i:i+1]), &discard{})
			if err == nil && op.Status != client.StatusExecuted {
				err = fmt.Errorf("request %d is %s", i, op.Status)
			}
			errs[i] = err
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// asyncBatch returns the time from the request until the last document is signed.
func asyncBatch(ctx context.Context, p *instance.Instance, c *client.Client, docs []document) (time.Duration, error) {
	return oneRequest(ctx, p, c, scenario{documents: len(docs), async: true}, "batch", docs)
}

func oneRequest(ctx context.Context, p *instance.Instance, c *client.Client, s scenario, reference string,
	docs []document) (time.Duration, error) {
	took, err := one(ctx, c, p, s, reference, docs)
	return took.wall, err
}
