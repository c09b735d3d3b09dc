package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing/formattest"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// TestFullDisk runs fullHelper in its own mount namespace, with a small file system to fill.
func TestFullDisk(t *testing.T) {
	folder := t.TempDir()
	runMounting(t, helper(t, "full", "STORE_TEST_FOLDER="+folder))
}

// runMounting runs a helper that mounts something, in its own mount namespace.
func runMounting(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) ||
		strings.Contains(string(out), errNoMount):
		t.Skipf("no file system can be mounted here: %v %s", err, out)
	case err != nil:
		t.Errorf("%v: %s", err, out)
	}
}

const errNoMount = "mount small file system"

// fullHelper fills the disk at every point where the store writes, and checks the errors and that
// the store recovers.
func fullHelper() error {
	folder := os.Getenv("STORE_TEST_FOLDER")
	if err := syscall.Mount("small", folder, "tmpfs", 0, "size=16m"); err != nil {
		return fmt.Errorf("%s: %w", errNoMount, err)
	}
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Folder: filepath.Join(folder, "state"), MinFree: -1})
	if err != nil {
		return err
	}
	f := &full{Store: s, ctx: ctx, ballast: filepath.Join(folder, "ballast")}
	f.reserve(filepath.Join(folder, "state", "reserve"))
	f.intake()
	f.journal()
	f.claims()
	f.expect("Close", s.Close(), "")
	return errors.Join(f.wrong...)
}

// full is a store on a disk that can be filled.
type full struct {
	*store.Store
	ctx     context.Context
	ballast string
	wrong   []error
}

// reserve asks for more room than the disk has. The call in flight keeps the room that it has.
func (f *full) reserve(path string) {
	f.expect("HoldRoom", f.HoldRoom("in flight", 400), "")
	f.expect("HoldRoom beyond the disk", f.HoldRoom("too large", 3000), signing.KindStorage)
	if info, err := os.Stat(path); err != nil || info.Size() != 4<<20 {
		f.wrong = append(f.wrong, fmt.Errorf("reserve after a refused call: %+v, %w, want 4 MiB", info, errorOrNone(err)))
	}
	f.FreeRoom("in flight")
}

// expect notes an error that is not of a kind; none = success.
func (f *full) expect(what string, err error, want signing.Kind) {
	if want == "" && err == nil || want != "" && err != nil && signing.KindOf(err) == want {
		return
	}
	f.wrong = append(f.wrong, fmt.Errorf("%s = %w, want kind %q", what, errorOrNone(err), want))
}

func errorOrNone(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

// fill takes all space there is.
func (f *full) fill() {
	file, err := os.Create(f.ballast)
	f.expect("make ballast", err, "")
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = file.Write(make([]byte, size))
		}
	}
	_ = file.Close()
}

func (f *full) free() { f.expect("remove ballast", os.Remove(f.ballast), "") }

func (f *full) create(reference string, size int) (signing.Operation, error) {
	up, err := f.NewUpload(f.ctx)
	if err != nil {
		return signing.Operation{}, err
	}
	defer up.Discard()
	c, err := up.Add(bytes.NewReader(make([]byte, size)))
	if err != nil {
		return signing.Operation{}, err
	}
	return f.Create(f.ctx, up, newOperation(reference, c))
}

func newOperation(reference string, contents ...signing.Content) signing.NewOperation {
	n := signing.NewOperation{ClientService: "c", Contents: contents}
	n.Request.ExternalReference, n.Request.Documents = reference, make([]signing.DocumentRequest, len(contents))
	return n
}

// createShapes makes an operation with a document of every shape.
func (f *full) createShapes(reference string) (op signing.Operation, contents [][]byte) {
	up, err := f.NewUpload(f.ctx)
	f.expect("NewUpload", err, "")
	var uploaded []signing.Content
	for _, shape := range formattest.Shapes {
		contents = append(contents, shape.Original(make([]byte, 1000)))
		c, err := up.Add(bytes.NewReader(contents[len(contents)-1]))
		f.expect("Add", err, "")
		uploaded = append(uploaded, c)
	}
	op, err = f.Create(f.ctx, up, newOperation(reference, uploaded...))
	f.expect("Create", err, "")
	return op, contents
}

// intake checks that a document that does not fit is refused as busy, and leaves room for the next
// one.
func (f *full) intake() {
	op, err := f.create("before", 1000)
	f.expect("Create", err, "")
	for range 3 {
		_, err = f.create("too large", 64<<20)
		f.expect("Add of more than there is room", err, signing.KindBusy)
	}
	_, err = f.create("after", 1<<20)
	f.expect("Create afterwards", err, "")
	_, err = f.Operation(f.ctx, op.ID)
	f.expect("Operation", err, "")
}

