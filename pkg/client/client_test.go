package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// newClient returns a Client of a server that answers with h.
func newClient(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := New(
		Config{URL: server.URL, ClientID: "PRT.1-PRT.2-abc", Secret: "s3cret", Basic: true, HTTP: server.Client()},
	)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func documents(contents ...string) []Document {
	var docs []Document
	for i, content := range contents {
		name := strconv.Itoa(i) + ".pdf"
		docs = append(docs, Document{
			Reference: name, Name: name, ContentType: "application/pdf", Size: int64(len(content)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil },
		})
	}
	return docs
}

// wireRequest is a SignRequest as the API documents it.
type wireRequest struct {
	ExternalReference   string `json:"externalReference"`
	Description         string `json:"description"`
	ReturnSignedContent *bool  `json:"returnSignedContent"`
	Documents           []struct {
		DocumentRequest struct {
			ExternalReference, Name, ContentType string
			Base64Content                        []byte
		}
		SignatureInfo map[string]any
	} `json:"documents"`
}

func TestSignSendsDocumentedRequest(t *testing.T) {
	contents := []string{"one", strings.Repeat("a larger document ", 10_000), "\x00\xff", "four"}
	c := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		var got wireRequest
		raw, _ := io.ReadAll(r.Body)
		if int64(len(raw)) != r.ContentLength {
			t.Errorf("body has %d bytes, Content-Length says %d", len(raw), r.ContentLength)
		}
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Errorf("body is no JSON: %v", err)
		}
		if r.URL.Path != basePath+"api/v0/document/sign/base64/" || r.Header.Get("Idempotency-Key") != "key-1" {
			t.Errorf("call was %s with key %q", r.URL, r.Header.Get("Idempotency-Key"))
		}
		if id, secret, _ := r.BasicAuth(); id != "PRT.1-PRT.2-abc" || secret != "s3cret" {
			t.Errorf("call came from %q", id)
		}
		if got.ExternalReference != "ref \"1\"" || got.Description != "d" || got.ReturnSignedContent == nil ||
			!*got.ReturnSignedContent {
			t.Errorf("request is %+v", got)
		}
		for i, d := range got.Documents {
			if string(d.DocumentRequest.Base64Content) != contents[i] || d.DocumentRequest.Name != strconv.Itoa(i)+".pdf" {
				t.Errorf("document %d arrived as %s with %d bytes", i, d.DocumentRequest.Name, len(d.DocumentRequest.Base64Content))
			}
			if d.SignatureInfo["signatureType"] != "PAdES" || d.SignatureInfo["reason"] != "why" || len(d.SignatureInfo) != 2 {
				t.Errorf("document %d has signatureInfo %v", i, d.SignatureInfo)
			}
		}
		fmt.Fprint(w, `{"id":7,"status":"EXECUTED","documentList":[
			{"signedContent":"YQ==","externalReference":"0.pdf","signStatus":"SIGNED"},
			{"externalReference":"1.pdf","signStatus":"ERROR_SIGNING",
				"signError":"X","signErrorCode":"2.2.9","signErrorCause":"why"},
			{"externalReference":"2.pdf","signStatus":"SIGNED","signedContent":"Yg=="}]}`)
	})
	var sink memory
	op, err := c.Sign(t.Context(), &Request{
		Reference: `ref "1"`, Description: "d", Key: "key-1",
		Signature: SignatureInfo{Type: "PAdES", Reason: "why"}, Documents: documents(contents...),
	}, &sink)
	if err != nil {
		t.Fatal(err)
	}
	if op.ID != 7 || !op.Ended() || len(op.Documents) != 3 {
		t.Fatalf("Sign gave %+v", op)
	}
	if d := op.Documents; d[0].Content != 0 || d[1].Content != -1 || d[2].Content != 1 ||
		d[1].Failure() != "X 2.2.9: why" ||
		d[0].Failure() != "" {
		t.Errorf("documents are %+v", d)
	}
	if sink.contents[0].String() != "a" || sink.contents[1].String() != "b" {
		t.Errorf("sink got %q", sink.contents)
	}
}

func TestRetries(t *testing.T) {
	tests := []struct {
		name  string
		key   string
		fail  func(w http.ResponseWriter)
		tries int32 // calls in all; the last one would succeed
		code  int   // of the error; 0 = success
	}{
		{"busy with key", "k", refuse(503, "2"), 3, 0},
		{"busy without key: nothing was done, so it may come again", "", refuse(503, "2"), 3, 0},
		{"too many", "k", refuse(429, "1"), 3, 0},
		{"busy without a time", "k", refuse(503, ""), 3, 0},
		{"Retry-After beyond our patience", "k", refuse(503, "600"), 1, 503},
		{"bad request", "k", refuse(400, ""), 1, 400},
		{"reference used", "k", refuse(409, ""), 1, 409},
		{"internal", "k", refuse(500, ""), 1, 500},
		{"answer breaks off, with key", "k", hangUp, 3, 0},
		{"answer breaks off, without key: it might be signed", "", hangUp, 1, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				c := offline(t, func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					if calls.Add(1) < 3 {
						tt.fail(w)
						return
					}
					fmt.Fprint(w, `{"id":1,"status":"EXECUTED","documentList":[{"signedContent":"YQ=="}]}`)
				})
				var sink memory
				_, err := c.Sign(t.Context(), &Request{Reference: "r", Key: tt.key, Documents: documents("x")}, &sink)
				var e *Error
				errors.As(err, &e)
				switch {
				case calls.Load() != tt.tries:
					t.Errorf("%d calls, want %d (%v)", calls.Load(), tt.tries, err)
				case tt.code == 0 && (err != nil || len(sink.contents) != 1):
					t.Errorf("Sign = %v with %d contents, want success with one", err, len(sink.contents))
				case tt.code > 0 && (e == nil || e.HTTPStatus != tt.code):
					t.Errorf("Sign = %v, want HTTP %d", err, tt.code)
				case tt.code < 0 && (err == nil || e != nil):
					t.Errorf("Sign = %v, want a network error", err)
				}
			})
		})
	}
}

