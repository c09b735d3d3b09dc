package bucket_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/storagetest"
)

// gcsFolders are folders in a bucket of Google Cloud Storage.
type gcsFolders struct {
	endpoint, prefix, credentials string
}

// accountKey is the key of the service account in all tests, because making one takes long.
var accountKey = sync.OnceValues(func() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(key)
})

// serviceAccount writes a credentials file whose tokens come from a server of the test.
func serviceAccount(t *testing.T) (file string) {
	t.Helper()
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"test-token","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(tokens.Close)
	der, err := accountKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(
		map[string]string{"type": "service_account", "client_email": "test@example.com", "token_uri": tokens.URL,
			"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))},
	)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Open implements storagetest.Folders.
func (f *gcsFolders) Open(t *testing.T, ordinal int) hotfolder.Storage { return f.folder(t, ordinal) }

// folder opens the folders of an instance.
func (f *gcsFolders) folder(t *testing.T, ordinal int) *bucket.Folder {
	t.Helper()
	stores, err := bucket.New(bucket.Config{Log: logr.Discard(),
		Settings: bucket.Settings{Endpoint: f.endpoint, CredentialsFile: f.credentials}})
	if err != nil {
		t.Fatal(err)
	}
	stores.Hasty()
	return openFolder(t, stores, "gs://"+s3Bucket+"/"+f.prefix, ordinal)
}

// do makes a request as a producer or consumer.
func (f *gcsFolders) do(t *testing.T, method, path string, body []byte) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, f.endpoint+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		t.Fatalf("%s %s: %s, %v: %s", method, path, answer.Status, err, data)
	}
	return data
}

const gcsPath = "/storage/v1/b/" + s3Bucket + "/o"

// Put implements storagetest.Folders.
func (f *gcsFolders) Put(t *testing.T, name, content string) {
	f.do(
		t,
		http.MethodPost,
		"/upload"+gcsPath+"?uploadType=media&name="+url.QueryEscape(f.prefix+"in/"+name),
		[]byte(content),
	)
}

// RemoveOutput implements storagetest.Folders.
func (f *gcsFolders) RemoveOutput(t *testing.T, path string) {
	f.do(t, http.MethodDelete, gcsPath+"/"+url.PathEscape(f.prefix+"out/"+path), nil)
}

func (f *gcsFolders) objects(t *testing.T, folder string) map[string]string {
	t.Helper()
	var list struct{ Items []struct{ Name string } }
	if err := json.Unmarshal(
		f.do(t, http.MethodGet, gcsPath+"?prefix="+url.QueryEscape(f.prefix+folder), nil),
		&list,
	); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, o := range list.Items {
		name := strings.TrimPrefix(o.Name, f.prefix+folder)
		if !strings.HasPrefix(name, ".signstash/") {
			found[name] = string(f.do(t, http.MethodGet, gcsPath+"/"+url.PathEscape(o.Name)+"?alt=media", nil))
		}
	}
	return found
}

// Input, Output and Backup implement storagetest.Folders.
func (f *gcsFolders) Input(t *testing.T) map[string]string { return f.objects(t, "in/") }

func (f *gcsFolders) Output(t *testing.T) map[string]string { return f.objects(t, "out/") }

func (f *gcsFolders) Backup(t *testing.T) map[string]string { return f.objects(t, "backup/") }

// Names implements storagetest.Folders. Google Cloud Storage allows no line breaks.
func (f *gcsFolders) Names() []string {
	return []string{
		"a b+c%20#?&=.pdf",
		"Überweisung.pdf",
		"tab\tand\"quotes'.xml",
		`back\slash.pdf`,
		"no extension",
		"..pdf",
	}
}

// TestStorageOnFakeGCS runs the conformance suite against the fake in this process.
func TestStorageOnFakeGCS(t *testing.T) {
	t.Parallel()
	credentials := serviceAccount(t)
	storagetest.Run(t, func(t *testing.T) storagetest.Folders {
		return &gcsFolders{startFakeGCS(t), "client one/", credentials}
	})
}

// TestStorageOnServerFakeGCS runs the conformance suite against fake-gcs-server.
func TestStorageOnServerFakeGCS(t *testing.T) {
	port := freePort(t)
	cmd := exec.Command(server(t, "FAKE_GCS"), "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1",
		"-port", strconv.Itoa(port), "-log-level", "error")
	start(t, port, cmd)
	endpoint, credentials := "http://127.0.0.1:"+strconv.Itoa(port), serviceAccount(t)
	(&gcsFolders{endpoint: endpoint}).do(
		t,
		http.MethodPost,
		"/storage/v1/b?project=test",
		[]byte(`{"name":"`+s3Bucket+`"}`),
	)
	storagetest.Run(t, func(t *testing.T) storagetest.Folders {
		return &gcsFolders{endpoint, strings.ReplaceAll(t.Name(), "/", "-") + "/", credentials}
	})
}
