package main_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/verify"
)

// In the soak test several clients make all kinds of calls for a long time. Two proxies share one
// remote side, which has random faults. The disks of the proxies fill up from time to time, and
// their client file changes. One proxy is killed every soakKill. The other one keeps running and
// must not grow.

const (
	soakClients = 6 // of each proxy
	soakKill    = 20 * time.Second
	soakFault   = 2 * time.Second // average time between faults
	soakStarts  = 20              // attempts to start, a second apart
	soakSettle  = 4 * time.Minute // time for all accepted operations to end after the faults
)

// soakProxy is one of the two proxies.
type soakProxy struct {
	*testProxy
	name    string
	killed  bool // the test kills it from time to time, so calls may fail to connect
	current atomic.Pointer[instance.Instance]
	seen    sync.Map // soakAccepted by reference: operations not followed to their end
}

// soak is the whole soak test.
type soak struct {
	t       *testing.T
	remote  *remoteSide
	proxies []*soakProxy
	http    *http.Client
	judge   *verify.Verifier
	roots   *x509.CertPool
	done    context.Context

	mu       sync.Mutex
	answers  map[string]int // by call and status
	faults   []string       // violations that the test found
	ownDisk  bool           // whether the proxies have their own disks
	signed   atomic.Int64
	failed   atomic.Int64 // documents that failed with a reason
	verified atomic.Int64 // documents also verified by OpenSSL or xmlsec1
	serial   atomic.Int64

	kills, faulty, fills, reloads atomic.Int64 // disturbances of the proxies
}

func TestSoak(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the soak test is skipped with -short, because it takes long")
	}
	d := soakTime(t)
	s := newSoak(t, d)
	defer s.judge.Close()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	s.done = ctx
	var all sync.WaitGroup
	for _, p := range s.proxies {
		for range soakClients {
			all.Go(func() { s.client(p) })
		}
	}
	all.Go(s.misbehave)
	all.Go(func() { s.killer(min(soakKill, d/4)) })
	var growth growth
	all.Go(func() { growth.watch(ctx, s.proxies[0]) })
	all.Wait()
	s.settle()
	s.faults = append(s.faults, growth.faults(t.Logf, d)...)
	t.Logf("%v: %d documents signed and valid, %d given up with a reason, %d looked at by others too; answers %v", d,
		s.signed.Load(), s.failed.Load(), s.verified.Load(), s.answers)
	s.wantEnoughFaults(d)
	for _, fault := range s.faults {
		t.Error(fault)
	}
}

func newSoak(t *testing.T, d time.Duration) *soak {
	remote := newRemoteSide(t,
		service.Options{Latency: 5 * time.Millisecond, Credentials: []service.Credential{{Multisign: 20}}})
	s := &soak{
		t: t, remote: remote, answers: map[string]int{},
		http: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * soakClients}},
	}
	var err error
	if s.judge, err = verify.New(t.Context(), remote.root); err != nil {
		t.Fatal(err)
	}
	s.roots = x509.NewCertPool()
	if pem, err := os.ReadFile(remote.root); err != nil || !s.roots.AppendCertsFromPEM(pem) {
		t.Fatalf("root certificate: %v", err)
	}
	for i, name := range []string{"lives on", "is killed"} {
		p := newTestProxy(
			t,
			append(remote.flags(), "--signing.retry.backoff=1s", "--signing.tries=100", "--signing.call.timeout=5s",
				"--timestamp.timeout=5s", "--disk.min-free=1MiB", "--retention.size=0", fmt.Sprint("--instance.ordinal=", i))...)
		s.ownDisk = smallDisk(t, p.o.State, soakDisk(d))
		sp := &soakProxy{testProxy: p, name: name, killed: i == 1}
		sp.run(t.Context(), s)
		s.proxies = append(s.proxies, sp)
	}
	if len(s.faults) > 0 {
		t.Fatal(s.faults)
	}
	return s
}

// smallDisk mounts a separate file system on a folder if the test has the rights to do so. It can
// be filled up without harm to others.
func smallDisk(t *testing.T, folder string, size int64) bool {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := mountSmall(folder, size); err != nil {
		t.Logf("the proxy has no separate disk, so the test does not fill the disk: %v", err)
		return false
	}
	t.Cleanup(func() { _ = unmountSmall(folder) })
	return true
}

// maxSoakDisk bounds the size in bytes of a file system that mountSmall makes. When it is full, it
// uses that much memory, because it is a tmpfs.
const maxSoakDisk = 4 << 30

// soakDisk is the size for a test of duration d. It has room for everything that is signed in that
// time.
func soakDisk(d time.Duration) int64 {
	return min(maxSoakDisk, 256<<20+int64(d.Seconds())*(2<<20))
}

// run starts the proxy again and again, like a supervisor. The proxy does not start without a
// readable client file, and that file is broken for a second from time to time.
func (p *soakProxy) run(ctx context.Context, s *soak) {
	var i *instance.Instance
	var err error
	for range soakStarts {
		if i, err = instance.Start(ctx, p.o); err == nil {
			s.t.Cleanup(i.Kill)
			p.current.Store(i)
			return
		}
		time.Sleep(time.Second)
	}
	s.fault("%s does not start: %v", p.name, err)
}

func (s *soak) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) < 50 {
		s.faults = append(s.faults, fmt.Sprintf(format, args...))
	}
}

// statusName shortens a call for the table of answers.
func statusName(kind string, status int) string {
	return strings.TrimSpace(fmt.Sprint(kind, " ", status))
}
