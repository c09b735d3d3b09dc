package main_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// TestAnyInstanceAnswers checks that three instances answer for each other's operations, by id and
// by reference, and that they name an instance that is missing.
func TestAnyInstanceAnswers(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	f := newFleet(t, remote)
	var ids [3]string
	for i := range 3 {
		ids[i] = f.signed(t, i, fmt.Sprint("ref/", i))
	}
	paths := func(i int) map[string]string {
		ref := fmt.Sprint("ref%2F", i)
		return map[string]string{
			"operation/status/" + ids[i]:                                        `"id":` + ids[i],
			"operation/status/withExternalReference/" + ref:                     `[{"id":` + ids[i],
			"operation/status/withExternalReference/" + ref + "?wait=30s":       `[{"id":` + ids[i],
			"operation/sign/detail/withExternalReference/" + ref:                `"signedContent":"JVBERi`,
			"operation/sign/detail/" + ids[i] + "/contentInResponse/False":      `"SIGNED"`,
			"operation/sign/detail/" + ids[i] + "/documents":                    "PK",
			"operation/sign/detail/" + ids[i] + "/documents/0":                  "%PDF-",
			"operation/id/withDocumentExternalReference/doc%20ref%2F" + ref[6:]: ids[i],
		}
	}
	for holder := range 3 {
		for path, want := range paths(holder) {
			for asked := range 3 {
				f.call(t, asked, http.MethodGet, path, "").
					want(t, fmt.Sprintf("instance %d asked for %s", asked, path), http.StatusOK, want)
			}
		}
	}
	t.Run("random", func(t *testing.T) { f.random(t, ids[:]) })
	f.call(t, 0, http.MethodGet, "operation/sign/detail/"+ids[1]+"/documents/0", "", "Range", "bytes=1-3").
		want(t, "a part of another's document", http.StatusPartialContent, "PDF")
	f.call(t, 0, http.MethodGet, "operation/status/withExternalReference/invented", "").
		want(t, "an invented reference", http.StatusNotFound)
	f.call(t, 0, http.MethodGet, "operation/status/5122", "").want(t, "an unused id, ordinal 2", http.StatusNotFound)
	f.call(t, 0, http.MethodGet, "operation/status/1020", "").want(t, "an ordinal never used", http.StatusNotFound)
	f.call(t, 0, http.MethodGet, "operation/status/1027", "").
		want(t, "an ordinal of a former instance", http.StatusServiceUnavailable, "does not answer")
	f.call(t, 0, http.MethodGet, "operation/status/"+ids[1], "", affinity.ForwardedHeader, "x").
		want(t, "forwarded already", http.StatusNotFound)
	f.call(t, 0, http.MethodGet, "operation/status/"+ids[0], "", affinity.TargetHeader, "uid-9").
		want(t, "meant for another instance", http.StatusMisdirectedRequest)
	f.call(t, 1, http.MethodDelete, "operation/sign/detail/"+ids[2], "").
		want(t, "DELETE through another", http.StatusNoContent)
	f.call(t, 2, http.MethodGet, "operation/status/"+ids[2], "").want(t, "a removed operation", http.StatusNotFound)
	f.missing(t, ids[:])
}

// random asks a random instance for a random operation, a thousand times.
func (f *fleet) random(t *testing.T, ids []string) {
	var clients sync.WaitGroup
	for range 10 {
		clients.Go(func() {
			for range 100 {
				holder, asked := rand.IntN(3), rand.IntN(3)
				path := "operation/sign/detail/" + ids[holder] + "/contentInResponse/True"
				want := fmt.Sprint(`"folderExternalReference":"ref/`, holder)
				if rand.IntN(2) == 0 {
					path = fmt.Sprint("operation/status/withExternalReference/ref%2F", holder)
					want = `[{"id":` + ids[holder]
				}
				got := f.call(t, asked, http.MethodGet, path, "")
				if got.status != http.StatusOK || !strings.Contains(got.body, want) {
					t.Errorf("instance %d asked for %s = %d %.200s", asked, path, got.status, got.body)
				}
			}
		})
	}
	clients.Wait()
}

// missing stops instance 1, then starts another server at its address.
func (f *fleet) missing(t *testing.T, ids []string) {
	if err := f.proxies[1].Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	retry := func(got reply, what string) {
		t.Helper()
		got.want(t, what, http.StatusServiceUnavailable, "instance proxy-1 does not answer")
		if got.header.Get("Retry-After") == "" {
			t.Errorf("%s has no Retry-After", what)
		}
		if strings.Contains(got.body, "127.0.0.1") || strings.Contains(got.body, "refused") {
			t.Errorf("%s reveals internal details: %s", what, got.body)
		}
	}
	retry(f.call(t, 0, http.MethodGet, "operation/status/"+ids[1], ""), "its operation by id")
	retry(f.call(t, 2, http.MethodGet, "operation/status/withExternalReference/ref%2F1", ""), "its operation by reference")
	retry(f.call(t, 2, http.MethodGet, "operation/status/withExternalReference/invented", ""), "an invented reference")
	// It has stopped in order, so another instance decides about the keys whose home it is.
	for i := range 10 {
		key := fmt.Sprint("k", i)
		f.call(t, 0, http.MethodPost, "document/sign/base64", signBody(t, key), "Idempotency-Key", key).
			want(t, "a request with a new key", http.StatusOK)
	}
	f.call(t, 2, http.MethodGet, "operation/status/"+ids[0], "").want(t, "another's operation", http.StatusOK)
	f.call(t, 0, http.MethodPost, "document/sign/base64", signBody(t, "plain")).
		want(t, "a request without a key", http.StatusOK)
	f.dir.Endpoints[1].Internal = f.dir.Endpoints[2].Internal // another instance got its address
	f.proxies = []*testProxy{f.proxies[0]}
	f.publish(t)
	until(t, "the new address is read", func() bool { return strings.Count(f.proxies[0].log(t), "peers read") >= 2 })
	retry(f.call(t, 0, http.MethodGet, "operation/status/"+ids[1], ""), "its operation at another's address")
}

