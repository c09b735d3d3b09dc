package affinity

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// source is a Source that a test sets.
type source struct {
	Fixed
	directory Directory
}

func (s source) Directory() (Directory, bool) { return s.directory, true }

// asked returns a request for which peers are asked with the authorization "pass". Their answers
// need no proof.
func asked(r *http.Request) Request {
	return Request{Asked: true,
		Request:   r,
		Authorize: func(Ask) (Pass, error) { return Pass{Authorization: "pass"}, nil },
		Probe:     "/probe",
	}
}

// forwarderTo returns the forwarder of instance 0. The handlers are its peers with the ordinals
// from 1 on. They name themselves in their answers.
func forwarderTo(t *testing.T, peers ...http.HandlerFunc) *Forwarder {
	t.Helper()
	d := Directory{Expected: len(peers) + 1, Ever: len(peers) + 1}
	for i, h := range peers {
		name := "p-" + string(rune('1'+i))
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(InstanceHeader, name)
			h(w, r)
		}))
		t.Cleanup(server.Close)
		d.Endpoints = append(d.Endpoints, Published{
			Name: name, Ordinal: i + 1, Instance: "uid", Host: "h", Port: 1, Internal: strings.TrimPrefix(server.URL, "http://"),
		})
	}
	f, err := NewForwarder(ForwarderConfig{Mode: Forward, Name: "p-0", Source: source{directory: d}, Log: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.client.CloseIdleConnections)
	return f
}

// TestHeaders checks that only allowed headers are passed on, in both directions.
func TestHeaders(t *testing.T) {
	var seen *http.Request
	f := forwarderTo(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/probe" {
			return
		}
		seen = r
		for _, name := range []string{"Content-Disposition", "Retry-After", "Set-Cookie", "X-Secret", "Keep-Alive"} {
			w.Header().Set(name, "x")
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "body")
	})
	r := httptest.NewRequest(http.MethodDelete, "/a%2Fb?x=%20y", nil)
	for _, name := range []string{
		"Authorization", "Accept", "Traceparent", "Cookie", "Connection", "X-Forwarded-For", "Upgrade", TargetHeader,
	} {
		r.Header.Set(name, "x")
	}
	w := httptest.NewRecorder()
	peer, err := f.Owner(1024 + 1)
	if err != nil || peer == nil {
		t.Fatal(peer, err)
	}
	if answered, err := f.Send(w, asked(r), nil, peer, 0); !answered || err != nil {
		t.Fatalf("Send = %v, %v", answered, err)
	}
	if seen.Method != http.MethodDelete || seen.RequestURI != "/a%2Fb?x=%20y" {
		t.Errorf("the peer was asked %s %s", seen.Method, seen.RequestURI)
	}
	for name, want := range map[string]string{
		"Authorization": "pass", "Accept": "x", "Traceparent": "x", ForwardedHeader: "p-0", TargetHeader: "uid",
		"Cookie": "", "X-Forwarded-For": "", "Upgrade": "",
	} {
		if got := seen.Header.Get(name); got != want {
			t.Errorf("the peer got %s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"Content-Disposition": "x",
		"Retry-After":         "x",
		InstanceHeader:        "p-1",
		"Set-Cookie":          "",
		"X-Secret":            "",
		"Keep-Alive":          "",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("the client got %s: %q, want %q", name, got, want)
		}
	}
	if w.Code != http.StatusTeapot || w.Body.String() != "body" {
		t.Errorf("the client got %d %q", w.Code, w.Body)
	}
}

// TestSilentPeers checks the error when a peer gives no answer or an invalid one. It names the peer
// and reveals nothing internal. A stranger is a server that does not say that it is an instance.
func TestSilentPeers(t *testing.T) {
	for name, peer := range map[string]http.HandlerFunc{
		"cut":         func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"misdirected": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMisdirectedRequest) },
		"a stranger that knows nothing": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Del(InstanceHeader)
			http.NotFound(w, r)
		},
		"a stranger that knows everything": func(w http.ResponseWriter, _ *http.Request) { w.Header().Del(InstanceHeader) },
		"a stranger that sends elsewhere": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Del(InstanceHeader)
			http.Redirect(w, r, "/login", http.StatusFound)
		},
		"another instance": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(InstanceHeader, "p-2") },
		"huge head": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 2*maxHeaderBytes))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := forwarderTo(t, peer)
			owner, _ := f.Owner(1)
			w := httptest.NewRecorder()
			answered, err := f.Send(w, asked(httptest.NewRequest(http.MethodGet, "/", nil)), nil, owner, 0)
			e := signing.AsError(err)
			if answered || err == nil || e.Kind != signing.KindBusy || e.Detail != "instance p-1 does not answer" ||
				e.RetryAfter == 0 {
				t.Errorf("Send = %v, %v, want KindBusy that names p-1", answered, err)
			}
			if answered, err := f.Search(w, asked(httptest.NewRequest(http.MethodGet, "/", nil)), 0); answered ||
				signing.KindOf(err) != signing.KindBusy {
				t.Errorf("Search = %v, %v, want KindBusy", answered, err)
			}
			if owner, err := f.KeyOwner(asked(httptest.NewRequest(http.MethodPost, "/", nil)), "/"); owner != nil ||
				signing.KindOf(err) != signing.KindBusy {
				t.Errorf("KeyOwner = %v, %v, want KindBusy", owner, err)
			}
		})
	}
}

