package store_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// The crash tests run this test binary again as another process. It works on a store, writes to its
// standard output what the store has promised, and is killed with SIGKILL: by itself at a named
// step, or by the test at any moment. Then the test opens the folder and compares. A kill keeps
// what the kernel was told to write, so TestOrderOfSystemCalls checks the fsyncs.

// helperRoles are what the test binary does when it is started as another process.
var helperRoles = map[string]func() error{
	"crash": crashHelper,
	"order": orderHelper,
	"full":  fullHelper,
	"check": checkHelper,
	"load":  loadHelper,
	"claim": claimHelper,
}

func TestMain(m *testing.M) {
	if role := helperRoles[os.Getenv("STORE_TEST_ROLE")]; role != nil {
		if err := role(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// helper is the test binary in a role.
func helper(t *testing.T, role string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append(env, "STORE_TEST_ROLE="+role)...)
	return cmd
}

// promise is a step that the helper reported as done. The later promises of an operation come after
// its earlier ones.
type promise struct {
	Reference string
	ID        signing.ID
	Documents int
	State     signing.DocumentState // of all its documents
	Ended     bool
	Early     bool // it is signed early: it is stored when it has ended, or not at all
	Removed   bool // ended long ago: a sweep may come at any moment
}

// crashWorkers is how many operations the helper has under way.
const crashWorkers = 3

// crashHelper works until it is killed.
func crashHelper() error {
	ctx := context.Background()
	cfg := store.Config{
		Folder:    os.Getenv("STORE_TEST_FOLDER"),
		LockWait:  10 * time.Second,
		Retention: store.Retention{Age: time.Hour},
	}
	after, err := strconv.Atoi(os.Getenv("STORE_TEST_AFTER"))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	cfg.OnStep(func(step string) {
		mu.Lock()
		defer mu.Unlock()
		if step != os.Getenv("STORE_TEST_STEP") {
			return
		}
		if after--; after == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	s, err := store.Open(ctx, cfg)
	if err != nil {
		return err
	}
	calls, err := s.OpenCalls(ctx)
	if err != nil {
		return err
	}
	for _, c := range calls {
		if err := s.AbandonCall(ctx, c.ID, signing.OutcomeUnknown); err != nil {
			return err
		}
	}
	var telling sync.Mutex
	out := json.NewEncoder(os.Stdout)
	// Told by the worker itself: by the time it takes the next step, the test has been told of the
	// last one.
	tell := func(p promise) error {
		telling.Lock()
		defer telling.Unlock()
		if err := out.Encode(p); err != nil || !p.Removed {
			return err
		}
		_, err := s.Sweep(ctx)
		return errors.Join(err, s.Mark(ctx))
	}
	failed := make(chan error, crashWorkers)
	for w := range crashWorkers {
		go func() {
			for i := 0; ; i++ {
				reference := fmt.Sprintf("%s-%d-%d", os.Getenv("STORE_TEST_ROUND"), w, i)
				if err := crashOperation(ctx, s, reference, tell); err != nil {
					failed <- fmt.Errorf("%s: %w", reference, err)
					return
				}
			}
		}()
	}
	return <-failed
}

// crashContent is what a document of the crash test holds; an operation's name says everything
// about it.
func crashContent(reference string, index int) []byte {
	line := fmt.Sprintf("document %d of %s\n", index, reference)
	return shapeOf(index).Original(bytes.Repeat([]byte(line), 1+len(reference)*(index%7)*20))
}

func crashSection(ref signing.Ref) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "section of %v\n", ref), 700)
}

// crashResults are the results of an operation's documents.
func crashResults(id signing.ID, reference string, documents int) []signing.DocumentResult {
	results := make([]signing.DocumentResult, documents)
	for i := range results {
		ref := signing.Ref{Operation: id, Index: i}
		results[i] = signedAs(ref, len(crashContent(reference, i)), crashSection(ref))
	}
	return results
}

// crashOperation takes one operation through its life and reports each step after the store has
// promised it.
func crashOperation(ctx context.Context, s *store.Store, reference string, tell func(promise) error) error {
	p := promise{Reference: reference, Documents: 1 + rand.IntN(12), Early: rand.IntN(3) == 0}
	if err := tell(p); err != nil { // the intention
		return err
	}
	up, err := s.NewUpload(ctx)
	if err != nil {
		return err
	}
	n := signing.NewOperation{
		ClientService: "crash",
		Created:       time.Now(),
		Request:       signing.Request{ExternalReference: reference},
	}
	for i := range p.Documents {
		c, err := up.Add(bytes.NewReader(crashContent(reference, i)))
		if err != nil {
			return err
		}
		n.Contents = append(n.Contents, c)
		n.Request.Documents = append(n.Request.Documents, signing.DocumentRequest{ExternalReference: fmt.Sprint(i)})
	}
	if p.Early {
		n.SignEarly = func(_ context.Context, op signing.Operation, _ []signing.Document) []signing.DocumentResult {
			return crashResults(op.ID, reference, p.Documents)
		}
	}
	op, err := s.Create(ctx, up, n)
	if err != nil {
		return err
	}
	p.ID, p.State = op.ID, signing.DocumentReceived
	if p.Early {
		p.State, p.Ended = signing.DocumentSigned, true
		return tell(p)
	}
	if err := tell(p); err != nil {
		return err
	}
	refs := make([]signing.Ref, p.Documents)
	values := make([][]byte, p.Documents)
	results := crashResults(op.ID, reference, p.Documents)
	for i := range refs {
		refs[i] = signing.Ref{Operation: op.ID, Index: i}
		values[i] = fmt.Appendf(nil, "value of %v", refs[i])
	}
	ended := time.Now()
	if rand.IntN(2) == 0 {
		ended = ended.Add(-2 * time.Hour)
	}
	for _, step := range []struct {
		reached signing.DocumentState
		take    func() error
	}{
		{signing.DocumentPrepared, func() error { return s.SavePrepared(ctx, preparedFor(refs, 3000)) }},
		{signing.DocumentSent, func() error {
			return s.BeginCall(ctx, signing.CallRecord{ID: reference, Credential: "credential", Refs: refs})
		}},
		{signing.DocumentValued, func() error { return s.EndCall(ctx, reference, values) }},
		{signing.DocumentSigned, func() error { return s.FinishDocuments(ctx, results) }},
	} {
		if err := step.take(); err != nil {
			return err
		}
		p.State = step.reached
		if err := tell(p); err != nil {
			return err
		}
	}
	p.Removed = ended.Before(time.Now().Add(-time.Hour))
	if err := tell(p); err != nil { // the intention to end
		return err
	}
	executed := signing.StatusChange{Status: signing.StatusExecuted, Ended: ended}
	if err := s.SetStatus(ctx, op.ID, signing.StatusPending, executed); err != nil {
		return err
	}
	p.Ended = true
	return tell(p)
}

func TestKill(t *testing.T) {
	steps := []string{
		"create",
		"create: documents in place",
		"create: committed",
		"prepared",
		"begin",
		"end",
		"finish",
		"finish: sections in place",
		"status",
		"commit",
		"committed",
		"sweep: rows deleted",
		"mark: copied",
		"mark: raised",
		"mark: noted",
	}
	folder := t.TempDir()
	promised := make(map[string]promise) // of all rounds
	for round, step := range append(steps, "", "", "", "", "", "") {
		env := []string{
			"STORE_TEST_FOLDER=" + folder, "STORE_TEST_STEP=" + step, "STORE_TEST_AFTER=" + strconv.Itoa(1+rand.IntN(8)),
			"STORE_TEST_ROUND=" + strconv.Itoa(round),
		}
		crash(t, step, env, promised)
		s := open(t, store.Config{Folder: folder})
		compare(t, s, folder, promised)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			t.Fatalf("round %d, killed at %q: %v", round, step, env)
		}
	}
	if len(promised) < 20 {
		t.Errorf("only %d operations were tried: the helper does not work", len(promised))
	}
}

