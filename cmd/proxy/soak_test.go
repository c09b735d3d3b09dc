package main_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
	"github.com/signstash-proxy/signstash-proxy/hack/verify"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
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
	mortal  bool // it is killed from time to time, so calls may fail to connect
	current atomic.Pointer[instance.Instance]
	seen    sync.Map // soakAccepted by reference: operations not followed to their end
}

// soak is the whole soak test.
type soak struct {
	t       *testing.T
	remote  *remoteSide
	proxies []*soakProxy
	http    *http.Client
	content []byte // of a document
	body    string // the document in base64
	judge   *verify.Verifier
	roots   *x509.CertPool
	done    context.Context

	mu       sync.Mutex
	answers  map[string]int // by call and status
	faults   []string       // violations that the test found
	ownDisk  bool           // whether the proxies have their own disks
	signed   atomic.Int64
	failed   atomic.Int64 // documents that failed with a reason
	verified atomic.Int64 // documents also verified by OpenSSL
	serial   atomic.Int64

	kills, faulty, fills, reloads atomic.Int64 // disturbances of the proxies
}

func TestSoak(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes its time")
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
	t.Logf(
		"%v: %d documents signed and valid, %d given up with a reason, %d looked at by OpenSSL too; answers %v",
		d,
		s.signed.Load(),
		s.failed.Load(),
		s.verified.Load(),
		s.answers,
	)
	s.wantHardship(d)
	for _, fault := range s.faults {
		t.Error(fault)
	}
}

// maxFailed is the largest proportion of ended documents that may have failed. Only documents that
// the remote side refuses by name should fail. The proportion is checked only in a long test,
// because in a short one a single fault that hits full batches exceeds it.
const maxFailed = 0.10

// wantHardship checks that the test caused enough faults.
func (s *soak) wantHardship(d time.Duration) {
	t := s.t
	kills, faulty, fills, reloads := s.kills.Load(), s.faulty.Load(), s.fills.Load(), s.reloads.Load()
	t.Logf(
		"%d kills, %d faults of the remote side, %d disks filled up, %d client files broken",
		kills,
		faulty,
		fills,
		reloads,
	)
	if kills == 0 || faulty == 0 {
		t.Error("nothing was killed, or nothing was rude: nothing is shown")
	}
	if d >= growthTime && reloads == 0 {
		t.Error("no client file was broken: nothing is shown")
	}
	if !s.ownDisk {
		t.Log("NOT SHOWN: full disks, which need root")
	} else if d >= growthTime && fills == 0 {
		t.Error("no disk was ever full: nothing is shown")
	}
	signed, failed := s.signed.Load(), s.failed.Load()
	if signed == 0 || d >= growthTime && float64(failed) > maxFailed*float64(signed+failed) {
		t.Errorf("%d documents were signed and %d given up, want %.0f %% of them at most", signed, failed, 100*maxFailed)
	}
	for _, p := range s.proxies {
		if n := strings.Count(p.log(t), "panic"); n > 0 {
			t.Errorf("%s: the log tells of %d panics", p.name, n)
		}
	}
}

func newSoak(t *testing.T, d time.Duration) *soak {
	remote := newRemoteSide(
		t,
		service.Options{Latency: 5 * time.Millisecond, Credentials: []service.Credential{{Multisign: 20}}},
	)
	content, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	s := &soak{
		t: t, remote: remote, content: content, body: base64.StdEncoding.EncodeToString(content), answers: map[string]int{},
		http: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * soakClients}},
	}
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
		sp := &soakProxy{testProxy: p, name: name, mortal: i == 1}
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
		t.Logf("no disk of its own, which is not filled then: %v", err)
		return false
	}
	t.Cleanup(func() { _ = unmountSmall(folder) })
	return true
}

// maxSoakDisk is the largest size of such a file system. A full one takes as much memory.
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

// killer kills one of the proxies from time to time and restarts it.
func (s *soak) killer(every time.Duration) {
	for s.sleep(every) {
		for _, p := range s.proxies {
			if p.mortal {
				p.current.Load().Kill()
				s.kills.Add(1)
				p.run(s.t.Context(), s)
			}
		}
	}
}

// sleep waits and reports whether the test continues.
func (s *soak) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.done.Done():
		return false
	}
}

// misbehave injects faults of every kind.
func (s *soak) misbehave() {
	endpoints := []string{
		"token",
		"info",
		"credentials/list",
		"credentials/info",
		"credentials/authorize",
		"signatures/signHash",
		"",
	}
	authority := []tsa.Rudeness{
		tsa.SystemFail,
		tsa.BadRequest,
		tsa.TooMany,
		tsa.Unavailable,
		tsa.Empty,
		tsa.Garbage,
		tsa.Cut,
		tsa.WrongNonce,
		tsa.WrongValue,
		tsa.Stale,
	}
	for first := true; s.sleep(soakFault/2 + rand.N(soakFault)); first = false {
		kind := rand.IntN(8)
		if first {
			kind = 0 // a short test has at least one fault
		}
		switch kind {
		case 0, 1, 2:
			all := service.Rudenesses()
			s.faulty.Add(1)
			_ = s.remote.Misbehave(
				service.Fault{
					Endpoint: endpoints[rand.IntN(len(endpoints))],
					Rudeness: all[rand.IntN(len(all))],
					Times:    1 + rand.IntN(3),
				},
			)
		case 3:
			s.faulty.Add(1)
			s.remote.tsa.Misbehave(authority[rand.IntN(len(authority))])
		case 4:
			s.remote.RevokeTokens()
		case 5:
			s.remote.SetLatency(rand.N(200 * time.Millisecond))
		case 6:
			for _, p := range s.proxies {
				s.fill(p.o.State, time.Second+rand.N(2*time.Second))
			}
		case 7:
			s.reloads.Add(1)
			s.reload()
		}
	}
	s.remote.Behave()
	s.remote.SetLatency(0)
}

