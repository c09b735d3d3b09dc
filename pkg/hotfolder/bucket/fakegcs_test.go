package bucket_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeGCS is the part of Google Cloud Storage that we use. It passes the same suite as
// fake-gcs-server, and behaves as documented where that does not: a part that is sent again is
// stored once, and a complete session answers as at its completion.
type fakeGCS struct {
	mu       sync.Mutex
	objects  map[string]*gcsFake
	sessions map[string]*gcsSession
	last     int // generation and session number
}

type gcsFake struct {
	Name        string            `json:"name"`
	Size        int64             `json:"size,string"`
	Updated     time.Time         `json:"updated"`
	Generation  string            `json:"generation"`
	ContentType string            `json:"contentType"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	content     []byte
}

type gcsSession struct {
	gcsFake
	absent, done bool
}

// startFakeGCS starts the fake with an empty bucket. around may change requests and answers.
func startFakeGCS(t *testing.T, around ...func(http.Handler) http.Handler) (endpoint string) {
	t.Helper()
	fake := &fakeGCS{objects: map[string]*gcsFake{}, sessions: map[string]*gcsSession{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+gcsPath, fake.list)
	mux.HandleFunc("GET "+gcsPath+"/{name}", fake.get)
	mux.HandleFunc("DELETE "+gcsPath+"/{name}", fake.remove)
	mux.HandleFunc("POST "+gcsPath+"/{name}/rewriteTo/b/"+s3Bucket+"/o/{to}", fake.rewrite)
	mux.HandleFunc("POST /upload"+gcsPath, fake.write)
	mux.HandleFunc("PUT /session/{id}", fake.part)
	var handler http.Handler = mux
	for _, wrap := range around {
		handler = wrap(handler)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fake.mu.Lock()
		defer fake.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func gcsAnswer(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// allowed checks the condition of a request. generation is 0 if the object does not exist.
func (f *fakeGCS) allowed(w http.ResponseWriter, r *http.Request, parameter, name string) bool {
	want := r.URL.Query().Get(parameter)
	generation := "0"
	if o := f.objects[name]; o != nil {
		generation = o.Generation
	}
	if want != "" && want != generation {
		gcsAnswer(w, http.StatusPreconditionFailed, "condition not met")
		return false
	}
	return true
}

// find returns an object, or answers 404.
func (f *fakeGCS) find(w http.ResponseWriter, name string) *gcsFake {
	o := f.objects[name]
	if o == nil {
		gcsAnswer(w, http.StatusNotFound, "no such object")
	}
	return o
}

func (f *fakeGCS) store(o gcsFake) *gcsFake {
	f.last++
	o.Generation, o.Updated, o.Size = strconv.Itoa(f.last), time.Now(), int64(len(o.content))
	f.objects[o.Name] = &o
	return &o
}

// list returns pages of three names, so that the tests have several pages.
func (f *fakeGCS) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	prefix, from := query.Get("prefix"), query.Get("pageToken")
	var answer struct {
		Items         []*gcsFake `json:"items,omitempty"`
		Prefixes      []string   `json:"prefixes,omitempty"`
		NextPageToken string     `json:"nextPageToken,omitempty"`
	}
	for _, name := range slices.Sorted(maps.Keys(f.objects)) {
		rest, below := strings.CutPrefix(name, prefix)
		if !below || name < from {
			continue
		}
		folder, _, deeper := strings.Cut(rest, "/")
		switch {
		case len(answer.Items)+len(answer.Prefixes) == 3 && query.Get("maxResults") != "":
			answer.NextPageToken = name
		case deeper && query.Get("delimiter") != "":
			if key := prefix + folder + "/"; !slices.Contains(answer.Prefixes, key) && !strings.HasPrefix(from, key) {
				answer.Prefixes = append(answer.Prefixes, key)
			}
		default:
			answer.Items = append(answer.Items, f.objects[name])
		}
		if answer.NextPageToken != "" {
			break
		}
	}
	gcsAnswer(w, http.StatusOK, answer)
}

func (f *fakeGCS) get(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	o := f.find(w, name)
	if o == nil || !f.allowed(w, r, "ifGenerationMatch", name) {
		return
	}
	if r.URL.Query().Get("alt") != "media" {
		gcsAnswer(w, http.StatusOK, o)
		return
	}
	w.Header().Set("X-Goog-Generation", o.Generation)
	http.ServeContent(w, r, "", o.Updated, strings.NewReader(string(o.content)))
}

func (f *fakeGCS) remove(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if f.find(w, name) != nil && f.allowed(w, r, "ifGenerationMatch", name) {
		delete(f.objects, name)
	}
}

func (f *fakeGCS) rewrite(w http.ResponseWriter, r *http.Request) {
	name, made := r.PathValue("name"), gcsFake{}
	from := f.find(w, name)
	if from == nil || !f.allowed(w, r, "ifSourceGenerationMatch", name) {
		return
	}
	_ = json.NewDecoder(r.Body).Decode(&made)
	made.Name, made.content = r.PathValue("to"), from.content
	f.store(made)
	gcsAnswer(w, http.StatusOK, map[string]any{"done": true})
}

// write stores a small object, or begins a session.
func (f *fakeGCS) write(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	name := r.URL.Query().Get("name")
	if !f.allowed(w, r, "ifGenerationMatch", name) {
		return
	}
	if r.URL.Query().Get("uploadType") == "media" {
		gcsAnswer(w, http.StatusOK, f.store(gcsFake{Name: name, content: body, ContentType: r.Header.Get("Content-Type")}))
		return
	}
	session := &gcsSession{absent: r.URL.Query().Get("ifGenerationMatch") == "0"}
	_ = json.Unmarshal(body, &session.gcsFake)
	session.Name = cmp.Or(session.Name, name)
	f.last++
	id := strconv.Itoa(f.last)
	f.sessions[id] = session
	w.Header().Set("Location", "http://"+r.Host+"/session/"+id)
}

// part adds a part to a session. With the total size the object appears.
func (f *fakeGCS) part(w http.ResponseWriter, r *http.Request) {
	s := f.sessions[r.PathValue("id")]
	if s == nil {
		gcsAnswer(w, http.StatusGone, "no such session")
		return
	}
	body, _ := io.ReadAll(r.Body)
	span, total, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Content-Range"), "bytes "), "/")
	var from, to int
	if _, err := fmt.Sscanf(span, "%d-%d", &from, &to); err == nil && from <= len(s.content) && !s.done {
		s.content = append(s.content[:from:from], body...)
	}
	size, err := strconv.Atoi(total)
	switch {
	case s.done:
	case err != nil || size != len(s.content):
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	case s.absent && f.objects[s.Name] != nil:
		delete(f.sessions, r.PathValue("id"))
		gcsAnswer(w, http.StatusPreconditionFailed, "condition not met")
		return
	default:
		s.gcsFake, s.done = *f.store(s.gcsFake), true
	}
	gcsAnswer(w, http.StatusOK, s.gcsFake)
}
