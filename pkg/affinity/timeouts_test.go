package affinity

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// stuck is a peer that sends at most the head of an answer, and then nothing until nobody waits for
// it any more.
func stuck(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if status != 0 {
			w.WriteHeader(status)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}
}

// TestPeerThatFreezes checks that a peer that never answers counts as silent, that the answer of a
// peer that stops after the head breaks off, and that nobody waits for ever.
func TestPeerThatFreezes(t *testing.T) {
	get := httptest.NewRequest(http.MethodGet, "/", nil)
	t.Run("before the head", func(t *testing.T) {
		f := forwarderTo(t, stuck(0))
		if owner, err := f.KeyOwner(asked(get), "/"); owner != nil || signing.KindOf(err) != signing.KindBusy {
			t.Errorf("KeyOwner = %v, %v, want KindBusy", owner, err)
		}
		answered, err := f.Search(httptest.NewRecorder(), asked(get), time.Millisecond-answerTimeout)
		if answered || signing.KindOf(err) != signing.KindBusy {
			t.Errorf("Search = %v, %v, want KindBusy", answered, err)
		}
	})
	t.Run("after a head that says no", func(t *testing.T) {
		f := forwarderTo(t, stuck(http.StatusNotFound))
		if owner, err := f.KeyOwner(asked(get), "/"); owner != nil || err != nil {
			t.Errorf("KeyOwner = %v, %v, want none", owner, err)
		}
		if answered, err := f.Search(httptest.NewRecorder(), asked(get), time.Second-answerTimeout); answered || err != nil {
			t.Errorf("Search = %v, %v, want none", answered, err)
		}
	})
	t.Run("after a head that says yes", func(t *testing.T) {
		f := forwarderTo(t, stuck(http.StatusOK))
		if owner, err := f.KeyOwner(asked(get), "/"); owner == nil || err != nil {
			t.Errorf("KeyOwner = %v, %v, want p-1", owner, err)
		}
	})
}

// TestCredentialNotKnownYet checks that a client is not told that its credential is wrong if only a
// peer has not read the new credential yet.
func TestCredentialNotKnownYet(t *testing.T) {
	f := forwarderTo(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	owner, _ := f.Owner(1)
	answered, err := f.Send(httptest.NewRecorder(), asked(httptest.NewRequest(http.MethodGet, "/", nil)), nil, owner, 0)
	if e := signing.AsError(err); answered || err == nil || e.Kind != signing.KindBusy || e.RetryAfter == 0 {
		t.Errorf("Send = %v, %v, want KindBusy", answered, err)
	}
}

// endless is a body of which the client never sends the end.
type endless struct {
	mu     sync.Mutex
	closed bool
}

func (e *endless) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return 0, errors.New("closed")
	}
	return len(p), nil
}

func (e *endless) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	return nil
}

// notBefore is a ResponseWriter that must not be written to before a body is closed.
type notBefore struct {
	*httptest.ResponseRecorder
	body  *endless
	early bool
}

func (w *notBefore) WriteHeader(status int) {
	w.body.mu.Lock()
	w.early = !w.body.closed
	w.body.mu.Unlock()
	w.ResponseRecorder.WriteHeader(status)
}

// TestEarlyAnswer checks that the answer of a peer that refuses a request before it has read the
// whole body is passed on, and that the body is closed first.
func TestEarlyAnswer(t *testing.T) {
	f := forwarderTo(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.Header().Set("Content-Length", "4")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, "full")
		_ = http.NewResponseController(w).Flush()
	})
	owner, _ := f.Owner(1)
	body := &endless{}
	w := &notBefore{ResponseRecorder: httptest.NewRecorder(), body: body}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.ContentLength = -1
	answered, err := f.Send(w, asked(r), body, owner, 0)
	if !answered || err != nil || w.Code != http.StatusTooManyRequests || w.Body.String() != "full" ||
		w.Header().Get("Retry-After") != "7" {
		t.Errorf("Send = %v, %v; the client got %d %q", answered, err, w.Code, w.Body)
	}
	if w.early {
		t.Error("the answer was written while the body was still being read")
	}
}

// TestRedirect checks that the client is redirected to a reachable endpoint, and that the error
// names the instance otherwise. The question that finds the instance must not be the request
// itself.
func TestRedirect(t *testing.T) {
	var paths []string
	f := forwarderTo(t, func(_ http.ResponseWriter, r *http.Request) { paths = append(paths, r.URL.Path) })
	f.c.Mode = Redirect
	peer := &f.c.Source.(source).directory.Endpoints[0]
	for _, test := range []struct {
		port        int
		scheme      RedirectScheme
		unreachable bool
		want        string // Location; empty = 503
	}{
		{8080, SchemeAuto, false, "http://h:8080/detail?x=y"}, {443, SchemeAuto, false, "https://h:443/detail?x=y"},
		{8080, "", false, "http://h:8080/detail?x=y"}, {443, "", false, "https://h:443/detail?x=y"}, {8080, "", true, ""},
		{9001, "https", false, "https://h:9001/detail?x=y"},
		{443, "http", false, "http://h:443/detail?x=y"}, {9001, "https", true, ""},
	} {
		peer.Port, peer.Unreachable, f.c.Scheme = test.port, test.unreachable, test.scheme
		for name, call := range map[string]func(http.ResponseWriter, *http.Request) (bool, error){
			"Send":   func(w http.ResponseWriter, r *http.Request) (bool, error) { return f.Send(w, asked(r), nil, peer, 0) },
			"Search": func(w http.ResponseWriter, r *http.Request) (bool, error) { return f.Search(w, asked(r), 0) },
		} {
			w := httptest.NewRecorder()
			answered, err := call(w, httptest.NewRequest(http.MethodGet, "/detail?x=y", nil))
			if answered != (test.want != "") || w.Header().Get("Location") != test.want {
				t.Errorf("%s to port %d = %v, %v, Location %q, want %q", name, test.port, answered, err,
					w.Header().Get("Location"), test.want)
			}
			e := signing.AsError(err)
			if test.unreachable && (err == nil || e.Kind != signing.KindBusy || e.Detail != "instance p-1 does not answer") {
				t.Errorf("%s = %v, want KindBusy that names p-1", name, err)
			}
		}
	}
	if slices.ContainsFunc(paths, func(path string) bool { return path != "/probe" }) {
		t.Errorf("the peer was asked for %s", strings.Join(paths, ", "))
	}
}