// TestKeySignsOnce sends a request with one Idempotency-Key to several instances, one after the
// other and all at once. It is signed once.
func TestKeySignsOnce(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	f := newFleet(t, remote)
	first := f.call(t, 0, http.MethodPost, "document/sign/base64", signBody(t, "once"), "Idempotency-Key", "key 1")
	first.want(t, "first", http.StatusOK, `"SIGNED"`)
	for _, i := range []int{1, 2, 0, 1} {
		again := f.call(t, i, http.MethodPost, "document/sign/base64", signBody(t, "once"), "Idempotency-Key", "key 1")
		again.want(t, "again", http.StatusOK, `"SIGNED"`)
		if again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("the repetition at instance %d is not marked", i)
		}
	}
	f.call(t, 1, http.MethodPost, "document/sign/base64", signBody(t, "other"), "Idempotency-Key", "key 1").
		want(t, "another request", http.StatusUnprocessableEntity)
	if made := remote.Counts().Signatures; made != 1 {
		t.Errorf("%d signatures made, want 1", made)
	}

	// All at once: each instance may refuse for now, because another one is reading. A repetition
	// succeeds.
	var senders sync.WaitGroup
	for i := range 3 {
		senders.Go(func() {
			for range 100 {
				got := f.call(t, i, http.MethodPost, "document/sign/base64", signBody(t, "race"), "Idempotency-Key", "key 2")
				if got.status == http.StatusOK {
					return
				}
				got.want(t, "a racing request", http.StatusServiceUnavailable)
			}
			t.Errorf("instance %d never answered", i)
		})
	}
	senders.Wait()
	if made := remote.Counts().Signatures; made != 2 {
		t.Errorf("%d signatures made, want 2", made)
	}
}

// TestRedirectAndOff checks the other two ways to handle a request for another instance's
// operation.
func TestRedirectAndOff(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	f := newFleet(t, remote, "--affinity.forward=redirect")
	id := f.signed(t, 1, "ref")
	for _, path := range []string{"operation/status/" + id, "operation/status/withExternalReference/ref"} {
		got := f.call(t, 0, http.MethodGet, path, "")
		if want := f.proxies[1].URL + api + path; got.status != http.StatusTemporaryRedirect ||
			got.header.Get("Location") != want {
			t.Errorf("GET %s = %d to %q, want 307 to %q", path, got.status, got.header.Get("Location"), want)
		}
	}
	// A gateway in front of the proxy that terminates TLS, at any port.
	f = newFleet(t, remote, "--affinity.forward=redirect", "--affinity.redirect.scheme=https")
	id = f.signed(t, 1, "ref")
	got := f.call(t, 0, http.MethodGet, "operation/status/"+id, "")
	location := got.header.Get("Location")
	if want := strings.Replace(f.proxies[1].URL, "http:", "https:", 1) + api + "operation/status/" + id; location != want {
		t.Errorf("behind a gateway clients are sent to %q, want %q", location, want)
	}
	f = newFleet(t, remote, "--affinity.forward=off")
	id = f.signed(t, 1, "ref")
	f.call(t, 0, http.MethodGet, "operation/status/"+id, "").want(t, "off", http.StatusNotFound)
}

// TestUnreadyForwards checks that an instance that accepts no new work still answers for the
// others.
func TestUnreadyForwards(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newRemoteSide(t, service.Options{}))
	id := f.signed(t, 1, "ref")
	first := f.call(t, 1, http.MethodPost, "document/sign/base64", signBody(t, "keyed"), "Idempotency-Key", "k")
	first.want(t, "first", http.StatusOK, `"SIGNED"`)
	p := f.proxies[0]
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.o.Args, p.o.Unready = append(p.o.Args, "--disk.min-free=1000000TiB"), true
	p.start(t)
	f.publish(t)
	until(t, "it has started", func() bool { _, why := readyz(t, p); return !strings.HasPrefix(why, "starting") })
	if code, why := readyz(t, p); code != http.StatusServiceUnavailable {
		t.Errorf("readyz = %d %q, want 503", code, why)
	}
	f.call(t, 0, http.MethodPost, "document/sign/base64", signBody(t, "new")).
		want(t, "a new request", http.StatusServiceUnavailable)
	f.call(t, 0, http.MethodGet, "operation/status/"+id, "").want(t, "a status by id", http.StatusOK, `"id":`+id)
	f.call(t, 0, http.MethodGet, "operation/sign/detail/withExternalReference/ref", "").
		want(t, "a result by reference", http.StatusOK, `"signedContent":"JVBERi`)
	again := f.call(t, 0, http.MethodPost, "document/sign/base64", signBody(t, "keyed"), "Idempotency-Key", "k")
	again.want(t, "a repetition", http.StatusOK, `"SIGNED"`)
	f.call(t, 0, http.MethodDelete, "operation/sign/detail/"+id, "").want(t, "DELETE", http.StatusNoContent)
}
