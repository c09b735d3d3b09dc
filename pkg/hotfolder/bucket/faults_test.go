package bucket_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
)

// problem returns the details of the findings of Check that are not good.
func problem(t *testing.T, folder *bucket.Folder) string {
	t.Helper()
	var bad []string
	for _, f := range folder.Check(t.Context()) {
		if !f.OK {
			bad = append(bad, f.What+": "+f.Detail)
		}
	}
	text := strings.Join(bad, "\n")
	if strings.Contains(text, secretKey) {
		t.Errorf("a finding contains the secret key: %s", text)
	}
	return text
}

// wants fails the test if text does not contain all words.
func wants(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("got %q, want it to contain %q", text, word)
		}
	}
}

func TestCheckNoBucket(t *testing.T) {
	f := newS3Folders(fakeS3(t), "")
	places, err := bucket.ParsePlaces("s3://missing/in", "s3://missing/out", "s3://missing/backup")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := f.stores(t).Folder(bucket.FolderConfig{Places: places})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, problem(t, folder), "bucket missing", "the bucket does not exist")
}

// TestCheckCredentials reports credentials that the store refuses.
func TestCheckCredentials(t *testing.T) {
	for _, code := range []string{"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken"} {
		denied := func(http.Handler) http.Handler { return answering(http.StatusForbidden, code) }
		wants(t, problem(t, newS3Folders(fakeS3(t, denied), "").folder(t, 0)), "refuses the credentials", code)
	}
}

// TestCredentialsFile says what is wrong with a credentials file, and that the store has not said
// so.
func TestCredentialsFile(t *testing.T) {
	for _, tt := range []struct {
		kind    bucket.Kind
		content string
		want    string
	}{
		{bucket.S3, "", "/credentials does not exist"},
		{bucket.GCS, "", "/credentials does not exist"},
		{bucket.Azure, "", "/credentials does not exist"},
		{bucket.S3, "[other]\naws_access_key_id = hush\n", "has no aws_access_key_id and aws_secret_access_key"},
		{bucket.GCS, "hush", "/credentials is not the JSON of a service account"},
		{bucket.Azure, "AccountName=hush", "neither AccountKey nor SharedAccessSignature"},
	} {
		file := filepath.Join(t.TempDir(), "credentials")
		if tt.content != "" {
			if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		stores, err := bucket.New(bucket.Config{Log: logr.Discard(), Settings: bucket.Settings{
			Endpoint: "http://127.0.0.1:1", CredentialsFile: file}})
		if err != nil {
			t.Fatal(err)
		}
		stores.Impatient()
		texts := []string{fmt.Sprint(stores.CheckCredentials(t.Context(), tt.kind))}
		if tt.kind == bucket.Azure {
			_, err := stores.Folder(bucket.FolderConfig{Places: placesOf(t, tt.kind)})
			texts = append(texts, fmt.Sprint(err))
		} else {
			texts = append(texts, problem(t, openFolder(t, stores, string(tt.kind)+"://"+s3Bucket+"/", 0)))
		}
		for _, text := range texts {
			wants(t, text, tt.want)
			if strings.Contains(text, "store refuses") || strings.Contains(text, "hush") {
				t.Errorf("%s reads like a refusal of the store, or repeats the file", text)
			}
		}
	}
}

// placesOf returns the folders in, out and backup in the test bucket.
func placesOf(t *testing.T, kind bucket.Kind) bucket.Places {
	t.Helper()
	root := string(kind) + "://" + s3Bucket + "/"
	places, err := bucket.ParsePlaces(root+"in", root+"out", root+"backup")
	if err != nil {
		t.Fatal(err)
	}
	return places
}

// open opens folders of the test bucket.
func open(t *testing.T, stores *bucket.Stores) *bucket.Folder {
	t.Helper()
	root := "s3://" + s3Bucket + "/"
	places, err := bucket.ParsePlaces(root+"in", root+"out", root+"backup")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := stores.Folder(bucket.FolderConfig{Places: places})
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestHangingEndpoint ends calls to a store that accepts connections and never answers.
func TestHangingEndpoint(t *testing.T) {
	end := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-end:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(end) })
	stores := newS3Folders(server.URL, "").stores(t)
	stores.Impatient()
	folder := open(t, stores)
	wants(t, problem(t, folder), "busy or not reachable")
	errs := folder.Claim(t.Context(), hotfolder.Run{ID: "run"}, []hotfolder.Entry{{Name: "a.pdf", Version: `"1"`}})
	wants(t, fmt.Sprint(errors.Join(errs...)), "busy or not reachable")
}

