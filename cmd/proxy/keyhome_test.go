package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

// keyedFleet is a fleet whose instances reach each other at addresses that stay the same.
type keyedFleet struct {
	*fleet
	t      *testing.T
	remote *remoteSide
	at     []atomic.Pointer[url.URL] // where the address of each instance leads to
	// earlier is an instance that acts like one of a release without key homes: no message reaches it,
	// and none of its messages reaches another. -1 = none does.
	earlier atomic.Int32
}

// newKeyedFleet starts three instances that know each other.
func newKeyedFleet(t *testing.T, earlier int) *keyedFleet {
	t.Helper()
	remote := newRemoteSide(t, service.Options{})
	f := &keyedFleet{fleet: startFleet(t, remote), t: t, remote: remote, at: make([]atomic.Pointer[url.URL], 3)}
	f.earlier.Store(int32(earlier))
	for i := range f.proxies {
		f.leadTo(i)
		server := httptest.NewServer(f.address(i))
		t.Cleanup(server.Close)
		f.dir.Endpoints[i].Internal = strings.TrimPrefix(server.URL, "http://")
	}
	f.publishAll()
	return f
}

// address is the handler at the address of an instance.
func (f *keyedFleet) address(i int) http.Handler {
	through := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(f.at[i].Load()) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		earlier, body := int(f.earlier.Load()), readFirst(r)
		from := bytes.Contains(body, fmt.Appendf(nil, `"from":%d,`, earlier))
		if strings.HasSuffix(r.URL.Path, affinity.MessagePath) && (i == earlier || from) {
			w.Header().Set(affinity.InstanceHeader, fmt.Sprint("proxy-", i))
			w.WriteHeader(http.StatusNotFound) // as every release answers for a path that it does not know
			return
		}
		through.ServeHTTP(w, r)
	})
}

// leadTo makes the address of an instance lead to its process.
func (f *keyedFleet) leadTo(i int) {
	f.t.Helper()
	target, err := url.Parse(f.proxies[i].URL)
	if err != nil {
		f.t.Fatal(err)
	}
	f.at[i].Store(target)
}

// publishAll writes the peers file and waits until all instances have read this version.
func (f *keyedFleet) publishAll() {
	f.t.Helper()
	before := make([]int, len(f.proxies))
	for i, p := range f.proxies {
		before[i] = strings.Count(p.log(f.t), "peers read")
	}
	f.publish(f.t)
	for i, p := range f.proxies {
		until(f.t, "the peers file is read", func() bool { return strings.Count(p.log(f.t), "peers read") > before[i] })
	}
}

// sign sends a document with a key to instance i.
func (f *keyedFleet) sign(i int, key string) reply {
	f.t.Helper()
	return f.call(f.t, i, http.MethodPost, "document/sign/base64", signBody(f.t, key), "Idempotency-Key", key)
}

// signAll signs a document for each key at instance i.
func (f *keyedFleet) signAll(i int, keys ...string) {
	f.t.Helper()
	for _, key := range keys {
		f.sign(i, key).want(f.t, "sign "+key, http.StatusOK, `"SIGNED"`)
	}
}

// repeat repeats the requests with the keys at instances and wants the first answers.
func (f *keyedFleet) repeat(what string, instances []int, keys ...string) {
	f.t.Helper()
	made := f.remote.Counts().Signatures
	for _, i := range instances {
		for _, key := range keys {
			got := f.sign(i, key)
			got.want(f.t, fmt.Sprint(what, ": ", key, " at ", i), http.StatusOK, `"SIGNED"`)
			if got.header.Get("Idempotent-Replayed") != "true" {
				f.t.Errorf("%s: %s at %d is not marked as a repetition", what, key, i)
			}
		}
	}
	if got := f.remote.Counts().Signatures; got != made {
		f.t.Errorf("%s: %d signatures were made, want none", what, got-made)
	}
}

// copied waits until every claim is at two instances.
func (f *keyedFleet) copied() {
	f.t.Helper()
	until(f.t, "all claims are copied", func() bool {
		sum := 0.0
		for _, p := range f.proxies {
			sum += p.metric(f.t, "signstash_key_claims_uncopied")
		}
		return sum == 0
	})
}

