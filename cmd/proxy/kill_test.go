package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/hack/verify"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// killDocuments is the number of documents in the operation that the kill interrupts.
const killDocuments = 50

// TestKill kills the proxy at random moments between the acceptance of an asynchronous request and
// its end. After a restart the operation must end EXECUTED, with every document signed and valid.
func TestKill(t *testing.T) {
	t.Parallel()
	bin := build(t)
	runs := 4
	for run := range runs {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			t.Parallel()
			// From at once, when nothing is prepared, to late, when some documents are already signed.
			delay := rand.N(time.Duration(run+1) * 60 * time.Millisecond)
			t.Logf("killed %s after the acceptance", delay)
			killRun(t, bin, delay)
		})
	}
}

func killRun(t *testing.T, bin string, delay time.Duration) {
	dir := t.TempDir()
	o := instance.Options{
		Binary: filepath.Join(bin, "proxy"),
		Work:   filepath.Join(dir, "work"),
		State:  filepath.Join(dir, "state"),
		Log:    logFile(t, dir),
	}
	if err := instance.WriteClients(o.Work, clients); err != nil {
		t.Fatal(err)
	}
	originals := samplesInTurn(t)
	p := startInstance(t, o)
	accepted, err := newClient(t, p).SignAsync(t.Context(), killRequest(originals))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(delay) // the random moment is what the test varies
	p.Kill()

	p = startInstance(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := newClient(t, p)
	if ops, err := c.Status(ctx, "killed"); err == nil && len(ops) > 0 {
		t.Logf("after the restart it was %s", ops[0].Status)
	}
	op, err := c.Wait(ctx, "killed")
	if err != nil || op.Status != client.StatusExecuted || op.ID != accepted.ID {
		t.Fatalf("after the restart: %+v, %v, want operation %d %s", op, err, accepted.ID, client.StatusExecuted)
	}
	var signed memorySink
	if op, err = c.Detail(ctx, "killed", &signed); err != nil {
		t.Fatal(err)
	}
	if len(op.Documents) != killDocuments || len(signed) != killDocuments {
		t.Fatalf("%d documents with %d contents, want %d", len(op.Documents), len(signed), killDocuments)
	}
	wantAllValid(t, p.CAFile, originals, op, signed)
}

// wantAllValid asks independent verifiers about each signed document.
func wantAllValid(t *testing.T, root string, originals []shape, op *client.Operation, signed memorySink) {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	v, err := verify.New(ctx, root)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for i, d := range op.Documents {
		if failure := d.Failure(); failure != "" {
			t.Errorf("document %d: %s", i, failure)
			continue
		}
		content := signed[d.Content].Bytes()
		if err := originals[i].verify(content, "", nil); err != nil {
			t.Errorf("document %d: %v", i, err)
		}
		if originals[i].signature.Type != "PAdES" {
			if err := originals[i].ask(root, content); err != nil {
				t.Errorf("document %d: %v", i, err)
			}
			continue
		}
		path := filepath.Join(dir, "signed.pdf")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		ask := v.Signature
		if i%10 == 0 {
			ask = v.File // check all documents, which takes a while
		}
		if report := ask(ctx, originals[i].path, path); report.Err() != nil {
			t.Errorf("document %d: %v", i, report.Err())
		}
	}
}

func killRequest(originals []shape) *client.Request {
	r := &client.Request{
		Reference:   "killed",
		Description: "d",
		Key:         "killed",
		Signature:   client.SignatureInfo{Type: "PAdES"},
	}
	for i, s := range originals {
		r.Documents = append(r.Documents, s.document(fmt.Sprint(i)))
	}
	return r
}

// samplesInTurn returns killDocuments documents: PDF samples, each several times, and after each
// three of them the other shapes in turn. It leaves out the largest sample to save disk space.
func samplesInTurn(t *testing.T) []shape {
	t.Helper()
	all, err := filepath.Glob(filepath.Join("..", "..", "hack", "samples", "*.pdf"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	var small []shape
	for _, path := range all {
		if info, err := os.Stat(path); err == nil && info.Size() < 200_000 {
			small = append(small, pdfShape(path))
		}
	}
	var list []shape
	others := shapes()[1:]
	for i := range killDocuments {
		if i%4 == 3 {
			list = append(list, others[i/4%len(others)])
			continue
		}
		list = append(list, small[i%len(small)])
	}
	return list
}

func startInstance(t *testing.T, o instance.Options) *instance.Instance {
	t.Helper()
	p, err := instance.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func newClient(t *testing.T, p *instance.Instance) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{URL: p.URL, ClientID: "PRT.1-PRT.2-alice", Secret: clients["PRT.1-PRT.2-alice"]})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// logFile collects the proxy's log. The log is shown if the test fails.
func logFile(t *testing.T, dir string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "proxy.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if text, err := os.ReadFile(f.Name()); t.Failed() && err == nil {
			t.Logf("the proxy's log:\n%s", text)
		}
		f.Close()
	})
	return f
}

// memorySink is a client.Sink that keeps the signed contents of small documents.
type memorySink []*bytes.Buffer

func (m *memorySink) Begin() error { *m = nil; return nil }

func (m *memorySink) Create(int) (io.WriteCloser, error) {
	*m = append(*m, new(bytes.Buffer))
	return closer{(*m)[len(*m)-1]}, nil
}

type closer struct{ io.Writer }

func (closer) Close() error { return nil }