// crash runs the helper until it is killed, and records its promises.
func crash(t *testing.T, step string, env []string, promised map[string]promise) {
	t.Helper()
	cmd := helper(t, "crash", env...)
	var trouble bytes.Buffer
	cmd.Stderr = &trouble
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, last := 0, 10+rand.IntN(150)
	for in := bufio.NewScanner(out); in.Scan(); lines++ {
		var p promise
		if err := json.Unmarshal(in.Bytes(), &p); err != nil {
			continue // an incomplete line
		}
		promised[p.Reference] = p
		if step == "" && lines == last || lines == 5000 {
			_ = cmd.Process.Kill()
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("helper ended with %v, want it killed; it said: %s", err, trouble.String())
	}
	if step != "" && lines > 5000 {
		t.Errorf("helper never came to step %q", step)
	}
}

// compare compares the store with everything that was promised.
func compare(t *testing.T, s *store.Store, folder string, promised map[string]promise) {
	t.Helper()
	stored := 0
	for _, p := range promised {
		ops, err := s.FindByReference(t.Context(), "crash", p.Reference)
		if err != nil {
			t.Fatal(err)
		}
		if len(ops) == 0 {
			if p.ID != 0 && !p.Removed {
				t.Errorf("operation %s is lost: %+v", p.Reference, p)
			}
			continue
		}
		stored++
		compareOperation(t, s, ops[0], p)
	}
	if files := list(t, folder, "operations"); len(files) != stored {
		t.Errorf("operations holds %d files, want %d", len(files), stored)
	}
	if files := list(t, folder, "uploads"); len(files) != 0 {
		t.Errorf("uploads holds %d files, want none", len(files))
	}
	compareCounters(t, s)
}

func compareOperation(t *testing.T, s *store.Store, op signing.Operation, p promise) {
	t.Helper()
	if (p.Ended || p.Early) && !op.Status.Ended() {
		t.Errorf("operation %s is %s, want it ended", p.Reference, op.Status)
	}
	docs, err := s.Documents(t.Context(), op.ID, 0, 100)
	if err != nil || len(docs) != p.Documents {
		t.Fatalf("operation %s has %d documents, %v, want %d", p.Reference, len(docs), err, p.Documents)
	}
	rank := map[signing.DocumentState]int{
		signing.DocumentReceived: 1,
		signing.DocumentPrepared: 2,
		signing.DocumentSent:     3,
		signing.DocumentValued:   4,
		signing.DocumentSigned:   5,
	}
	if p.Early {
		p.State = signing.DocumentSigned
	}
	for _, d := range docs {
		if d.State != docs[0].State {
			t.Errorf("operation %s: document %d is %s beside %s, want one step for all", p.Reference, d.Index,
				d.State, docs[0].State)
		}
		// abandoned
		if got, want := rank[d.State], rank[p.State]; got != want && got != want+1 &&
			!(p.State == signing.DocumentSent && got == 2) {
			t.Errorf("operation %s: document %d is %s, promised was %s", p.Reference, d.Index, d.State, p.State)
		}
		f, err := s.OpenFile(t.Context(), op.ID, d.Content)
		compareFile(t, "document", d.Ref, f, err, crashContent(p.Reference, d.Index))
		if d.State == signing.DocumentSigned {
			want := shapeOf(d.Index).Joined(crashContent(p.Reference, d.Index), crashSection(d.Ref))
			if got, err := readJoined(t.Context(), s, d); err != nil || !bytes.Equal(got, want) {
				t.Errorf("signed document of %v = %d bytes, %v, want %d", d.Ref, len(got), err, len(want))
			}
		}
		_, value, err := s.Prepared(t.Context(), d.Ref)
		switch {
		case (err == nil) != (rank[d.State] >= 2 && rank[d.State] <= 4):
			t.Errorf("Prepared of %v in state %s = %v", d.Ref, d.State, err)
		case d.State == signing.DocumentValued && string(value) != fmt.Sprintf("value of %v", d.Ref):
			t.Errorf("signature value of %v = %q", d.Ref, value)
		}
	}
}

func compareFile(t *testing.T, what string, ref signing.Ref, f signing.File, err error, want []byte) {
	t.Helper()
	if err != nil {
		t.Errorf("%s of %v: %v", what, ref, err)
		return
	}
	defer func() { _ = f.Close() }()
	if got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size())); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s of %v = %d bytes, %v, want the %d that were sent", what, ref, len(got), err, len(want))
	}
}