func refuse(status int, after string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, `{"errorCode":"0.0.6","errorCodeDescription":"parameter invalid","causeMessage":"documents[0]"}`)
	}
}

// hangUp begins an answer with a content and never ends it.
func hangUp(w http.ResponseWriter) { fmt.Fprint(w, `{"documentList":[{"signedContent":"YW`) }

// offline returns a Client whose calls go straight to h, so that the test can run on synctest's
// clock.
func offline(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	c, err := New(
		Config{URL: "http://proxy.test", ClientID: "id", Secret: "s", Basic: true, HTTP: &http.Client{Transport: direct{h}}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type direct struct{ h http.HandlerFunc }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	d.h(rec, r)
	_ = r.Body.Close()
	return rec.Result(), r.Context().Err()
}

func TestErrorNamesTheReason(t *testing.T) {
	c := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		refuse(400, "")(w)
	})
	_, err := c.SignAsync(t.Context(), &Request{Reference: "r", Documents: documents("x")})
	if want := "HTTP 400 0.0.6 parameter invalid: documents[0]"; err == nil || err.Error() != want {
		t.Errorf("SignAsync = %v, want %s", err, want)
	}
}

func TestTokenIsFetchedKeptAndRenewed(t *testing.T) {
	var tokens, calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == tokenPath {
			if id, secret, _ := r.BasicAuth(); id != "id" || secret != "s" || r.FormValue("grant_type") != "client_credentials" {
				t.Errorf("token call from %q with grant_type %q", id, r.FormValue("grant_type"))
			}
			fmt.Fprintf(w, `{"access_token":"t%d","token_type":"bearer","expires_in":3600}`, tokens.Add(1))
			return
		}
		// The third call meets a proxy that has forgotten the first token.
		if n := calls.Add(1); n >= 3 && r.Header.Get("Authorization") == "Bearer t1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `[]`)
	}))
	defer server.Close()
	c, err := New(Config{URL: server.URL + basePath, ClientID: "id", Secret: "s"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if _, err := c.Status(t.Context(), "r"); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	if tokens.Load() != 2 || calls.Load() != 5 {
		t.Errorf("%d tokens for %d calls, want 2 for 5", tokens.Load(), calls.Load())
	}
}

func TestWrongSecretIsNotTriedAgain(t *testing.T) {
	var tries atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tries.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"errorCode":"1.1.0","errorCodeDescription":"client service unknown"}`)
	}))
	defer server.Close()
	c, err := New(Config{URL: server.URL, ClientID: "id", Secret: "hush-hush"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Status(t.Context(), "r")
	if err == nil || tries.Load() != 1 || !strings.Contains(err.Error(), "1.1.0") ||
		strings.Contains(err.Error(), "hush") {
		t.Errorf("Status = %v after %d tries, want the code after one", err, tries.Load())
	}
}

func TestWaitPollsUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		statuses := []string{StatusPending, StatusRetrying, StatusPending, StatusExecuted}
		var calls int
		c := offline(t, func(w http.ResponseWriter, r *http.Request) {
			if want := basePath + "api/v0/operation/status/withExternalReference/a%2Fb%20%25"; r.URL.EscapedPath() != want {
				t.Errorf("path is %s, want %s", r.URL.EscapedPath(), want)
			}
			fmt.Fprintf(w, `[{"id":5,"status":%q,"host":"h","port":1}]`, statuses[calls])
			calls++
		})
		op, err := c.Wait(t.Context(), "a/b %")
		if err != nil || op.Status != StatusExecuted || calls != 4 {
			t.Errorf("Wait = %+v, %v after %d calls", op, err, calls)
		}
	})
}

func TestWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := offline(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `[{"status":"PENDING_EXECUTION"}]`) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Wait(ctx, "r"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

func TestChangedFileIsNamed(t *testing.T) {
	for name, size := range map[string]int64{"grown": 2, "shrunk": 200_000} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			c := newClient(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
			})
			docs := documents("three")
			docs[0].Size = size
			_, err := c.SignAsync(t.Context(), &Request{Reference: "r", Key: "k", Documents: docs})
			if !errors.Is(err, errChanged) || !strings.Contains(err.Error(), "0.pdf") || calls.Load() > 1 {
				t.Errorf("SignAsync = %v after %d calls, want the name and the reason after one", err, calls.Load())
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for _, url := range []string{"", "localhost:8080", "ftp://h", "http://", "http://user:hush@h"} {
		if _, err := New(Config{URL: url}); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("New(%q) = %v, want a fault without the password", url, err)
		}
	}
}

func TestRoot(t *testing.T) {
	for in, want := range map[string]string{
		"http://h:8080":                                "http://h:8080",
		"http://h:8080/":                               "http://h:8080",
		"https://h/prefix":                             "https://h/prefix",
		"https://h/prefix" + basePath:                  "https://h/prefix",
		"https://h" + basePath + "api/v0/":             "https://h",
		"https://h" + strings.TrimRight(basePath, "/"): "https://h",
	} {
		if got, err := parseRoot(in); err != nil || got != want {
			t.Errorf("parseRoot(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestFollow(t *testing.T) {
	c, err := New(Config{URL: "https://front/prefix"})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"pod-1": "https://pod-1:8443", "::1": "https://[::1]:8443", "": "https://front/prefix",
	} {
		if got := c.Follow(host, 8443).root; got != want {
			t.Errorf("Follow(%q) goes to %s, want %s", host, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-3": 0, "soon": 0, "99999999999": 24 * time.Hour, "9999999": 24 * time.Hour,
		time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat): 0,
	} {
		if got := retryAfter(in); got != want {
			t.Errorf("retryAfter(%q) = %v, want %v", in, got, want)
		}
	}
}

func TestBodyIsNotHeld(t *testing.T) {
	const size = 64 << 20
	docs := []Document{{Name: "big.pdf", Size: size, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(zeros{}, size)), nil
	}}}
	r := Request{Reference: "r", Documents: docs}
	segs, err := r.segments(true)
	if err != nil {
		t.Fatal(err)
	}
	before := testing.AllocsPerRun(1, func() {})
	allocs := testing.AllocsPerRun(1, func() {
		n, err := io.Copy(io.Discard, &body{segs: segs})
		if err != nil || n != length(segs) {
			t.Errorf("body gave %d bytes, %v, want %d", n, err, length(segs))
		}
	})
	if allocs-before > 20 {
		t.Errorf("reading %d bytes took %.0f allocations, want a handful", size, allocs)
	}
	var buf bytes.Buffer
	if _, err := io.CopyN(&buf, &body{segs: segs}, 100); err != nil ||
		!bytes.HasPrefix(buf.Bytes(), []byte(`{"description":`)) {
		t.Errorf("body begins %q, %v", buf.Bytes(), err)
	}
}

// TestRedirects redirects calls to the same and to another origin. Only those that may go there
// arrive, with their credentials.
func TestRedirects(t *testing.T) {
	var arrived, authorized int
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived++
		if r.Header.Get("Authorization") == "Bearer made elsewhere" {
			authorized++
		}
		fmt.Fprint(w, `[]`)
	}))
	t.Cleanup(other.Close)
	for _, tt := range []struct {
		name          string
		follow, post  bool
		to            string
		err           error
		reachesTheirs int
	}{
		{name: "the same origin", to: "/there"},
		{name: "another origin", to: other.URL, err: ErrRedirected},
		{name: "another origin by consent", to: other.URL, follow: true, reachesTheirs: 1},
		{name: "documents never leave", to: other.URL, follow: true, post: true, err: ErrRedirected},
		{name: "no loop", to: "", err: ErrRedirected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			arrived, authorized = 0, 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/there" {
					fmt.Fprint(w, `[]`)
					return
				}
				http.Redirect(w, r, cmp.Or(tt.to, r.URL.Path), http.StatusTemporaryRedirect)
			}))
			t.Cleanup(server.Close)
			c, err := New(Config{URL: server.URL, Token: "made elsewhere", FollowRedirects: tt.follow})
			if err != nil {
				t.Fatal(err)
			}
			if tt.post {
				_, err = c.SignAsync(t.Context(), &Request{Reference: "r", Key: "r", Documents: documents("a")})
			} else {
				_, err = c.Status(t.Context(), "r")
			}
			if !errors.Is(err, tt.err) || tt.err == nil && err != nil {
				t.Errorf("err = %v, want %v", err, tt.err)
			}
			if arrived != tt.reachesTheirs || authorized != arrived {
				t.Errorf("the other origin was called %d times, %d with credentials; want %d", arrived, authorized,
					tt.reachesTheirs)
			}
		})
	}
}

// TestNoRedirectFromHTTPS refuses to leave TLS, whatever the caller allows.
func TestNoRedirectFromHTTPS(t *testing.T) {
	cfg := Config{FollowRedirects: true}
	from := httptest.NewRequest(http.MethodGet, "https://a.example/", nil)
	to := httptest.NewRequest(http.MethodGet, "http://a.example/", nil)
	if err := cfg.checkRedirect(to, []*http.Request{from}); !errors.Is(err, ErrRedirected) {
		t.Errorf("checkRedirect = %v, want ErrRedirected", err)
	}
}
