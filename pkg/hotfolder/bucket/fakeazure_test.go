package bucket_test

import (
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeAzure is the part of Azure Blob Storage that we use. It passes the same suite as Azurite.
type fakeAzure struct {
	mu     sync.Mutex
	blobs  map[string]*azureFake
	blocks map[string]map[string]string // by name of the blob and ID
	last   int
}

type azureFake struct {
	content, version string
	modified         time.Time
	header           http.Header // content type and metadata
}

// startFakeAzure starts the fake with an empty container, and returns a connection string. around
// may change requests and answers.
func startFakeAzure(t *testing.T, around ...func(http.Handler) http.Handler) (connection string) {
	t.Helper()
	fake := &fakeAzure{blobs: map[string]*azureFake{}, blocks: map[string]map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /"+s3Bucket, fake.list)
	mux.HandleFunc("GET /"+s3Bucket+"/{name}", fake.get)
	mux.HandleFunc("PUT /"+s3Bucket+"/{name}", fake.put)
	mux.HandleFunc("DELETE /"+s3Bucket+"/{name}", fake.remove)
	var handler http.Handler = mux
	for _, wrap := range around {
		handler = wrap(handler)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fake.mu.Lock()
		defer fake.mu.Unlock()
		if !strings.HasPrefix(r.Header.Get("Authorization"), "SharedKey test:") {
			azureRefuse(w, http.StatusForbidden, "AuthenticationFailed")
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return "AccountName=test;AccountKey=" + azuriteKey + ";BlobEndpoint=" + server.URL
}

func azureRefuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Ms-Error-Code", code)
	w.WriteHeader(status)
}

// allowed checks the conditions of a request.
func (f *fakeAzure) allowed(w http.ResponseWriter, r *http.Request, blob *azureFake) bool {
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	switch {
	case none == "*" && blob != nil:
		azureRefuse(w, http.StatusConflict, "BlobAlreadyExists")
	case match != "" && blob == nil && r.Method != http.MethodPut:
		azureRefuse(w, http.StatusNotFound, "BlobNotFound")
	case match != "" && (blob == nil || blob.version != match):
		azureRefuse(w, http.StatusPreconditionFailed, "ConditionNotMet")
	default:
		return true
	}
	return false
}

func (f *fakeAzure) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	prefix, from := query.Get("prefix"), query.Get("marker")
	type name struct {
		Encoded bool   `xml:"Encoded,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
	type blob struct {
		Name         name
		LastModified string `xml:"Properties>Last-Modified"`
		Length       int    `xml:"Properties>Content-Length"`
		Etag         string `xml:"Properties>Etag"`
	}
	type folder struct{ Name name }
	var answer struct {
		XMLName    xml.Name `xml:"EnumerationResults"`
		Blobs      []blob   `xml:"Blobs>Blob"`
		Prefixes   []folder `xml:"Blobs>BlobPrefix"`
		NextMarker string
	}
	folders := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(f.blobs)) {
		rest, below := strings.CutPrefix(key, prefix)
		if !below {
			continue
		}
		if first, _, deeper := strings.Cut(rest, "/"); deeper && query.Get("delimiter") != "" {
			folders[prefix+first+"/"] = true
			continue
		}
		if key < from {
			continue
		}
		if len(answer.Blobs) == 3 {
			answer.NextMarker = key
			break
		}
		b := f.blobs[key]
		answer.Blobs = append(answer.Blobs, blob{name{true, url.PathEscape(key)}, b.modified.Format(http.TimeFormat),
			len(b.content), strings.Trim(b.version, `"`)})
	}
	if answer.NextMarker == "" {
		for key := range folders {
			answer.Prefixes = append(answer.Prefixes, folder{name{Text: key}})
		}
	}
	_ = xml.NewEncoder(w).Encode(answer)
}

func (f *fakeAzure) get(w http.ResponseWriter, r *http.Request) {
	blob := f.blobs[r.PathValue("name")]
	if blob == nil {
		azureRefuse(w, http.StatusNotFound, "BlobNotFound")
		return
	}
	if !f.allowed(w, r, blob) {
		return
	}
	maps.Copy(w.Header(), blob.header)
	w.Header().Set("Etag", blob.version)
	if span := r.Header.Get("X-Ms-Range"); span != "" {
		r.Header.Set("Range", span)
	}
	http.ServeContent(w, r, "", blob.modified, strings.NewReader(blob.content))
}

func (f *fakeAzure) remove(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if f.blobs[name] == nil {
		azureRefuse(w, http.StatusNotFound, "BlobNotFound")
		return
	}
	if f.allowed(w, r, f.blobs[name]) {
		delete(f.blobs, name)
		w.WriteHeader(http.StatusAccepted)
	}
}

// put writes a blob or a block, or commits blocks.
func (f *fakeAzure) put(w http.ResponseWriter, r *http.Request) {
	name, query := r.PathValue("name"), r.URL.Query()
	body, _ := io.ReadAll(r.Body)
	content := string(body)
	switch query.Get("comp") {
	case "block":
		if f.blocks[name] == nil {
			f.blocks[name] = map[string]string{}
		}
		f.blocks[name][query.Get("blockid")] = content
		w.WriteHeader(http.StatusCreated)
		return
	case "blocklist":
		var list struct{ Latest []string }
		_ = xml.Unmarshal(body, &list)
		content = ""
		for _, id := range list.Latest {
			block, found := f.blocks[name][id]
			if !found {
				azureRefuse(w, http.StatusBadRequest, "InvalidBlockList")
				return
			}
			content += block
		}
	}
	if !f.allowed(w, r, f.blobs[name]) {
		return
	}
	delete(f.blocks, name)
	f.last++
	blob := &azureFake{content, `"0x` + strconv.Itoa(f.last) + `"`, time.Now(), http.Header{}}
	for header, values := range r.Header {
		if strings.HasPrefix(header, "X-Ms-Meta-") {
			blob.header[header] = values
		}
	}
	blob.header.Set("Content-Type", r.Header.Get("X-Ms-Blob-Content-Type"))
	f.blobs[name] = blob
	w.Header().Set("Etag", blob.version)
	w.WriteHeader(http.StatusCreated)
}
