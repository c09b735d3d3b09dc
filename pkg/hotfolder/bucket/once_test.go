package bucket_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/storagetest"
)

// killer lets a number of requests of the code under test through and then none, as for a process
// that was killed.
type killer struct {
	next http.Handler

	mu   sync.Mutex
	left int  // requests until the process is dead; negative = it lives
	late bool // the last request is carried out, but its answer is lost
}

// arm kills the process after a number of requests.
func (k *killer) arm(requests int, late bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left, k.late = requests, late
}

func (k *killer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !ours(r) {
		k.next.ServeHTTP(w, r)
		return
	}
	k.mu.Lock()
	alive, last := k.left != 0, k.left == 1
	if k.left > 0 {
		k.left--
	}
	late := k.late
	k.mu.Unlock()
	if alive && (!last || late) {
		if last {
			k.next.ServeHTTP(httptest.NewRecorder(), r)
		} else {
			k.next.ServeHTTP(w, r)
			return
		}
	}
	answering(http.StatusForbidden, "AccessDenied").ServeHTTP(w, r) // an error that is not retried
}

// kinds makes empty folders on each kind of store. around may change requests and answers.
var kinds = map[string]func(t *testing.T, around func(http.Handler) http.Handler) folders{
	"s3": func(t *testing.T, around func(http.Handler) http.Handler) folders {
		return newS3Folders(fakeS3(t, conditions, around), "")
	},
	"gs": func(t *testing.T, around func(http.Handler) http.Handler) folders {
		return &gcsFolders{startFakeGCS(t, around), "", serviceAccount(t)}
	},
	"azblob": func(t *testing.T, around func(http.Handler) http.Handler) folders {
		return &azureFolders{startFakeAzure(t, around), ""}
	},
}

// folders are the folders of a client service that a test opens for several instances.
type folders interface {
	storagetest.Folders
	folder(t *testing.T, ordinal int) *bucket.Folder
}

// TestKilledAtEachRequest ends an instance at each request of a file's life, before and after the
// store has carried it out. A second instance takes over. The file is in the output folder once,
// although a consumer removes it at once, and its original is in the backup folder once.
func TestKilledAtEachRequest(t *testing.T) {
	t.Parallel()
	for kind, fresh := range kinds {
		t.Run(kind, func(t *testing.T) {
			for _, late := range []bool{false, true} {
				at := 1
				for killedAt(t, fresh, at, late) && !t.Failed() {
					at++
				}
				if t.Failed() {
					t.Fatalf("killed at request %d, carried out: %v", at, late)
				}
				if at < 20 {
					t.Errorf("a file needs %d requests, which is too few to be true", at)
				}
			}
		})
	}
}