// homes returns keys, by the instance that is their first home.
func (f *keyedFleet) homes(prefix string, each int) (byHome [][]string) {
	byHome = make([][]string, len(f.proxies))
	for n := 0; len(byHome[0]) < each || len(byHome[1]) < each || len(byHome[2]) < each; n++ {
		key := fmt.Sprint(prefix, " ", n)
		first, _ := keyhome.Homes(keyhome.KeyOf("PRT.1-PRT.2-alice", key), len(f.proxies))
		if len(byHome[first]) < each {
			byHome[first] = append(byHome[first], key)
		}
	}
	return byHome
}

// TestKeysWithoutAHome kills the home of a third of the keys. The other instances go on with all
// keys that they know, and with new keys of other homes. When the home is back, nothing is missing.
func TestKeysWithoutAHome(t *testing.T) {
	t.Parallel()
	f := newKeyedFleet(t, -1)
	f.waitForHomes(t)
	known := f.homes("known", 2)
	all := append(append(known[0], known[1]...), known[2]...)
	f.signAll(0, all...)
	f.repeat("all instances run", []int{0, 1, 2}, all...)
	f.copied()

	f.proxies[2].Kill()
	f.repeat("instance 2 is dead", []int{0, 1}, all...)
	unknown := f.homes("new", 2)
	for _, key := range unknown[2] {
		got := f.sign(1, key)
		got.want(t, "a new key whose home is dead", http.StatusServiceUnavailable, "instance proxy-2 does not answer")
		if got.header.Get("Retry-After") == "" {
			t.Error("the refusal has no Retry-After")
		}
	}
	f.signAll(1, append(unknown[0], unknown[1]...)...)

	f.proxies[2].asRun("uid-2-second") // a new pod with the same volume, which no controller has published
	f.proxies[2].start(t)
	f.leadTo(2)
	f.waitForHomes(t)
	f.repeat("instance 2 is back", []int{0, 1, 2}, append(append(all, unknown[0]...), unknown[1]...)...)
	f.signAll(2, unknown[2]...)
	f.repeat("signed at instance 2", []int{0, 1, 2}, unknown[2]...)
}

// TestKeysAfterALostVolume gives an instance an empty state folder. It learns the claims of its
// keys from the others before it decides, so that no key is signed twice.
func TestKeysAfterALostVolume(t *testing.T) {
	t.Parallel()
	f := newKeyedFleet(t, -1)
	f.waitForHomes(t)
	known := f.homes("known", 2)
	all := append(append(known[0], known[1]...), known[2]...)
	f.signAll(0, all...)
	f.copied()

	lost := f.proxies[1]
	lost.Kill()
	f.proxies[1] = newTestProxy(t, lost.o.Args...)
	f.proxies[1].asRun("uid-1-second")
	f.proxies[1].start(t)
	f.leadTo(1)
	f.dir.Endpoints[1].Instance = "uid-1-second"
	f.publishAll()
	f.waitForHomes(t)
	f.repeat("instance 1 has a new volume", []int{1, 2, 0}, all...)
	for home, keys := range f.homes("new", 1) {
		f.signAll(1, keys...)
		f.repeat(fmt.Sprint("a new key whose home is ", home), []int{0, 2}, keys...)
	}
}

// TestKeysDuringUpgrade repeats keys while one instance is of a release that knows no key homes,
// and after it was upgraded. Everybody asks everybody until then.
func TestKeysDuringUpgrade(t *testing.T) {
	t.Parallel()
	f := newKeyedFleet(t, 2)
	first := f.homes("first", 1)
	all := append(append(first[0], first[1]...), first[2]...)
	f.signAll(0, all...)
	f.repeat("made at a new release", []int{0, 1, 2}, all...)
	second := f.homes("second", 1)
	older := append(append(second[0], second[1]...), second[2]...)
	f.signAll(2, older...)
	f.repeat("made at the earlier release", []int{0, 1, 2}, older...)

	f.earlier.Store(-1)
	f.waitForHomes(t)
	f.repeat("after the upgrade", []int{0, 1, 2}, append(all, older...)...)
	third := f.homes("third", 1)
	f.signAll(1, append(append(third[0], third[1]...), third[2]...)...)
	f.repeat("made after the upgrade", []int{0, 2}, append(append(third[0], third[1]...), third[2]...)...)
}
