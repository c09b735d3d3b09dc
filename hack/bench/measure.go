package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// result holds what a scenario took. Times are those of one request, or the median of several.
type result struct {
	scenario
	wall, clientCPU, proxyCPU time.Duration
	fetch                     time.Duration // of an async result
	floor                     cost
	payload                   int64 // bytes of all documents that the proxy holds
	held                      int   // documents that it holds
	peakRSS, peakState        int64 // bytes
}

// own returns the wall time without the client's share.
func (r *result) own() time.Duration { return r.ownOf(runtime.NumCPU()) }

// ownOf is own on a machine with n cores.
func (r *result) ownOf(n int) time.Duration {
	switch {
	case r.documents == 1 || n == 1: // client and proxy wait for each other
		return r.wall - r.clientCPU
	case n > cores: // the client has cores that the proxy may not use
		return r.wall
	}
	return r.wall - r.clientCPU/cores
}

func (r *result) documentsPerSecond() float64 {
	return float64(r.documents) / r.own().Seconds()
}

// measure runs a scenario against a new proxy. It measures the floor over the same files before and
// after, because the speed of the disk of a busy machine changes.
func measure(ctx context.Context, binary, temp string, s scenario) (r result, err error) {
	dir, err := os.MkdirTemp(temp, "bench-")
	if err != nil {
		return r, fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	docs, err := makeKind(dir, cmp.Or(s.kind, &pdf), s.documents, s.size)
	if err != nil {
		return r, err
	}
	rounds := min(max(s.requests, 3), 5)
	floors, err := measureFloors(dir, docs, rounds/2)
	if err != nil {
		return r, err
	}
	if r, err = measureProxy(ctx, binary, dir, s, docs); err != nil {
		return r, err
	}
	after, err := measureFloors(dir, docs, rounds-rounds/2)
	if err != nil {
		return r, err
	}
	floors = append(floors, after...)
	r.floor = cost{
		wall: median(floors, func(c cost) time.Duration { return c.wall }),
		cpu:  median(floors, func(c cost) time.Duration { return c.cpu }),
	}
	return r, nil
}

func measureFloors(dir string, docs []document, rounds int) (floors []cost, err error) {
	syscall.Sync() // write the data of other programs first, so that it does not disturb the measurement
	for range rounds {
		c, err := measureFloor(dir, docs, min(cores, len(docs)))
		if err != nil {
			return nil, err
		}
		floors = append(floors, c)
	}
	return floors, nil
}

const (
	clientID = "bench"
	secret   = "bench" // of a proxy that runs only during the measurement
)

// onCores is an environment variable of every proxy. It limits the proxy to the cores of the goals.
var onCores = fmt.Sprint("GOMAXPROCS=", cores)

func measureProxy(ctx context.Context, binary, dir string, s scenario, docs []document) (r result, err error) {
	o := instance.Options{
		Binary: binary,
		Work:   filepath.Join(dir, "work"),
		State:  filepath.Join(dir, "state"),
		Env:    append(s.env[:len(s.env):len(s.env)], onCores),
	}
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
	r.payload, r.held = docs[0].size, 1
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
		r.held += len(docs)
	}
	r.peakState = watch.stop()
	r.wall = median(runs, func(s sample) time.Duration { return s.wall })
	r.fetch = median(runs, func(s sample) time.Duration { return s.fetch })
	// The kernel counts a process's CPU time in ticks, so only the sum of all runs is exact enough.
	r.clientCPU = mean(runs, func(s sample) time.Duration { return s.client })
	r.proxyCPU = mean(runs, func(s sample) time.Duration { return s.proxy })
	memory, err := proxy.Memory()
	r.peakRSS = memory.Peak
	return r, err
}

// sample holds the times of one request.
type sample struct{ wall, fetch, client, proxy time.Duration }

// one sends one request and waits for its result.
func one(ctx context.Context, c *client.Client, proxy *instance.Instance, s scenario, reference string,
	docs []document) (sample, error) {
	request := newRequest(reference, docs)
	before, err := processCPU(proxy.PID())
	if err != nil {
		return sample{}, err
	}
	started, own := time.Now(), ownCPU()
	var op *client.Operation
	if s.raw {
		op, err = raw{proxy.URL}.sign(ctx, reference, docs)
	} else if s.async {
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
	r := &client.Request{
		Reference:   reference,
		Description: "bench",
		Key:         reference,
		Signature:   kindOf(docs[0].path).request(),
	}
	for _, d := range docs {
		name := filepath.Base(d.path)
		r.Documents = append(r.Documents, client.Document{
			Reference: name, Name: name, ContentType: kindOf(d.path).contentType, Size: d.size,
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

// discard is a client.Sink that drops the documents.
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

func median[T any, N ~int64](all []T, of func(T) N) N {
	values := numbers(all, of)
	slices.Sort(values)
	return values[len(values)/2]
}

func mean[T any, N ~int64](all []T, of func(T) N) (sum N) {
	for _, v := range numbers(all, of) {
		sum += v
	}
	return sum / N(len(all))
}

func numbers[T any, N ~int64](all []T, of func(T) N) []N {
	var values []N
	for _, v := range all {
		values = append(values, of(v))
	}
	return values
}

// errNoCPU says that the text of the kernel does not have the expected form.
var errNoCPU = errors.New("read CPU time of the proxy: unexpected text")
