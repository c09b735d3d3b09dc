package bucket_test

import (
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// forgetful is a store that refuses a request to show a file, or removes all uploads.
type forgetful struct {
	next http.Handler

	mu       sync.Mutex
	refuses  bool // the next request to show a file
	removed  bool // the uploads that were begun until now
	sessions map[string]bool
}

// inOutput matches the path of a file in the output folder that is no text with a reason.
var inOutput = regexp.MustCompile(`/out/.*(xml|json)$`)

// refuse makes the store refuse the next request that shows a file.
func (s *forgetful) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses = true
}

// remove removes all uploads that are not complete.
func (s *forgetful) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed = true
}

func (s *forgetful) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query, none := r.URL.Query(), r.Header.Get("If-None-Match") != ""
	session := r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/session/")
	azure := query.Get("comp") == "blocklist" && none
	shows := session || azure || r.Method == http.MethodPost && query.Has("uploadId") && none
	s.mu.Lock()
	refused := shows && s.refuses
	s.refuses = s.refuses && !refused
	removed := shows && s.removed && (s.sessions[r.URL.Path] || !session && inOutput.MatchString(r.URL.Path))
	s.mu.Unlock()
	switch {
	case refused:
		answering(http.StatusForbidden, "AccessDenied").ServeHTTP(w, r)
	case removed:
		if azure {
			w.Header().Set("X-Ms-Error-Code", "InvalidBlockList")
		}
		answering(http.StatusNotFound, "NoSuchUpload").ServeHTTP(w, r)
	default:
		s.next.ServeHTTP(w, r)
		s.began(w.Header().Get("Location"))
	}
}

// began remembers a session of Google Cloud Storage.
func (s *forgetful) began(location string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, path, found := strings.Cut(location, "/session/"); found && !s.removed {
		s.sessions["/session/"+path] = true
	}
}

// TestUploadRemovedByStore checks what becomes of a result whose upload the store has removed,
// because no instance ran for days: the document fails with a reason, and its original is in the
// backup folder with that reason. After a short time a missing upload means that the file was shown
// and taken.
func TestUploadRemovedByStore(t *testing.T) {
	t.Parallel()
	for kind, fresh := range kinds {
		for _, down := range []time.Duration{time.Hour, 8 * 24 * time.Hour} {
			t.Run(kind+" "+down.String(), func(t *testing.T) {
				store := &forgetful{sessions: make(map[string]bool)}
				f := fresh(t, func(next http.Handler) http.Handler { store.next = next; return store })
				folder, run := f.folder(t, 0), hotfolder.Run{Owner: 0, ID: "0a2f6f0e-6d0b-4c1c-9f3f-000000000001"}
				claim := interruptedDelivery(t, f, store, run)
				folder.Later(down)
				store.remove()
				for range 2 { // the second call repeats the first
					if err := errors.Join(folder.Deliver(t.Context(), run, []hotfolder.Claim{claim})...); err != nil {
						t.Fatal(err)
					}
				}
				err := errors.Join(folder.Backup(t.Context(), run, []hotfolder.BackupFile{{Claim: claim}})...)
				if err = errors.Join(err, folder.Release(t.Context(), run)); err != nil {
					t.Fatal(err)
				}
				wantOutcome(t, f, run.ID, down > 24*time.Hour)
			})
		}
	}
}

// interruptedDelivery puts a file, stages its result and a receipt, and ends while they are shown.
func interruptedDelivery(t *testing.T, f folders, store *forgetful, run hotfolder.Run) hotfolder.Claim {
	t.Helper()
	f.Put(t, "a.xml", "content of a.xml")
	folder := f.folder(t, 0)
	for e, err := range folder.List(t.Context()) {
		if err == nil {
			err = errors.Join(folder.Claim(t.Context(), run, []hotfolder.Entry{e})...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	claim := hotfolder.Claim{Run: run, Name: "a.xml"}
	for i, name := range []string{"a.xml.json", "a.xml"} {
		if err := folder.Stage(t.Context(), claim, i, name, strings.NewReader("signed")); err != nil {
			t.Fatal(err)
		}
	}
	store.refuse()
	if err := errors.Join(folder.Deliver(t.Context(), run, []hotfolder.Claim{claim})...); err == nil {
		t.Fatal("the delivery was not interrupted")
	}
	return claim
}

// wantOutcome checks the folders after the delivery.
func wantOutcome(t *testing.T, f folders, run string, lost bool) {
	t.Helper()
	output, backup := f.Output(t), f.Backup(t)
	want := []string{run + "/a.xml"}
	if lost {
		want = append(want, run+"/a.xml.txt")
		text := backup[run+"/a.xml.txt"]
		if output[run+"/a.xml.txt"] != text || !hotfolder.IsReason([]byte(text)) || !strings.Contains(text, "copy the") {
			t.Errorf("reasons = %q and %q", output[run+"/a.xml.txt"], text)
		}
	}
	if got := slices.Sorted(maps.Keys(backup)); !slices.Equal(got, want) {
		t.Errorf("backup folder = %q, want %q", got, want)
	}
	if len(output) != len(want)-1 || len(f.Input(t)) > 0 {
		t.Errorf("output = %q, input = %q", output, f.Input(t))
	}
}
