package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

const (
	manyRequests = 40 // of 2,500 documents, one after the other at one proxy
	manyFresh    = 3  // proxies that sign only 2,500 documents, before and again after
	manyLast     = 5  // number of requests that count as the last ones
	manyMore     = 1.1
	manyRSS      = 1.25 // no growth, except for the randomness of the garbage collector
)

// many compares the cost of a document at a proxy that has signed 100,000 documents with its cost
// at new proxies that sign 2,500. The new proxies are measured before and after.
func (b *bench) many(ctx context.Context) error {
	return b.withDocuments(b.batch(), loadSize, func(dir string, docs []document) error {
		few, err := b.fresh(ctx, filepath.Join(dir, "before"), docs)
		if err != nil {
			return err
		}
		long, err := b.requests(ctx, filepath.Join(dir, "long"), docs, manyRequests)
		if err != nil {
			return err
		}
		after, err := b.fresh(ctx, filepath.Join(dir, "after"), docs)
		if err != nil {
			return err
		}
		few = append(few, after...)
		last := long[len(long)-manyLast:]
		cpu := ratio(median(last, manySample.cpu), median(few, manySample.cpu))
		wall := ratio(median(last, manySample.time), median(few, manySample.time))
		early, late := median(long[:manyLast], manySample.memory), median(last, manySample.memory)
		n, first := len(docs)*manyRequests, len(docs)
		meanCPU := ratio(mean(long, manySample.cpu), median(few, manySample.cpu))
		meanTime := ratio(mean(long, manySample.time), median(few, manySample.time))
		fmt.Printf("%d documents of 20 KB, %d in a request   ", n, first)
		fmt.Printf("over all of them %.2f of the CPU and %.2f of the time of %d; ", meanCPU, meanTime, first)
		fmt.Printf("RSS %d MiB after %d, %d MiB at the end\n", early>>20, first*manyLast, late>>20)
		b.goals.atMost(fmt.Sprintf("CPU of a document at %d / at %d", n, first), cpu, manyMore, "")
		b.goals.atMost(fmt.Sprintf("time of a document at %d / at %d", n, first), wall, manyMore, "")
		b.goals.atMost(fmt.Sprintf("RSS at %d / at %d", n, first*manyLast), ratio(late, early), manyRSS, "")
		return nil
	})
}

// manySample holds what a request took, and the memory after it.
type manySample struct {
	sample
	rss int64
}

func (s manySample) cpu() time.Duration  { return s.proxy }
func (s manySample) time() time.Duration { return s.wall }
func (s manySample) memory() int64       { return s.rss }

// fresh measures the first request of several new proxies.
func (b *bench) fresh(ctx context.Context, dir string, docs []document) (all []manySample, err error) {
	for i := range manyFresh {
		s, err := b.requests(ctx, filepath.Join(dir, fmt.Sprint(i)), docs, 1)
		if err != nil {
			return nil, err
		}
		all = append(all, s...)
	}
	return all, nil
}

// requests measures count requests at a new proxy, one after the other.
func (b *bench) requests(ctx context.Context, dir string, docs []document, count int) (all []manySample, err error) {
	err = b.inTurn(ctx, dir, docs, count, func(_ *instance.Instance, s manySample) error {
		all = append(all, s)
		return nil
	})
	return all, err
}

// inTurn starts a proxy with the given flags, sends a small request as a warm-up, and then measures
// count requests one after the other. It calls each after each request.
func (b *bench) inTurn(ctx context.Context, dir string, docs []document, count int,
	each func(*instance.Instance, manySample) error, flags ...string) error {
	defer os.RemoveAll(dir)
	return withProxy(ctx, b.binary, dir, func(p *instance.Instance, c *client.Client) error {
		warm := docs[:max(len(docs)/10, 1)]
		if _, err := one(ctx, c, p, scenario{documents: len(warm), async: true}, "warm-up", warm); err != nil {
			return err
		}
		for i := range count {
			s, err := one(ctx, c, p, scenario{documents: len(docs), async: true}, fmt.Sprint("many-", i), docs)
			if err != nil {
				return err
			}
			memory, err := p.Memory()
			if err != nil {
				return err
			}
			if err := each(p, manySample{s, memory.Now}); err != nil {
				return err
			}
		}
		return nil
	}, flags...)
}