// TestAnswerThatBreaksOff checks that an answer whose body ends early does not look complete to the
// client.
func TestAnswerThatBreaksOff(t *testing.T) {
	f := forwarderTo(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	owner, _ := f.Owner(1)
	get := httptest.NewRequest(http.MethodGet, "/", nil)
	if answered, err := f.Send(httptest.NewRecorder(), asked(get), nil, owner, 0); !answered || err == nil {
		t.Errorf("Send = %v, %v, want an error after the answer began", answered, err)
	}
}

// TestSearch checks that the first peer that knows the operation answers, and that an operation
// counts as unknown only if all peers say so.
func TestSearch(t *testing.T) {
	no := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
	yes := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "found") }
	full := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	cut := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for _, test := range []struct {
		name  string
		peers []http.HandlerFunc
		found bool
		kind  signing.Kind
	}{
		{"one knows", []http.HandlerFunc{no, yes, no}, true, ""},
		{"one knows, others are silent", []http.HandlerFunc{cut, full, yes}, true, ""},
		{"none knows", []http.HandlerFunc{no, no}, false, ""},
		{"one is full", []http.HandlerFunc{no, full}, false, signing.KindBusy},
		{"one is cut off", []http.HandlerFunc{cut, no}, false, signing.KindBusy},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			found, err := forwarderTo(t, test.peers...).Search(w, asked(httptest.NewRequest(http.MethodGet, "/", nil)), 0)
			if found != test.found || (err != nil) != (test.kind != "") || err != nil && signing.KindOf(err) != test.kind {
				t.Errorf("Search = %v, %v, want %v and kind %q", found, err, test.found, test.kind)
			}
			if found && w.Body.String() != "found" {
				t.Errorf("the client got %q", w.Body)
			}
		})
	}
}

// TestNewest checks that the answer with the newest operation is passed on, whichever comes first.
// A silent peer may know a newer one, so it is an error.
func TestNewest(t *testing.T) {
	no := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
	cut := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	at := func(second int64) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(CreatedHeader, time.Unix(second, 0).Format(CreatedFormat))
			_, _ = fmt.Fprint(w, second)
		}
	}
	silent := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "some time") } // an earlier release
	for _, test := range []struct {
		name  string
		own   int64 // 0 = none
		peers []http.HandlerFunc
		want  string // empty = none of them
		busy  bool
	}{
		{"none knows", 0, []http.HandlerFunc{no, no}, "", false},
		{"the own one is the newest", 5, []http.HandlerFunc{at(4), at(3), no}, "", false},
		{"the own one is as new", 5, []http.HandlerFunc{at(5)}, "", false},
		{"another one is newer", 5, []http.HandlerFunc{at(6), at(8), at(7)}, "8", false},
		{"only others know", 0, []http.HandlerFunc{no, at(3), at(2)}, "3", false},
		{"no time is said", 0, []http.HandlerFunc{silent}, "some time", false},
		{"no time is said, and others say one", 0, []http.HandlerFunc{silent, at(1)}, "1", false},
		{"no time is said, and there is an own one", 5, []http.HandlerFunc{silent}, "", false},
		{"one is silent", 5, []http.HandlerFunc{at(6), cut, no}, "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, own := httptest.NewRecorder(), time.Time{}
			if test.own > 0 {
				own = time.Unix(test.own, 0)
			}
			answered, err := forwarderTo(t, test.peers...).Newest(w, asked(httptest.NewRequest(http.MethodGet, "/", nil)), own)
			if busy := err != nil &&
				signing.KindOf(err) == signing.KindBusy; answered != (test.want != "") || busy != test.busy ||
				busy != (err != nil) {
				t.Errorf("Newest = %v, %v, want %v, busy %v", answered, err, test.want != "", test.busy)
			}
			if w.Body.String() != test.want || w.Header().Get(CreatedHeader) != "" {
				t.Errorf("the client got %q, %v, want %q", w.Body, w.Header(), test.want)
			}
		})
	}
}

// TestBodyFaultIsTheClients checks that a client that hangs up in the middle of its body is not
// reported as a silent peer.
func TestBodyFaultIsTheClients(t *testing.T) {
	f := forwarderTo(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	owner, _ := f.Owner(1)
	r := httptest.NewRequest(http.MethodPost, "/", nil).WithContext(context.Background())
	body := io.NopCloser(io.MultiReader(strings.NewReader("half"), fault{}))
	if _, err := f.Send(httptest.NewRecorder(), asked(r), body, owner, 0); signing.KindOf(err) != signing.KindHungUp {
		t.Errorf("Send = %v, want KindHungUp", err)
	}
}

type fault struct{}

func (fault) Read([]byte) (int, error) {
	return 0, signing.Errorf(signing.KindHungUp, "the body ended early")
}
