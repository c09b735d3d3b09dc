package bucket_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// s3Bucket is the name of the bucket in tests.
const s3Bucket = "invoices"

// fakeS3 starts gofakes3 in this process, with a bucket. around may change requests and answers.
func fakeS3(t *testing.T, around ...func(http.Handler) http.Handler) (endpoint string) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket(s3Bucket); err != nil {
		t.Fatal(err)
	}
	handler := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	for _, wrap := range around {
		handler = wrap(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// conditions adds what gofakes3 lacks: If-Match of GET, HEAD and DELETE, If-None-Match when an
// upload is completed, and the conditions on the source of a copy. Requests with conditions run
// alone, because they look first.
func conditions(next http.Handler) http.Handler {
	var alone sync.RWMutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		match, source := r.Header.Get("If-Match"), r.Header.Get("X-Amz-Copy-Source-If-Match")
		none := r.Header.Get("If-None-Match") != "" && r.Method == http.MethodPost
		if match == "" && source == "" && !none {
			alone.RLock()
			defer alone.RUnlock()
			next.ServeHTTP(w, r)
			return
		}
		alone.Lock()
		defer alone.Unlock()
		if source != "" {
			from := "/" + strings.TrimPrefix(r.Header.Get("X-Amz-Copy-Source"), "/")
			if tag, found := tagOf(next, from); !found || tag != source {
				refuse(w, found)
				return
			}
		}
		tag, found := tagOf(next, r.URL.EscapedPath())
		if match != "" && r.Method != http.MethodPut && tag != match || none && found {
			refuse(w, true)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// tagOf looks up the entity tag of an object.
func tagOf(next http.Handler, path string) (string, bool) {
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, httptest.NewRequest(http.MethodHead, path, nil))
	return answer.Header().Get("ETag"), answer.Code == http.StatusOK
}

func refuse(w http.ResponseWriter, exists bool) {
	code, status := "PreconditionFailed", http.StatusPreconditionFailed
	if !exists {
		code, status = "NoSuchKey", http.StatusNotFound
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<Error><Code>" + code + "</Code><Message>refused</Message></Error>"))
}
