package store_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

const (
	benchDocuments = 2500
	benchBytes     = 200 << 10
	benchPrepared  = 8 << 10
	benchSection   = 20 << 10
	benchChunk     = 64 // documents that take each step together, as in the worker
	benchAtOnce    = 8  // chunks that are processed at a time
)

// BenchmarkCycle takes 2,500 documents of 200 KB through everything that the store does for them.
// It reports how that compares with two floors measured in the same run: two goroutines that write
// the documents with one fsync each, and the same with reading, SHA-256 and one RSA-2048 signature
// for each document.
func BenchmarkCycle(b *testing.B) {
	content := make([]byte, benchBytes)
	_, _ = rand.Read(content)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	var write, full, cycle, cpu time.Duration
	b.ResetTimer()
	for range b.N {
		if os.Getenv("NOFLOOR") == "" {
			write += timed(func() { floor(b, content, nil) })
			full += timed(func() { floor(b, content, key) })
		}
		before := cpuTime(b)
		cycle += benchCycle(b, content)
		cpu += cpuTime(b) - before
	}
	n := float64(b.N)
	per := func(d time.Duration) float64 { return float64(d.Microseconds()) / n / benchDocuments }
	b.ReportMetric(per(write), "µs/doc-floor-write")
	b.ReportMetric(per(full), "µs/doc-floor-full")
	b.ReportMetric(per(cycle), "µs/doc-store")
	b.ReportMetric(per(cpu), "µs/doc-store-cpu")
	b.ReportMetric(float64(write)/float64(cycle), "speed/floor-write")
	b.ReportMetric(float64(full)/float64(cycle), "speed/floor-full")
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// floor writes the documents with one fsync each. With a key it also reads, hashes and signs each
// document first.
func floor(b *testing.B, content []byte, key *rsa.PrivateKey) {
	folder := b.TempDir()
	var both sync.WaitGroup
	for g := range 2 {
		both.Go(func() {
			for i := g; i < benchDocuments; i += 2 {
				if err := floorOne(filepath.Join(folder, fmt.Sprint(i)), content, key); err != nil {
					b.Error(err)
				}
			}
		})
	}
	both.Wait()
	_ = os.RemoveAll(folder)
}

func floorOne(path string, content []byte, key *rsa.PrivateKey) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if key != nil {
		digest := sha256.Sum256(bytes.Clone(content))
		if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:]); err != nil {
			return err
		}
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Sync()
}

