package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// result is what a scenario took. Times are of one request, the median where there were several.
type result struct {
	scenario
	wall, clientCPU, proxyCPU time.Duration
	fetch                     time.Duration // of an async result
	floor                     cost
	payload                   int64 // bytes of all documents that the proxy holds
	peakRSS, peakState        int64 // bytes
}

// own is the wall time without the client's share.
func (r *result) own() time.Duration {
	if r.documents == 1 {
		return r.wall - r.clientCPU
	}
	return r.wall - r.clientCPU/time.Duration(runtime.NumCPU())
}

func (r *result) documentsPerSecond() float64 {
	return float64(r.documents) / r.own().Seconds()
}

// measure runs a scenario against a proxy of its own, then the floor over the same files.
func measure(ctx context.Context, binary, temp string, s scenario) (r result, err error) {
	dir, err := os.MkdirTemp(temp, "bench-")
	if err != nil {
		return r, fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	docs, err := makeDocuments(dir, s.documents, s.size, 0)
	if err != nil {
		return r, err
	}
	if r, err = measureProxy(ctx, binary, dir, s, docs); err != nil {
		return r, err
	}
	var floors []cost
	for range min(s.requests, 5) {
		c, err := measureFloor(dir, docs, min(2, s.documents))
		if err != nil {
			return r, err
		}
		floors = append(floors, c)
	}
	r.floor = cost{wall: median(floors, func(c cost) time.Duration { return c.wall }), cpu: median(floors, func(c cost) time.Duration { return c.cpu })}
	return r, nil
}

const (
	clientID = "bench"
	secret   = "bench" // of a proxy that lives as long as the measurement
)

func measureProxy(ctx context.Context, binary, dir string, s scenario, docs []document) (r result, err error) {
	o := instance.Options{Binary: binary, Work: filepath.Join(dir, "work"), State: filepath.Join(dir, "state"), Env: s.env}
	if err := instance.WriteClients(o.Work, map[string]string{clientID: secret}); err != nil {
		return r, err
	}
	proxy, err := instance.Start(ctx, o)
	if err != nil {
		return r, err
	}
	defer proxy.Kill()
	c, err := client.New(client.Config{URL: proxy.URL, ClientID: clientID, Secret: secret, Basic: true})
	if err != nil {
		return r, err
	}
	r.scenario = s
	if _, err := one(ctx, c, proxy, s, "warm-up", docs[:1]); err != nil {
		return r, err
	}
	watch := watchState(o.State)
	var runs []sample
	for i := range s.requests {
		run, err := one(ctx, c, proxy, s, fmt.Sprint("run-", i), docs)
		if err != nil {
			watch.stop()
			return r, err
		}
		runs = append(runs, run)
		r.payload += total(docs)
	}
	r.peakState = watch.stop()
	r.wall = median(runs, func(s sample) time.Duration { return s.wall })
	r.fetch = median(runs, func(s sample) time.Duration { return s.fetch })
	// The kernel counts a process's CPU time in ticks: the sum of all runs is what can be trusted.
	r.clientCPU = mean(runs, func(s sample) time.Duration { return s.client })
	r.proxyCPU = mean(runs, func(s sample) time.Duration { return s.proxy })
	memory, err := proxy.Memory()
	r.peakRSS = memory.Peak
	return r, err
}

// sample is what one request took.
type sample struct{ wall, fetch, client, proxy time.Duration }

// one sends one request and waits for its result.
func one(ctx context.Context, c *client.Client, proxy *instance.Instance, s scenario, reference string, docs []document) (sample, error) {
	request := newRequest(reference, docs)
	before, err := processCPU(proxy.PID())
	if err != nil {
		return sample{}, err
	}
	started, own := time.Now(), ownCPU()
	var op *client.Operation
	if s.async {
		if _, err = c.SignAsync(ctx, request); err == nil {
			op, err = c.Wait(ctx, reference)
		}
	} else {
		op, err = c.Sign(ctx, request, &discard{})
	}
	if err != nil {
		return sample{}, err
	}
	took := sample{wall: time.Since(started), client: ownCPU() - own}
	after, err := processCPU(proxy.PID())
	if err != nil {
		return sample{}, err
	}
	took.proxy = after - before
	if s.async {
		started = time.Now()
		if op, err = c.Detail(ctx, reference, &discard{}); err != nil {
			return sample{}, err
		}
		took.fetch = time.Since(started)
	}
	return took, allSigned(op, len(docs))
}

func newRequest(reference string, docs []document) *client.Request {
	r := &client.Request{Reference: reference, Description: "bench", Key: reference, Signature: client.SignatureInfo{Type: "PAdES"}}
	for _, d := range docs {
		name := filepath.Base(d.path)
		r.Documents = append(r.Documents, client.Document{
			Reference: name, Name: name, ContentType: "application/pdf", Size: d.size,
			Open: func() (io.ReadCloser, error) { return os.Open(d.path) },
		})
	}
	return r
}

func allSigned(op *client.Operation, want int) error {
	if op.Status != client.StatusExecuted || len(op.Documents) != want {
		return fmt.Errorf("the operation ended %s with %d documents, want %d signed", op.Status, len(op.Documents), want)
	}
	for i := range op.Documents {
		if failure := op.Documents[i].Failure(); failure != "" || op.Documents[i].Content < 0 {
			return fmt.Errorf("document %d was not signed: %s", i, failure)
		}
	}
	return nil
}

// discard is a client.Sink that forgets.
type discard struct{}

func (*discard) Begin() error                       { return nil }
func (*discard) Create(int) (io.WriteCloser, error) { return forget{}, nil }

type forget struct{}

func (forget) Write(p []byte) (int, error) { return len(p), nil }
func (forget) Close() error                { return nil }

func total(docs []document) (n int64) {
	for _, d := range docs {
		n += d.size
	}
	return n
}

func median[T any](all []T, of func(T) time.Duration) time.Duration {
	values := durations(all, of)
	slices.Sort(values)
	return values[len(values)/2]
}

func mean[T any](all []T, of func(T) time.Duration) (sum time.Duration) {
	for _, v := range durations(all, of) {
		sum += v
	}
	return sum / time.Duration(len(all))
}

func durations[T any](all []T, of func(T) time.Duration) []time.Duration {
	var values []time.Duration
	for _, v := range all {
		values = append(values, of(v))
	}
	return values
}

// errNoCPU tells that the kernel's text was not as expected.
var errNoCPU = errors.New("read CPU time of the proxy: unexpected text")