// compareCounters checks that every digest that was sent is accounted for, and that calls hold
// exactly the documents in state sent.
func compareCounters(t *testing.T, s *store.Store) {
	t.Helper()
	c, err := s.Counters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	calls, err := s.OpenCalls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	open := int64(0)
	for _, call := range calls {
		for _, ref := range call.Refs {
			open++
			docs, err := s.Documents(t.Context(), ref.Operation, ref.Index, 1)
			if err != nil || len(docs) != 1 || docs[0].State != signing.DocumentSent {
				t.Errorf("call %s has %v: %v, %v, want a document that is sent", call.ID, ref, docs, err)
			}
		}
	}
	if c.Sent != c.Returned+c.Unknown+c.Refused+open {
		t.Errorf("counters %+v with %d digests in open calls do not add up", c, open)
	}
}

// TestInspection reads the database with the sqlite3 program while the store runs.
func TestInspection(t *testing.T) {
	tool, err := exec.LookPath("sqlite3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("sqlite3 is not installed")
		}
		t.Skip("sqlite3 is not installed")
	}
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	create(t, s, "r", "a", "b")
	out, err := exec.Command(
		tool,
		"-readonly",
		folder+"/metadata.db",
		"PRAGMA integrity_check; SELECT status, document_count FROM operations;",
	).CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != "ok\nPENDING_EXECUTION|2" {
		t.Errorf("sqlite3 says %q, %v, want ok and the operation", got, err)
	}
}