// killedAt reports whether the instance was killed before it was done.
func killedAt(
	t *testing.T,
	fresh func(*testing.T, func(http.Handler) http.Handler) folders,
	at int,
	late bool,
) (dead bool) {
	t.Helper()
	k := &killer{left: -1}
	f := fresh(t, func(next http.Handler) http.Handler { k.next = next; return k })
	first, second := f.folder(t, 0), f.folder(t, 1)
	for _, folder := range []*bucket.Folder{first, second} { // so that the requests of this are not counted
		if err := folder.Conditional(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	f.Put(t, "a.pdf", "content of a.pdf")
	run := hotfolder.Run{Owner: 0, ID: "0a2f6f0e-6d0b-4c1c-9f3f-000000000001"}
	k.arm(at, late)
	shown := map[string]int{}
	dead = engine(t, first, run, "signed by the first") != nil
	k.arm(-1, false)
	consume(t, f, shown)
	if dead {
		takeOver(t, second, run)
		consume(t, f, shown)
		rescan(t, second)
		consume(t, f, shown)
	}
	if len(shown) != 1 || shown[run.ID+"/a.pdf"]+shown[secondRun+"/a.pdf"] != 1 {
		t.Errorf("outputs = %v, want a.pdf once", shown)
	}
	if in, backup := f.Input(t), f.Backup(t); len(in) != 0 || len(backup) != 1 {
		t.Errorf("input = %v, backup = %v, want a.pdf in the backup folder", in, backup)
	}
	return dead
}

const secondRun = "0a2f6f0e-6d0b-4c1c-9f3f-000000000002"

// consume counts the outputs and removes them.
func consume(t *testing.T, f folders, shown map[string]int) {
	t.Helper()
	for path, content := range f.Output(t) {
		if !strings.HasPrefix(content, "signed by the ") {
			t.Errorf("output %q has the content %q", path, content)
		}
		shown[path]++
		f.RemoveOutput(t, path)
	}
}

// engine does what the engine does with the files of a run, and returns the first error.
func engine(t *testing.T, folder *bucket.Folder, run hotfolder.Run, signed string) error {
	t.Helper()
	var entries []hotfolder.Entry
	for e, err := range folder.List(t.Context()) {
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	if len(entries) > 0 {
		if err := errors.Join(folder.Claim(t.Context(), run, entries)...); err != nil {
			return err
		}
	}
	return finish(t, folder, run, signed)
}

// finish brings all claims of a run to their end.
func finish(t *testing.T, folder *bucket.Folder, run hotfolder.Run, signed string) error {
	t.Helper()
	for c, err := range folder.Claimed(t.Context(), run) {
		if err != nil {
			return err
		}
		file, err := folder.Open(t.Context(), c)
		if err != nil {
			return err
		}
		content, err := io.ReadAll(io.NewSectionReader(file, 0, file.Size()))
		if err = errors.Join(err, file.Unchanged()); err != nil {
			return err
		}
		if string(content) != "content of "+c.Name {
			t.Errorf("content of %q = %q", c.Name, content)
		}
		if !c.Delivered {
			if err := folder.Stage(t.Context(), c, 0, c.Name, strings.NewReader(signed)); err != nil {
				return err
			}
		}
		if err := errors.Join(folder.Deliver(t.Context(), run, []hotfolder.Claim{c})...); err != nil {
			return err
		}
		if err := errors.Join(folder.Backup(t.Context(), run, []hotfolder.BackupFile{{Claim: c}})...); err != nil {
			return err
		}
	}
	return folder.Release(t.Context(), run)
}

// takeOver finishes the run of an instance that is gone, if it had begun.
func takeOver(t *testing.T, folder *bucket.Folder, run hotfolder.Run) {
	t.Helper()
	taken, err := folder.TakeOver(t.Context(), run)
	if errors.Is(err, hotfolder.ErrGone) {
		return
	}
	if err == nil {
		err = finish(t, folder, taken, "signed by the second")
	}
	if err != nil {
		t.Errorf("take over = %v", err)
	}
}

// rescan signs what is still in the input folder.
func rescan(t *testing.T, folder *bucket.Folder) {
	t.Helper()
	if err := engine(t, folder, hotfolder.Run{Owner: 1, ID: secondRun}, "signed by the second"); err != nil {
		t.Errorf("scan = %v", err)
	}
}

// TestOverwrittenDuringClaims lets a producer write the same names again and again while two
// instances claim them. Every version that was not replaced before its claim is signed once, and no
// content is mixed up.
func TestOverwrittenDuringClaims(t *testing.T) {
	t.Parallel()
	f := newS3Folders(fakeS3(t, conditions), "")
	const rounds, names = 12, 5
	var all sync.WaitGroup
	done := make(chan struct{})
	all.Go(func() {
		defer close(done)
		random := rand.New(rand.NewPCG(1, 2))
		for round := range rounds {
			for range names {
				f.Put(t, fmt.Sprintf("%d.pdf", random.IntN(names)), fmt.Sprintf("version %d of %d", round, random.Int64()))
			}
		}
	})
	for ordinal := range 2 {
		folder := f.folder(t, ordinal)
		all.Go(func() {
			for round, last := 0, false; !last; round++ {
				select {
				case <-done:
					last = true
				default:
				}
				claimAll(t, folder, hotfolder.Run{Owner: ordinal, ID: fmt.Sprintf("run-%d-%d", ordinal, round)})
			}
		})
	}
	all.Wait()
	// A file may have been passed to the other instance in the last round.
	claimAll(t, f.folder(t, 0), hotfolder.Run{Owner: 0, ID: "last"})
	seen := make(map[string]bool)
	for path, content := range f.Backup(t) {
		if seen[content] {
			t.Errorf("%q is in the backup folder twice, also as %s", content, path)
		}
		seen[content] = true
	}
	if in := f.Input(t); len(in) != 0 {
		t.Errorf("input folder has %v", in)
	}
}

// claimAll claims what is in the input folder and moves it to the backup folder.
func claimAll(t *testing.T, folder *bucket.Folder, run hotfolder.Run) {
	t.Helper()
	var entries []hotfolder.Entry
	for e, err := range folder.List(t.Context()) {
		if err != nil {
			t.Error(err)
			return
		}
		entries = append(entries, e)
	}
	for _, err := range folder.Claim(t.Context(), run, entries) {
		if err != nil && !errors.Is(err, hotfolder.ErrGone) && !errors.Is(err, hotfolder.ErrChanged) {
			t.Errorf("Claim = %v", err)
		}
	}
	for c, err := range folder.Claimed(t.Context(), run) {
		if err == nil {
			err = errors.Join(folder.Backup(t.Context(), run, []hotfolder.BackupFile{{Claim: c}})...)
		}
		if err != nil {
			t.Error(err)
		}
	}
	if err := folder.Release(t.Context(), run); err != nil {
		t.Errorf("Release = %v", err)
	}
}
