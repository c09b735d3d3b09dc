package api_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/api"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
)

// homes is a fleet of instances with key homes. They talk to each other over HTTP.
type homes struct {
	t         *testing.T
	instances []*homeInstance
	directory atomic.Pointer[affinity.Directory]
}

// homeInstance is one of them.
type homeInstance struct {
	*harness
	fleet     *homes
	ordinal   int
	home      *keyhome.Home // nil = an instance of a release without key homes
	forwarder *affinity.Forwarder
	messenger *affinity.Messenger
	down      atomic.Bool // it gives no answer

	mu    sync.Mutex
	asked []string // method and path of the requests that it got from others, without messages
}

// Endpoint implements affinity.Source.
func (i *homeInstance) Endpoint() (affinity.Endpoint, bool) {
	return affinity.Endpoint{Name: fmt.Sprint("proxy-", i.ordinal), Ordinal: i.ordinal, Host: "h", Port: 1}, true
}

// Directory implements affinity.Source.
func (i *homeInstance) Directory() (affinity.Directory, bool) { return *i.fleet.directory.Load(), true }

// Holds implements keyhome.Holdings.
func (i *homeInstance) Holds(_ context.Context, key keyhome.Key) (bool, error) {
	_, held := i.store.keys.Load(key)
	return held, nil
}

// Now and Sleep implement keyhome.Clock.
func (*homeInstance) Now() time.Time { return time.Now() }

func (*homeInstance) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// ServeHTTP records a request and passes it to the API.
func (i *homeInstance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if i.down.Load() {
		panic(http.ErrAbortHandler)
	}
	if affinity.Forwarded(r) && !strings.HasSuffix(r.URL.Path, affinity.MessagePath) {
		i.mu.Lock()
		i.asked = append(i.asked, r.Method+" "+strings.TrimPrefix(r.URL.Path, base))
		i.mu.Unlock()
	}
	i.api.Handler().ServeHTTP(w, r)
}

// take returns the requests of other instances since it was called last.
func (i *homeInstance) take() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	asked := i.asked
	i.asked = nil
	return asked
}

// newHomes starts n instances, of which the last ones are of a release without key homes, and waits
// until the others are members.
func newHomes(t *testing.T, n, legacy int) *homes {
	t.Helper()
	f := &homes{t: t}
	d := affinity.Directory{Expected: n, Ever: n}
	f.directory.Store(&d)
	for o := range n {
		i := f.add(o, o >= n-legacy)
		server := httptest.NewServer(i)
		t.Cleanup(server.Close)
		d.Endpoints = append(d.Endpoints, affinity.Published{
			Name: fmt.Sprint("proxy-", o), Ordinal: o, Host: "h", Port: 1,
			Internal: strings.TrimPrefix(server.URL, "http://"),
		})
	}
	f.directory.Store(&d)
	for _, i := range f.instances {
		if i.home == nil {
			continue
		}
		if err := i.home.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		f.tick()
	}
	for _, i := range f.instances {
		if i.home != nil && legacy == 0 && !i.home.Ready() {
			t.Fatalf("instance %d is not a member", i.ordinal)
		}
	}
	return f
}