// fill uses all free space of a small disk for a while, including space that becomes free
// meanwhile.
func (s *soak) fill(folder string, d time.Duration) {
	f, err := os.Create(filepath.Join(folder, "filler"))
	if err != nil {
		return // it is already full
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	if !takeRoom(f) {
		return
	}
	s.fills.Add(1)
	for end := time.Now().Add(d); time.Now().Before(end) && s.sleep(20*time.Millisecond); {
		takeRoom(f)
	}
}

// reload breaks the client file for a moment. Then it restores the file with a new secret in
// addition to the old one.
func (s *soak) reload() {
	for _, p := range s.proxies {
		_ = os.WriteFile(filepath.Join(p.o.Work, "client-services-config.json"), []byte(`{"half`), 0o600)
	}
	s.sleep(time.Second)
	all := map[string]map[string]string{}
	for id, secret := range clients {
		all[id] = map[string]string{"secret": secret, "previousSecret": fmt.Sprint("older ", rand.Int())}
	}
	content, _ := json.Marshal(all) // strings
	for _, p := range s.proxies {
		_ = os.WriteFile(filepath.Join(p.o.Work, "client-services-config.json"), content, 0o600)
	}
}

// settle waits until all accepted operations have ended, and checks them.
func (s *soak) settle() {
	ctx, cancel := context.WithTimeout(s.t.Context(), soakSettle)
	defer cancel()
	s.done = ctx
	for _, p := range s.proxies {
		left := 0
		p.seen.Range(func(reference, accepted any) bool {
			left++
			if !s.follow(p, reference.(string), accepted.(soakAccepted)) {
				s.fault("%s: operation %+v (%s) was accepted and does not end well", p.name, accepted, reference)
			}
			return ctx.Err() == nil
		})
		s.t.Logf("the one that %s: %d operations were under way at the end", p.name, left)
		n := p.signaturesNow(s.t)
		s.t.Logf("the one that %s: signatures %v", p.name, n)
	}
	var returned, unknown int64
	for _, p := range s.proxies {
		n := p.signaturesNow(s.t)
		returned, unknown = returned+n["returned"], unknown+n["unknown"]
		p.Instance = p.current.Load()
		wantAudited(s.t, p.testProxy, n)
	}
	if made := s.remote.Counts().Signatures; made > returned+unknown {
		s.fault("%d signatures made, only %d delivered and %d unknown", made, returned, unknown)
	}
}

func (p *soakProxy) signaturesNow(t *testing.T) map[string]int64 {
	t.Helper()
	p.Instance = p.current.Load()
	return p.signatures(t)
}

// judges limits how many verifiers run at the same time.
var judges = make(chan struct{}, runtime.NumCPU())

// look verifies a signed document with our own code, and one in twenty also with OpenSSL.
func (s *soak) look(content []byte, level string) {
	report, err := pades.Verify(
		s.t.Context(),
		bytes.NewReader(content),
		int64(len(content)),
		pades.VerifyOptions{Roots: s.roots},
	)
	switch {
	case !bytes.HasPrefix(content, s.content):
		s.fault("a signed document does not begin with the original")
		return
	case err != nil || !report.Valid():
		s.fault("an invalid document: %+v, %v", report, err)
		return
	case string(report.Signatures[0].Level) != cmp.Or(level, "B-B"):
		s.fault("a document of level %s, want %s", report.Signatures[0].Level, cmp.Or(level, "B-B"))
	}
	s.signed.Add(1)
	if rand.IntN(20) > 0 {
		return
	}
	judges <- struct{}{}
	defer func() { <-judges }()
	folder, err := os.MkdirTemp("", "soak-")
	if err != nil {
		s.fault("%v", err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	// Independent verifiers judge the signed revision only, because they treat later revisions as
	// changes.
	path := filepath.Join(folder, "signed.pdf")
	if err := os.WriteFile(path, content[:report.Signatures[0].End], 0o600); err != nil {
		s.fault("%v", err)
		return
	}
	if found := s.judge.Signature(s.t.Context(), sample, path); found.Err() != nil {
		s.fault("an invalid document: %v", found.Err())
	}
	s.verified.Add(1)
}

// statusName shortens a call for the table of answers.
func statusName(kind string, status int) string {
	return strings.TrimSpace(fmt.Sprint(kind, " ", status))
}