func benchCycle(b *testing.B, content []byte) time.Duration {
	b.Helper()
	s, err := store.Open(b.Context(), store.Config{Folder: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	start := time.Now()
	lap := start
	step := func(name string) {
		if testing.Verbose() {
			b.Logf("%-8s %v", name, time.Since(lap).Round(time.Millisecond))
		}
		lap = time.Now()
	}
	op := benchCreate(b, s, content, step)
	work := make(chan int)
	var workers sync.WaitGroup
	for range benchAtOnce {
		workers.Go(func() {
			for from := range work {
				benchWork(b, s, op.ID, from)
			}
		})
	}
	for from := 0; from < benchDocuments; from += benchChunk {
		work <- from
	}
	close(work)
	workers.Wait()
	step("work")
	err = s.SetStatus(b.Context(), op.ID, signing.StatusPending,
		signing.StatusChange{Status: signing.StatusExecuted, Ended: time.Now()})
	if err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

func benchCreate(b *testing.B, s *store.Store, content []byte, step func(string)) signing.Operation {
	b.Helper()
	up, err := s.NewUpload(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	n := signing.NewOperation{ClientService: "PRT.505767457-PRT.123654123-84dd8c", Created: time.Now()}
	n.Request.ExternalReference = "bench"
	for i := range benchDocuments {
		c, err := up.Add(bytes.NewReader(content))
		if err != nil {
			b.Fatal(err)
		}
		n.Contents = append(n.Contents, c)
		n.Request.Documents = append(n.Request.Documents, signing.DocumentRequest{
			ExternalReference: fmt.Sprintf("FT 2026/%d", i),
			Name:              fmt.Sprintf("invoice-%d.pdf", i),
			ContentType:       "application/pdf",
			Signature: signing.SignatureInfo{
				Type:     signing.PAdES,
				Level:    signing.LevelB,
				Reason:   "Invoice",
				Location: "Lisboa",
			},
		})
	}
	step("add")
	op, err := s.Create(b.Context(), up, n)
	if err != nil {
		b.Fatal(err)
	}
	step("create")
	return op
}

// benchWork takes one chunk through the journal.
func benchWork(b *testing.B, s *store.Store, id signing.ID, from int) {
	ctx := b.Context()
	docs, err := s.Documents(ctx, id, from, benchChunk)
	check := func(err error) {
		if err != nil {
			b.Error(err)
		}
	}
	check(err)
	state, section, value := make([]byte, benchPrepared), make([]byte, benchSection), make([]byte, 256)
	prepared := make([]signing.PreparedDocument, len(docs))
	refs := make([]signing.Ref, len(docs))
	values := make([][]byte, len(docs))
	results := make([]signing.DocumentResult, len(docs))
	for i, d := range docs {
		f, err := s.OpenFile(ctx, id, d.Content)
		check(err)
		check(f.Close())
		prepared[i] = signing.PreparedDocument{Ref: d.Ref, Prepared: signing.Prepared{Digest: make([]byte, 32), State: state}}
		refs[i], values[i] = d.Ref, value
		results[i] = signing.DocumentResult{Ref: d.Ref, Section: section}
	}
	call := fmt.Sprint(from)
	check(s.SavePrepared(ctx, prepared))
	check(s.BeginCall(ctx, signing.CallRecord{ID: call, Credential: "credential", Refs: refs}))
	check(s.EndCall(ctx, call, values))
	for _, d := range docs {
		_, _, err := s.Prepared(ctx, d.Ref)
		check(err)
		f, err := s.OpenFile(ctx, id, d.Content)
		check(err)
		check(f.Close())
	}
	check(s.FinishDocuments(ctx, results))
}

// BenchmarkSmall takes operations with one document of 200 KB through everything, 50 at a time, as
// sync clients send them. Each takes six commits, which share their fsyncs. The reported commits
// and operations per second show how well they do.
func BenchmarkSmall(b *testing.B) {
	s, err := store.Open(b.Context(), store.Config{Folder: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	content := make([]byte, benchBytes)
	_, _ = rand.Read(content)
	numbers := make(chan int)
	var clients sync.WaitGroup
	start, before := time.Now(), cpuTime(b)
	for range 50 {
		clients.Go(func() {
			for i := range numbers {
				benchSmallOne(b, s, fmt.Sprint(i), content)
			}
		})
	}
	for i := range b.N {
		numbers <- i
	}
	close(numbers)
	clients.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "operations/s")
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "µs-cpu/operation")
}

func benchSmallOne(b *testing.B, s *store.Store, reference string, content []byte) {
	ctx := b.Context()
	check := func(err error) {
		if err != nil {
			b.Error(err)
		}
	}
	up, err := s.NewUpload(ctx)
	check(err)
	c, err := up.Add(bytes.NewReader(content))
	check(err)
	n := signing.NewOperation{ClientService: "c", Created: time.Now(), Contents: []signing.Content{c}}
	n.Request.ExternalReference, n.Request.Documents = reference, []signing.DocumentRequest{{ExternalReference: reference}}
	op, err := s.Create(ctx, up, n)
	check(err)
	ref := signing.Ref{Operation: op.ID}
	check(
		s.SavePrepared(ctx,
			[]signing.PreparedDocument{{Ref: ref, Prepared: signing.Prepared{State: make([]byte, benchPrepared)}}}),
	)
	check(s.BeginCall(ctx, signing.CallRecord{ID: reference, Credential: "credential", Refs: []signing.Ref{ref}}))
	check(s.EndCall(ctx, reference, [][]byte{make([]byte, 256)}))
	check(s.FinishDocuments(ctx, []signing.DocumentResult{{Ref: ref, Section: make([]byte, benchSection)}}))
	check(
		s.SetStatus(ctx, op.ID, signing.StatusPending,
			signing.StatusChange{Status: signing.StatusExecuted, Ended: time.Now()}),
	)
}
