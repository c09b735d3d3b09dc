package main_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// stableAddress is an address that stays the same while the process behind it changes, like the DNS
// name of a pod.
type stableAddress struct {
	server *httptest.Server
	target atomic.Pointer[url.URL]
}

func newStableAddress(t *testing.T, p *testProxy) *stableAddress {
	t.Helper()
	a := &stableAddress{}
	through := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(a.target.Load()) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	a.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		readFirst(r)
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(a.server.Close)
	a.leadTo(t, p)
	return a
}

// readFirst reads a request's body and returns it, before the request is passed on. An
// httputil.ReverseProxy may break an answer off that begins before it has noticed the end of the
// body.
func readFirst(r *http.Request) []byte {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body
}

func (a *stableAddress) leadTo(t *testing.T, p *testProxy) {
	t.Helper()
	target, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	a.target.Store(target)
}

// asRun replaces the run of a proxy in its flags.
func (p *testProxy) asRun(uid string) {
	p.o.Args = slices.DeleteFunc(slices.Clone(p.o.Args), func(flag string) bool {
		return strings.HasPrefix(flag, "--instance.uid=")
	})
	p.o.Args = append(p.o.Args, "--instance.uid="+uid)
}

// TestReplacedInstance replaces instance 1 by another run with the same state folder while the
// peers file still names the first run. The new run answers for what it holds. Then instances with
// other folders take over its address. They get nothing, and what they do not know counts for
// nothing.
func TestReplacedInstance(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	f := newFleet(t, remote)
	first := f.proxies[1]
	asker, address := newStableAddress(t, f.proxies[0]), newStableAddress(t, first)
	f.dir.Endpoints[0].Internal = strings.TrimPrefix(asker.server.URL, "http://")
	f.dir.Endpoints[1].Internal = strings.TrimPrefix(address.server.URL, "http://")
	f.publish(t)
	for _, i := range []int{0, 2} {
		until(t, "the address is read", func() bool { return strings.Count(f.proxies[i].log(t), "peers read") >= 3 })
	}
	id := f.signed(t, 1, "ref")
	keyed := func(i int, key string) reply {
		return f.call(t, i, http.MethodPost, "document/sign/base64", signBody(t, key), "Idempotency-Key", key)
	}
	keyed(1, "known").want(t, "the first with a key", http.StatusOK, `"SIGNED"`)
	made := remote.Counts().Signatures

	answers := func(what string, asked int) {
		t.Helper()
		f.call(t, asked, http.MethodGet, "operation/status/"+id, "").want(t, what+": its id", http.StatusOK, `"id":`+id)
		f.call(t, asked, http.MethodGet, "operation/sign/detail/withExternalReference/ref", "").
			want(t, what+": its reference", http.StatusOK, `"signedContent":"JVBERi`)
		f.call(t, asked, http.MethodGet, "operation/status/withExternalReference/invented", "").
			want(t, what+": an invented reference", http.StatusNotFound)
		again := keyed(asked, "known")
		again.want(t, what+": a repetition", http.StatusOK, `"SIGNED"`)
		if again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s: the repetition is not marked", what)
		}
		if got := remote.Counts().Signatures; got != made {
			t.Errorf("%s: %d signatures made, want %d", what, got, made)
		}
	}
	answers("the first run", 0)
	answers("the first run", 2)

	stop := func(p *testProxy) {
		t.Helper()
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	stop(first)
	first.asRun("uid-1-second")
	address.leadTo(t, first.start(t))
	answers("the second run", 0)
	stop(f.proxies[0])
	asker.leadTo(t, f.proxies[0].start(t)) // it has asked nobody yet
	answers("the second run", 0)
	f.call(t, 2, http.MethodDelete, "operation/sign/detail/"+f.signed(t, 1, "removed"), "").
		want(t, "DELETE at the second run", http.StatusNoContent)
	stop(first)
	for _, asked := range []int{0, 2} { // it has handed its claims over, so the others decide about new keys
		keyed(asked, fmt.Sprint("new ", asked)).want(t, "a new key", http.StatusOK, `"SIGNED"`)
	}
	made = remote.Counts().Signatures

	refuses := func(stranger *testProxy, what string) {
		t.Helper()
		address.leadTo(t, stranger.start(t))
		for _, asked := range []int{0, 2} {
			for path, got := range map[string]reply{
				"its id":       f.call(t, asked, http.MethodGet, "operation/status/"+id, ""),
				"a reference":  f.call(t, asked, http.MethodGet, "operation/status/withExternalReference/ref", ""),
				"DELETE":       f.call(t, asked, http.MethodDelete, "operation/sign/detail/"+id, ""),
				"a repetition": keyed(asked, "known"),
			} {
				got.want(t, what+": "+path, http.StatusServiceUnavailable, "instance proxy-1 does not answer")
			}
		}
		if got := remote.Counts().Signatures; got != made {
			t.Errorf("%s: %d signatures made, want %d", what, got, made)
		}
		if log := stranger.log(t); !strings.Contains(log, `"msg":"request"`) || strings.Contains(log, "document/sign") {
			t.Errorf("%s: it was not asked, or was sent a document:\n%s", what, log)
		}
		stop(stranger)
	}
	for what, uid := range map[string]string{"another pod": "uid-9", "the same run with an empty volume": "uid-1"} {
		stranger := newTestProxy(t, first.o.Args...)
		stranger.asRun(uid)
		refuses(stranger, what)
	}
	first.asRun("uid-1-third")
	address.leadTo(t, first.start(t))
	answers("the third run", 0)
	answers("the third run", 2)
}
