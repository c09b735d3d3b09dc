package main_test

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/e2e/keyedload"
)

// frontName is the name of the address that leads to any instance.
const frontName = "front.test:80"

// fixedAddresses leads connections to the processes that run now. An answer names the address of
// the process that gave it. The client still uses that address after the process was started again
// with another port. In a cluster such an address stays the same. Safe for concurrent use.
type fixedAddresses struct {
	mu  sync.Mutex
	of  map[string]int // the instance of each address that was ever used
	now []string       // the address of each instance
}

// set records the address of instance i.
func (a *fixedAddresses) set(i int, url string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now[i] = strings.TrimPrefix(url, "http://")
	a.of[a.now[i]] = i
}

// urls returns the base URLs of all instances.
func (a *fixedAddresses) urls() (all []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, address := range a.now {
		all = append(all, "http://"+address)
	}
	return all
}

// dial connects to the process behind an address.
func (a *fixedAddresses) dial(ctx context.Context, network, address string) (net.Conn, error) {
	a.mu.Lock()
	i, known := a.of[address]
	if address == frontName {
		i, known = rand.N(len(a.now)), true
	}
	if known {
		address = a.now[i]
	}
	a.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, network, address)
}

// TestFleetCrash kills instances at random moments and starts them again, while a careful client
// sends new Idempotency-Keys and repeats them at random instances. No accepted operation is lost,
// and no key makes two operations. Signatures that belong to no document are counted as unknown.
func TestFleetCrash(t *testing.T) {
	t.Parallel()
	f := newKeyedFleet(t, -1)
	f.waitForHomes(t)
	a := &fixedAddresses{of: make(map[string]int), now: make([]string, len(f.proxies))}
	for i, p := range f.proxies {
		a.set(i, p.URL)
	}
	const alice = "PRT.1-PRT.2-alice"
	load := keyedload.Start(t.Context(), keyedload.Config{
		HTTP:      &http.Client{Transport: &http.Transport{DialContext: a.dial, DisableKeepAlives: true}},
		Front:     "http://" + frontName,
		Instances: a.urls,
		Authorize: func(r *http.Request) { r.SetBasicAuth(alice, clients[alice]) },
		Body:      func(reference string) []byte { return []byte(signBody(t, reference)) },
		Prefix:    "crash",
		Every:     100 * time.Millisecond,
		Try:       10 * time.Second,
		Patience:  2 * time.Minute,
		Settle:    2 * time.Minute,
	})
	for range crashRuns.count(t) {
		// Both random moments are what the test varies: of the kill, and of the next start.
		time.Sleep(rand.N(700 * time.Millisecond))
		i := rand.N(len(f.proxies))
		f.proxies[i].Kill()
		time.Sleep(rand.N(400 * time.Millisecond))
		f.proxies[i].start(t)
		f.leadTo(i)
		a.set(i, f.proxies[i].URL)
	}
	f.waitForHomes(t)
	r := load.Stop(t.Context())
	made, unknown := f.remote.Counts().Signatures, int64(0)
	for _, p := range f.proxies {
		unknown += p.signatures(t)["unknown"]
	}
	t.Logf("%v; %d signatures made, %d unknown%s", &r, made, unknown, r.Reasons())
	for what, keys := range map[string][]string{
		"lost": r.Lost, "signed twice": r.Doubled, "without any answer": r.Unanswered, "with a wrong answer": r.Wrong,
	} {
		if len(keys) > 0 {
			t.Errorf("%d keys %s: %v", len(keys), what, keys[:min(len(keys), 10)])
		}
	}
	if delivered := int64(r.Delivered); delivered == 0 || made < delivered || made > delivered+unknown {
		t.Errorf("%d signatures made, want from %d delivered to %d more that are unknown", made, delivered, unknown)
	}
	if n := len(r.Refused) + r.RepeatsRefused; n > 0 {
		t.Errorf("%d keys were refused although all instances came back%s", n, r.Reasons())
	}
}