// journal checks that on a full disk every write fails as storage or busy and reads continue, and
// that everything works when there is room again.
func (f *full) journal() {
	op, contents := f.createShapes("journal")
	var refs []signing.Ref
	var results []signing.DocumentResult
	for i, content := range contents {
		refs = append(refs, signing.Ref{Operation: op.ID, Index: i})
		results = append(results, signedAs(refs[i], len(content), make([]byte, 200<<10))) // more than 1 MiB in all
	}
	docs, err := f.Documents(f.ctx, op.ID, 0, 1)
	f.expect("Documents", err, "")
	f.fill()
	f.expect("SavePrepared on a full disk", f.SavePrepared(f.ctx, preparedFor(refs, 1<<20)), signing.KindStorage)
	file, err := f.OpenFile(f.ctx, op.ID, docs[0].Content)
	f.expect("OpenFile on a full disk", err, "")
	if err == nil {
		_ = file.Close()
	}
	f.free()
	f.expect("SavePrepared", f.SavePrepared(f.ctx, preparedFor(refs, 10)), "")
	f.expect("BeginCall", f.BeginCall(f.ctx, signing.CallRecord{ID: "call", Credential: "credential", Refs: refs}), "")
	f.fill()
	f.values(refs)
	f.expect("FinishDocuments on a full disk", f.FinishDocuments(f.ctx, results), signing.KindStorage)
	docs, err = f.Documents(f.ctx, op.ID, 0, 1)
	f.expect("Documents on a full disk", err, "")
	if len(docs) != 1 || docs[0].State != signing.DocumentValued {
		f.wrong = append(f.wrong, fmt.Errorf("documents on a full disk = %v, want one that is valued", docs))
	}
	f.free()
	f.expect("FinishDocuments", f.FinishDocuments(f.ctx, results), "")
	f.signed(op.ID, contents, results)
	f.expect("Check", f.Check(f.ctx), "")
}

// claims checks that claims are refused as busy on a full disk, and that all of those that were
// stored before are there.
func (f *full) claims() {
	c := f.Claims(0)
	f.fill()
	page, stored := make([]keyhome.Claim, keyhome.PageSize), 0
	var err error
	for range 1000 { // the first ones fit into the WAL
		for i := range page {
			page[i] = claimed(stored+i, 1).Claim
		}
		if _, err = c.Save(f.ctx, nil, page); err != nil {
			break
		}
		stored += len(page)
	}
	f.expect("Save of claims on a full disk", err, signing.KindBusy)
	_, err = c.Swap(f.ctx, claimed(stored, 1).Key, 0, claimed(stored, 1))
	f.expect("Swap on a full disk", err, signing.KindBusy)
	f.free()
	_, err = c.Swap(f.ctx, claimed(stored, 1).Key, 0, claimed(stored, 1))
	f.expect("Swap", err, "")
	st, err := f.Stats(f.ctx)
	f.expect("Stats", err, "")
	if st.Claims != int64(stored+1) {
		f.wrong = append(f.wrong, fmt.Errorf("there are %d claims, want %d", st.Claims, stored+1))
	}
}

// signed compares the signed documents of an operation with what was stored.
func (f *full) signed(id signing.ID, contents [][]byte, results []signing.DocumentResult) {
	docs, err := f.Documents(f.ctx, id, 0, len(contents))
	f.expect("Documents", err, "")
	for i, d := range docs {
		got, err := readJoined(f.ctx, f.Store, d)
		want := shapeOf(i).Joined(contents[i], results[i].Section)
		if err != nil || !bytes.Equal(got, want) {
			err = fmt.Errorf("document %d has %d bytes, %w, want %d", i, len(got), errorOrNone(err), len(want))
			f.wrong = append(f.wrong, err)
		}
	}
}

// values checks that signature values are stored on a full disk, in the room that was reserved for
// them. Afterwards no call begins until there is room again.
func (f *full) values(refs []signing.Ref) {
	// The values are large enough to need room of their own. Otherwise they might fit into the WAL.
	values := make([][]byte, len(refs))
	for i := range values {
		values[i] = make([]byte, 2<<20/len(refs))
	}
	f.expect("EndCall on a full disk", f.EndCall(f.ctx, "call", values), "")
	f.fill()
	f.expect("BeginCall without room",
		f.BeginCall(f.ctx, signing.CallRecord{ID: "next", Credential: "credential", Refs: refs}), signing.KindStorage)
	calls, err := f.OpenCalls(f.ctx)
	f.expect("OpenCalls", err, "")
	if len(calls) != 0 {
		f.wrong = append(f.wrong, fmt.Errorf("open calls = %v, want none", calls))
	}
}