// TestUnconditionalStore refuses a store that ignores conditions, and one that refuses requests
// with them.
func TestUnconditionalStore(t *testing.T) {
	ignores := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-None-Match")
			r.Header.Del("If-Match")
			next.ServeHTTP(w, r)
		})
	}
	refuses := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && r.Header.Get("If-None-Match")+r.Header.Get("If-Match") != "" {
				answering(http.StatusNotImplemented, "NotImplemented").ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	ignoresMatch := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-Match")
			next.ServeHTTP(w, r)
		})
	}
	for name, store := range map[string]func(http.Handler) http.Handler{
		"ignores": ignores, "refuses": refuses, "ignores If-Match": ignoresMatch} {
		t.Run(name, func(t *testing.T) {
			f := newS3Folders(fakeS3(t, store), "")
			f.Put(t, "a.pdf", "content")
			folder := f.folder(t, 0)
			wants(t, problem(t, folder), "conditional writes", "two instances could sign the same file")
			entry, err := folder.Stat(t.Context(), "a.pdf")
			if err != nil {
				t.Fatal(err)
			}
			errs := folder.Claim(t.Context(), hotfolder.Run{ID: "run"}, []hotfolder.Entry{entry})
			wants(t, fmt.Sprint(errors.Join(errs...)), "two instances could sign the same file")
			if in := f.Input(t); len(in) != 1 {
				t.Errorf("input folder has %v, want the file", in)
			}
		})
	}
}

// answering refuses every request.
func answering(status int, code string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>the store says no</Message></Error>", code)
	})
}

// TestBusyStore retries requests that a store throttles or loses, also when it has carried them out
// before it failed.
func TestBusyStore(t *testing.T) {
	var mu sync.Mutex
	tries := make(map[string]int)
	busy := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			n := tries[r.Method+r.URL.String()]
			tries[r.Method+r.URL.String()]++
			mu.Unlock()
			switch {
			case !ours(r), strings.HasSuffix(r.URL.Path, "/run"): // many ask for a run at the same time
				next.ServeHTTP(w, r)
			case n%3 == 0:
				next.ServeHTTP(httptest.NewRecorder(), r) // carried out
				answering(http.StatusInternalServerError, "InternalError").ServeHTTP(w, r)
			case n%3 == 1:
				answering(http.StatusServiceUnavailable, "SlowDown").ServeHTTP(w, r)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
	f := newS3Folders(fakeS3(t, conditions, busy), "")
	folder := f.folder(t, 0)
	run := hotfolder.Run{ID: "0a2f6f0e-6d0b-4c1c-9f3f-000000000001"}
	const files = 20
	for i := range files {
		f.Put(t, fmt.Sprintf("%02d.pdf", i), "content")
	}
	signAll(t, folder, run)
	if out, backup := f.Output(t), f.Backup(t); len(out) != files || len(backup) != files || len(f.Input(t)) != 0 {
		t.Errorf("output has %d files and backup %d, want %d each; input has %v", len(out), len(backup), files, f.Input(t))
	}
}

// ours reports whether a request is made by the code under test.
func ours(r *http.Request) bool { return strings.Contains(r.UserAgent(), "signstash-proxy") }

// signAll does what the engine does with all files of an input folder.
func signAll(t *testing.T, folder *bucket.Folder, run hotfolder.Run) {
	t.Helper()
	var entries []hotfolder.Entry
	for e, err := range folder.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	if err := errors.Join(folder.Claim(t.Context(), run, entries)...); err != nil {
		t.Fatalf("Claim = %v", err)
	}
	var claims []hotfolder.Claim
	var files []hotfolder.BackupFile
	for c, err := range folder.Claimed(t.Context(), run) {
		if err != nil {
			t.Fatalf("Claimed = %v", err)
		}
		if err := folder.Stage(t.Context(), c, 0, c.Name, strings.NewReader("signed")); err != nil {
			t.Fatalf("Stage = %v", err)
		}
		claims, files = append(claims, c), append(files, hotfolder.BackupFile{Claim: c})
	}
	if err := errors.Join(folder.Deliver(t.Context(), run, claims)...); err != nil {
		t.Fatalf("Deliver = %v", err)
	}
	if err := errors.Join(folder.Backup(t.Context(), run, files)...); err != nil {
		t.Fatalf("Backup = %v", err)
	}
	if err := folder.Release(t.Context(), run); err != nil {
		t.Fatalf("Release = %v", err)
	}
}