func (f *homes) add(ordinal int, legacy bool) *homeInstance {
	f.t.Helper()
	i := &homeInstance{fleet: f, ordinal: ordinal}
	f.instances = append(f.instances, i)
	var err error
	i.forwarder, err = affinity.NewForwarder(affinity.ForwarderConfig{
		Mode: affinity.Forward, Ordinal: ordinal, Name: fmt.Sprint("proxy-", ordinal), Source: i, Log: logr.Discard(),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	keys := new(affinity.MessageKeys)
	keys.Set([]byte(strings.Repeat("m", 32)))
	identity := affinity.NewIdentity("")
	i.messenger = affinity.NewMessenger(affinity.MessengerConfig{
		Ordinal: ordinal, Forwarder: i.forwarder, Identity: identity, Keys: keys, BasePath: api.DefaultBasePath,
	})
	if !legacy {
		i.home = keyhome.New(keyhome.Config{
			Ordinal: ordinal, Table: keyhometest.NewMemory(fmt.Sprint("folder ", ordinal)), Transport: i.messenger,
			Holdings: i, View: affinity.ViewOf(i, ordinal), Clock: i, Lifetime: time.Hour,
		})
	}
	i.harness = start(f.t, func(h *harness) {
		h.cfg.Endpoint = func() affinity.Endpoint { e, _ := i.Endpoint(); return e }
		h.cfg.Forwarder, h.cfg.SharedTokenKey, h.cfg.Identity = i.forwarder, true, identity
		if i.home != nil {
			h.cfg.KeyHomes, h.cfg.Messenger = i.home, i.messenger
		}
	})
	return i
}

func (f *homes) tick() {
	for _, i := range f.instances {
		if i.home != nil && !i.down.Load() {
			_ = i.home.Tick(f.t.Context()) // it says what it waits for
		}
	}
}

// keyed sends a request with a key to an instance.
func (i *homeInstance) keyed(key, content string) response {
	i.t.Helper()
	return i.do0(request{
		path: "document/sign/base64", text: signRequest("ref "+key, content),
		header: map[string]string{"Idempotency-Key": key},
	})
}

// operations returns the number of operations that were created at all instances.
func (f *homes) operations() (n int) {
	for _, i := range f.instances {
		n += len(i.store.created)
	}
	return n
}

func answeredBy(r response) string { return r.Header().Get(affinity.InstanceHeader) }

// keyAt returns a key whose first home among n is an instance. Different names give different keys.
func keyAt(home, n int, name string) string {
	for i := 0; ; i++ {
		key := fmt.Sprint(name, " ", i)
		if first, _ := keyhome.Homes(keyhome.KeyOf(alice, key), n); first == home {
			return key
		}
	}
}

// TestNewKeysNeedTheirHomeOnly checks that a missing instance refuses the new keys whose home it is
// and no others, and that repetitions are answered while their owner answers.
func TestNewKeysNeedTheirHomeOnly(t *testing.T) {
	f := newHomes(t, 3, 0)
	known := keyAt(1, 3, "known")
	f.instances[0].keyed(known, "%PDF").is(http.StatusOK, nil)
	lost := keyAt(0, 3, "lost")
	f.instances[1].keyed(lost, "%PDF").is(http.StatusOK, nil)
	f.instances[1].down.Store(true)
	for _, asked := range []int{0, 2} {
		for home := range 3 {
			key := keyAt(home, 3, fmt.Sprint("new at ", asked))
			got := f.instances[asked].keyed(key, "%PDF")
			if home != 1 {
				got.is(http.StatusOK, nil)
				continue
			}
			got.fails(http.StatusServiceUnavailable, "503", "instance proxy-1 does not answer")
			if after := got.Header().Get("Retry-After"); after != "1" {
				t.Errorf("Retry-After = %q, want 1", after)
			}
		}
		got := f.instances[asked].keyed(known, "%PDF")
		got.is(http.StatusOK, nil)
		if got.Header().Get("Idempotent-Replayed") != "true" || answeredBy(got) != "proxy-0" {
			t.Errorf("the repetition at %d was answered by %s, want proxy-0 and marked", asked, answeredBy(got))
		}
		f.instances[asked].keyed(lost, "%PDF").
			fails(http.StatusServiceUnavailable, "503", "instance proxy-1 does not answer")
	}
	f.instances[1].down.Store(false)
	f.instances[2].keyed(keyAt(1, 3, "new at 0"), "%PDF").is(http.StatusOK, nil)
	f.instances[2].keyed(lost, "%PDF").is(http.StatusOK, nil)
	if got := f.operations(); got != 7 {
		t.Errorf("%d operations, want 7", got)
	}
}

// TestRepeatedKeyGoesToItsOwner checks that a repetition is forwarded to the owner, which refuses
// it if it is another request, and that a request is not forwarded twice.
func TestRepeatedKeyGoesToItsOwner(t *testing.T) {
	f := newHomes(t, 3, 0)
	for home := range 3 {
		key := keyAt(home, 3, "key")
		f.instances[0].keyed(key, "%PDF").is(http.StatusOK, nil)
		for _, asked := range []int{1, 2} {
			again := f.instances[asked].keyed(key, "%PDF")
			again.is(http.StatusOK, nil)
			if again.Header().Get("Idempotent-Replayed") != "true" || answeredBy(again) != "proxy-0" {
				t.Errorf("the repetition at %d was answered by %s, want proxy-0 and marked", asked, answeredBy(again))
			}
			f.instances[asked].keyed(key, "%PDF of another").fails(http.StatusUnprocessableEntity, "0.0.6", "")
		}
		f.instances[0].take()
		forwarded := f.instances[1].do0(request{
			path: "document/sign/base64", text: signRequest("ref", "%PDF"),
			header: map[string]string{"Idempotency-Key": key, affinity.ForwardedHeader: "proxy-2"},
		})
		forwarded.fails(http.StatusServiceUnavailable, "503", "instance proxy-0 owns the Idempotency-Key now")
		if asked := f.instances[0].take(); asked != nil {
			t.Errorf("a forwarded request was forwarded again: %v", asked)
		}
	}
	if got := f.operations(); got != 3 {
		t.Errorf("%d operations, want 3", got)
	}
}

// TestRefusedRequestReleasesItsKey checks that a request that is refused, cut off or ends with a
// panic leaves no claim, so that another instance may create the operation.
func TestRefusedRequestReleasesItsKey(t *testing.T) {
	for name, send := range map[string]func(i *homeInstance, key string){
		"refused": func(i *homeInstance, key string) {
			i.do0(request{path: "document/sign/base64", text: "{", header: map[string]string{"Idempotency-Key": key}}).
				fails(http.StatusBadRequest, "0.0.2", "")
		},
		"cut off": func(i *homeInstance, key string) {
			i.do0(request{path: "document/sign/base64", body: cutBody{}, header: map[string]string{"Idempotency-Key": key}})
		},
		"panic": func(i *homeInstance, key string) {
			i.do0(request{path: "document/sign/base64", body: &panicBody{}, header: map[string]string{"Idempotency-Key": key}}).
				is(http.StatusInternalServerError, nil)
		},
		"reference used": func(i *homeInstance, key string) {
			i.keyed("first", "%PDF").is(http.StatusOK, nil)
			i.do0(request{path: "document/sign/base64", text: signRequest("ref first", "%PDF 2"),
				header: map[string]string{"Idempotency-Key": key}}).fails(http.StatusConflict, "0.0.7", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newHomes(t, 3, 0)
			for home := range 3 {
				key := keyAt(home, 3, name)
				send(f.instances[0], key)
				f.instances[0].take()
				got := f.instances[1].keyed(key, "%PDF")
				got.is(http.StatusOK, nil)
				if answeredBy(got) != "proxy-1" || f.instances[0].take() != nil {
					t.Errorf("home %d: %s answered, want proxy-1 alone", home, answeredBy(got))
				}
			}
		})
	}
}

// cutBody is the body of a client that goes away.
type cutBody struct{}

func (cutBody) Read([]byte) (int, error) { return 0, http.ErrAbortHandler }

// panicBody makes its first reader panic.
type panicBody struct{ read bool }

func (b *panicBody) Read([]byte) (int, error) {
	if b.read {
		return 0, io.EOF
	}
	b.read = true
	panic("a fault of the program")
}

// TestSameKeyAtOnce sends one request to all instances at the same time, several times. One
// operation is created, and all requests are answered with it.
func TestSameKeyAtOnce(t *testing.T) {
	f := newHomes(t, 3, 0)
	for home := range 3 {
		key := keyAt(home, 3, "once")
		before := f.operations()
		var all sync.WaitGroup
		for n := range 9 {
			all.Go(func() { f.instances[n%3].keyed(key, "%PDF").is(http.StatusOK, nil) })
		}
		all.Wait()
		if got := f.operations() - before; got != 1 {
			t.Errorf("%d operations for one key, want 1", got)
		}
	}
}

// TestKeysWithEarlierReleases checks that an instance of a release without key homes is asked for
// each new key, and that nothing is created while it does not answer.
func TestKeysWithEarlierReleases(t *testing.T) {
	f := newHomes(t, 3, 1)
	earlier := f.instances[2]
	earlier.keyed("theirs", "%PDF").is(http.StatusOK, nil)
	for _, i := range f.instances[:2] {
		got := i.keyed("theirs", "%PDF")
		got.is(http.StatusOK, nil)
		if answeredBy(got) != "proxy-2" {
			t.Errorf("%s answered, want proxy-2", answeredBy(got))
		}
	}
	f.instances[0].keyed("ours", "%PDF").is(http.StatusOK, nil)
	for _, i := range f.instances[1:] {
		if got := i.keyed("ours", "%PDF"); answeredBy(got) != "proxy-0" {
			t.Errorf("%s answered %d, want proxy-0", answeredBy(got), got.Code)
		}
	}
	earlier.down.Store(true)
	for n, i := range f.instances[:2] {
		i.keyed(fmt.Sprint("new ", n), "%PDF").
			fails(http.StatusServiceUnavailable, "503", "")
	}
	if got := f.operations(); got != 2 {
		t.Errorf("%d operations, want 2", got)
	}
}

// TestRemovedOwner checks the answer for a key whose owner was removed.
func TestRemovedOwner(t *testing.T) {
	f := newHomes(t, 3, 0)
	key := keyAt(0, 3, "removed")
	f.instances[2].keyed(key, "%PDF").is(http.StatusOK, nil)
	f.instances[2].down.Store(true)
	d := *f.directory.Load()
	d.Expected, d.Endpoints = 2, d.Endpoints[:2]
	f.directory.Store(&d)
	f.instances[1].keyed(key, "%PDF").
		fails(http.StatusServiceUnavailable, "503", "instance proxy-2 was removed; the operation of this Idempotency-Key is")
}

// TestHints checks that a look-up by reference asks the instance that has the operation and no
// other. If a hint leads nowhere, all instances are asked.
func TestHints(t *testing.T) {
	f := newHomes(t, 4, 0)
	found := func(asked int) {
		t.Helper()
		for _, i := range f.instances {
			i.take()
		}
		f.instances[asked].do(request{path: "operation/status/withExternalReference/theirs"}).
			is(http.StatusOK, map[string]string{"0.folderExternalReference": "theirs"})
	}
	created := f.instances[0].do(request{path: "document/sign/base64", text: signRequest("theirs", "%PDF")})
	created.is(http.StatusOK, nil)
	reference := keyhome.ReferenceKey(alice, "theirs")
	for told := false; !told; { // the hint is sent after the answer
		_, told = f.instances[3].home.FindHint(t.Context(), reference)
	}
	found(3)
	if one, two := f.instances[1].take(), f.instances[2].take(); one != nil || two != nil {
		t.Errorf("instances without the operation were asked: %v, %v", one, two)
	}
	if got := f.instances[0].take(); len(got) != 1 {
		t.Errorf("the instance with the operation was asked %v, want once", got)
	}
	f.instances[2].home.Hint(t.Context(), reference) // a wrong one
	found(3)
	f.instances[0].down.Store(true)
	f.instances[3].do(request{path: "operation/status/withExternalReference/theirs"}).
		fails(http.StatusServiceUnavailable, "503", "instance proxy-0 does not answer")
	f.instances[3].do(request{path: "operation/status/withExternalReference/none"}).
		fails(http.StatusServiceUnavailable, "503", "instance proxy-0 does not answer")
	f.instances[0].down.Store(false)
	f.instances[3].do(request{path: "operation/status/withExternalReference/none"}).fails(http.StatusNotFound, "404", "")
}

// TestMessagesAreForInstances checks that a client cannot send messages, and that an instance
// without key homes does not have the call.
func TestMessagesAreForInstances(t *testing.T) {
	f := newHomes(t, 2, 1)
	message := request{path: api.DefaultBasePath + affinity.MessagePath, text: `{"kind":"query","from":1}`}
	for _, auth := range []string{"", "none", "Bearer " + token(f.instances[0].harness, "")} {
		message.auth = auth
		f.instances[0].do0(message).fails(http.StatusUnauthorized, "0.0.10", "")
	}
	f.instances[1].do0(message).fails(http.StatusNotFound, "404", "")
}
