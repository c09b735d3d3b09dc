//go:build linux

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
)

// hotBucket is a bucket with the hot folder of one client service, and the flags that reach it.
type hotBucket struct {
	hotWork
	endpoint string
	flags    []string
}

func newHotBucket(t *testing.T) hotBucket {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("invoices"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(server.Close)
	b := hotBucket{hotWork: hotWork{t.TempDir()}, endpoint: server.URL}
	b.hotWork.put(t, "credentials", "[default]\naws_access_key_id = test\naws_secret_access_key = hush-hush\n")
	b.hotWork.put(t, "client-services-config.json", `{"PRT.1": {"secret": "hush-hush", "inputFolder": "s3://invoices/in",
		"backupFolder": "s3://invoices/backup", "outputFolder": "s3://invoices/out"}}`)
	b.flags = []string{"--hot.folder.storage.endpoint", b.endpoint, "--hot.folder.storage.path-style",
		"--hot.folder.storage.credentials-file", filepath.Join(b.folder, "credentials")}
	return b
}

// do makes a request as a producer or consumer, and returns the status and the body of the answer.
func (b hotBucket) do(t *testing.T, method, key, content string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, b.endpoint+"/invoices/"+key, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// instance returns the folders as an instance uses them.
func (b hotBucket) instance(t *testing.T, ordinal int) *bucket.Folder {
	t.Helper()
	stores, err := bucket.New(bucket.Config{Log: logr.Discard(), Settings: bucket.Settings{
		Endpoint: b.endpoint, PathStyle: true, CredentialsFile: filepath.Join(b.folder, "credentials")}})
	if err != nil {
		t.Fatal(err)
	}
	places, err := bucket.ParsePlaces("s3://invoices/in", "s3://invoices/out", "s3://invoices/backup")
	if err != nil {
		t.Fatal(err)
	}
	f, err := stores.Folder(bucket.FolderConfig{Places: places, Ordinal: ordinal})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (b hotBucket) signctl(t *testing.T, args ...string) result {
	t.Helper()
	return b.hotWork.signctl(t, append(b.flags, args...)...)
}

// TestHotBucketCheck examines folders in object storage, and leaves nothing there.
func TestHotBucketCheck(t *testing.T) {
	b := newHotBucket(t)
	r := b.signctl(t, "check")
	for _, text := range []string{"input folder, read access", "conditional writes", "output folder, write access"} {
		if r.code != exitOK || !strings.Contains(r.out, text) {
			t.Errorf("check = %d, %s%s, want a good finding about %s", r.code, r.out, r.err, text)
		}
	}
	if _, list := b.do(t, http.MethodGet, "", ""); strings.Contains(list, "<Key>") {
		t.Errorf("check left objects: %s", list)
	}
	r = b.signctl(t, "check", "--hot.folder.storage.credentials-file", filepath.Join(b.folder, "missing"))
	if r.code != exitFailed || !strings.Contains(r.err, "missing does not exist") {
		t.Errorf("check without credentials = %d, %s", r.code, r.err)
	}
	for _, args := range [][]string{{"list"}, {"retry", "run"}} {
		r = b.signctl(t, args...)
		if r.code != exitFailed || !strings.Contains(r.err, "PRT.1: its folders are in object storage, where "+args[0]) {
			t.Errorf("%v = %d, %s%s", args, r.code, r.out, r.err)
		}
	}
	if strings.Contains(r.out+r.err, "hush") {
		t.Error("the output has a secret")
	}
}

// TestHotBucketRelease gives the claims of an instance back to the input folder.
func TestHotBucketRelease(t *testing.T) {
	b := newHotBucket(t)
	b.do(t, http.MethodPut, "in/a.pdf", "A")
	f := b.instance(t, 1)
	for e, err := range f.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range f.Claim(t.Context(), hotfolder.Run{Owner: 1, ID: testRun}, []hotfolder.Entry{e}) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := b.signctl(t, "release", "1"); r.code != exitFailed || !strings.Contains(r.err, "may still run. Stop it") {
		t.Errorf("release of a running instance = %d, %s%s", r.code, r.out, r.err)
	}
	r := b.signctl(t, "release", "1", "--force")
	if r.code != exitOK || !strings.Contains(r.out, "1 files are in the input folder again") {
		t.Errorf("release = %d, %s%s", r.code, r.out, r.err)
	}
	if status, body := b.do(t, http.MethodGet, "in/a.pdf", ""); status != http.StatusOK || body != "A" {
		t.Errorf("the file is not in the input folder: %d %q", status, body)
	}
	if r := b.signctl(t, "release", "1"); r.code != exitOK || !strings.Contains(r.out, "has no claims") {
		t.Errorf("release of nothing = %d, %s%s", r.code, r.out, r.err)
	}
}
