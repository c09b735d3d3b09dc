package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/provider/software"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// engineLoad describes documents that the engine signs. The engine is the format and the provider,
// without HTTP and without the store. Format.Embed checks every signature value, as in the proxy.
type engineLoad struct {
	documents int
	size      int64   // bytes of each document
	objects   int     // PDF objects of each document; 0 = only those that a valid PDF needs
	kind      *kind   // nil = pdf
	speed     float64 // smallest speed that meets the goal, relative to the floor; 0 = no goal
	name      string
}

var engineLoads = []engineLoad{
	{documents: 2000, size: 10_000, name: "10 KB"},
	{documents: 500, size: 200_000, speed: 0.8, name: "200 KB"},
	{documents: 100, size: 2_000_000, name: "2 MB"},
	{documents: 25, size: 20_000_000, speed: 0.8, name: "20 MB"},
	{documents: 15, size: 29_000_000, name: "29 MB"},
	{documents: 15, size: 29_000_000, objects: 32_000, name: "29 MB, 32,000 objects"},
}

// xmlLoads are UBL invoices.
var xmlLoads = []engineLoad{
	{documents: 500, size: 200_000, kind: &xml, speed: 0.75, name: "200 KB XML"},
}

// engine signs documents with a local RSA-2048 key, two at a time, and prints how fast that is in
// relation to the floor. The package comment says what the floor is.
func (b *bench) engine(ctx context.Context, loads []engineLoad) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "engine, B-B\tdocuments\tengine\tfloor\tspeed / floor\tdocuments/s\t"+
		"allocations / document\tallocated / document")
	var speeds []float64
	for _, l := range loads {
		if b.documents > 0 {
			l.documents = b.documents
		}
		fmt.Fprintf(os.Stderr, "engine, %d x %s ...\n", l.documents, l.name)
		speed, err := l.measure(ctx, b.temp, w)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		speeds = append(speeds, speed)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i, l := range loads {
		if l.speed > 0 {
			b.goals.atLeast("engine, "+l.name+": speed / floor", speeds[i], l.speed, "")
		}
	}
	return nil
}

// measure runs one load, prints one line of the table and returns the speed relative to the floor.
// It measures the floor over the same files before and after the load.
func (l engineLoad) measure(ctx context.Context, temp string, w io.Writer) (float64, error) {
	dir, err := os.MkdirTemp(temp, "bench-")
	if err != nil {
		return 0, fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	k := cmp.Or(l.kind, &pdf)
	docs, err := l.make(dir, k)
	if err != nil {
		return 0, err
	}
	e, err := newEngine(ctx, filepath.Join(dir, "key"), k)
	if err != nil {
		return 0, err
	}
	floors, err := measureFloors(dir, docs, 1)
	if err != nil {
		return 0, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	took, err := e.signAll(ctx, dir, docs, cores)
	if err != nil {
		return 0, err
	}
	runtime.ReadMemStats(&after)
	last, err := measureFloors(dir, docs, 2)
	if err != nil {
		return 0, err
	}
	floor := median(append(floors, last...), func(c cost) time.Duration { return c.wall })
	n := uint64(len(docs))
	allocated := float64(after.TotalAlloc-before.TotalAlloc) / float64(n) / 1000
	fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%.2f\t%.0f\t%d\t%.0f KB\n",
		l.name, n, ms(took), ms(floor), ratio(floor, took), float64(n)/took.Seconds(),
		(after.Mallocs-before.Mallocs)/n, allocated)
	return ratio(floor, took), nil
}

func (l engineLoad) make(dir string, k *kind) ([]document, error) {
	if l.objects > 0 {
		return makeDocuments(dir, l.documents, l.size, l.objects)
	}
	return makeKind(dir, k, l.documents, l.size)
}

// engine signs files of one kind with one credential.
type engine struct {
	provider   signing.Provider
	credential *signing.Credential
	format     signing.Format
	info       signing.SignatureInfo
}

func newEngine(ctx context.Context, dir string, k *kind) (*engine, error) {
	provider, err := software.OpenEmbedded(dir, logr.Discard(), software.EmbeddedOptions{})
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	credential, err := provider.Credential(ctx)
	if err != nil {
		return nil, fmt.Errorf("read credential: %w", err)
	}
	return &engine{provider: provider, credential: credential, format: k.format(), info: k.info()}, nil
}

// signAll signs docs with the given number of goroutines, and returns how long that took. It writes
// into a temporary folder and removes it.
func (e *engine) signAll(ctx context.Context, dir string, docs []document, workers int) (time.Duration, error) {
	out, err := os.MkdirTemp(dir, "engine-")
	if err != nil {
		return 0, fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(out)
	queue := make(chan document, len(docs))
	for _, d := range docs {
		queue <- d
	}
	close(queue)
	faults := make([]error, workers)
	var group sync.WaitGroup
	started := time.Now()
	for i := range workers {
		group.Go(func() {
			for d := range queue {
				if faults[i] = e.sign(ctx, d, filepath.Join(out, filepath.Base(d.path))); faults[i] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return time.Since(started), errors.Join(faults...)
}

// sign copies one document to a new file and signs the copy.
func (e *engine) sign(ctx context.Context, d document, to string) (err error) {
	file, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	in, err := spool(d, file)
	if err != nil {
		return err
	}
	in.Signature = e.info
	return e.signInPlace(ctx, in, file, to)
}

// signInPlace signs the document in, which is the content of file. It appends the new bytes to file
// and syncs file once, as the store does. name is the id of the call to the provider.
func (e *engine) signInPlace(ctx context.Context, in signing.Input, file *os.File, name string) error {
	section, _, err := e.section(ctx, in, name)
	if err != nil {
		return err
	}
	if _, err := file.WriteAt(section, in.File.Size()); err != nil {
		return fmt.Errorf("append new bytes: %w", err)
	}
	return file.Sync()
}

// section signs the document in and returns the new bytes and the pieces of the signed document.
func (e *engine) section(ctx context.Context, in signing.Input, name string) ([]byte, signing.Pieces, error) {
	prepared, err := e.format.Prepare(ctx, in, e.credential)
	if err != nil {
		return nil, nil, err
	}
	values, err := e.provider.Sign(ctx, signing.Call{ID: name, Digests: [][]byte{prepared.Digest}})
	if err != nil {
		return nil, nil, err
	}
	return e.format.Embed(ctx, in, prepared, values[0])
}

// spool copies a document to file, as the proxy does with an upload. It hashes the document at the
// same time, so that it is read only once.
func spool(d document, file *os.File) (signing.Input, error) {
	source, err := os.Open(d.path)
	if err != nil {
		return signing.Input{}, fmt.Errorf("open document: %w", err)
	}
	defer source.Close()
	hash := sha256.New()
	n, err := io.Copy(struct{ io.Writer }{io.MultiWriter(hash, file)}, source)
	if err != nil {
		return signing.Input{}, fmt.Errorf("spool document: %w", err)
	}
	midstate, err := hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return signing.Input{}, fmt.Errorf("save state of digest: %w", err)
	}
	return signing.Input{
		File: spooled{file, n}, Midstate: midstate, Time: time.Now(),
	}, nil
}

// spooled is a document as signing.File. The file may be longer than the document, because the
// signature is appended to it.
type spooled struct {
	*os.File
	size int64 // bytes of the document
}

// Size implements signing.File.
func (s spooled) Size() int64 { return s.size }
