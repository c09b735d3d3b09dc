package main_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// scale publishes another number of expected instances. Their endpoints stay published as long as
// they run, as the controller does it.
func (f *fleet) scale(t *testing.T, expected int) {
	t.Helper()
	f.dir.Expected, f.dir.Stopped = expected, 0
	if expected == 0 {
		f.dir.Stopped = len(f.proxies)
	}
	f.publish(t)
}

// restart starts instance i again, with the same state folder and a new address.
func (f *fleet) restart(t *testing.T, i int) {
	t.Helper()
	f.proxies[i].start(t)
	address, err := url.Parse(f.proxies[i].URL)
	if err != nil {
		t.Fatal(err)
	}
	f.dir.Endpoints[i].Internal, f.dir.Endpoints[i].Port = address.Host, port(t, address.Port())
	f.scale(t, 3)
}

// status returns the status of an operation as instance i answers it.
func (f *fleet) status(t *testing.T, i int, reference string) reply {
	t.Helper()
	return f.call(t, i, http.MethodGet, "operation/status/withExternalReference/"+reference, "")
}

// wantPhase waits until an instance is in a phase of its stop.
func wantPhase(t *testing.T, p *testProxy, phase string) (d client.Drain) {
	t.Helper()
	until(t, "phase "+phase, func() (there bool) {
		var err error
		if d, err = client.ReadDrain(t.Context(), http.DefaultClient, p.Management); err != nil {
			t.Fatal(err)
		}
		return d.Phase == phase
	})
	return d
}

// wantEnd waits until an instance has ended by itself, with code 0 and the reason in its log.
func wantEnd(t *testing.T, p *testProxy, why string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	select {
	case <-p.Ended():
	case <-ctx.Done():
		t.Fatal("the instance did not end")
	}
	if err := p.Stop(ctx); err != nil { // it has ended, so this only returns how
		t.Error(err)
	}
	if log := p.log(t); !strings.Contains(log, why) {
		t.Errorf("the log does not say that %q:\n%s", why, lastLines(log))
	}
}

func lastLines(log string) string { return log[max(0, len(log)-2000):] }

// TestLeaveForGood scales three instances down to two while the third one has accepted an operation
// that the remote side does not sign yet. The new number is known before or after the signal. The
// instance refuses new requests and names another instance. It answers reads and repetitions, also
// through the others, and ends what it has accepted. When everything is fetched it ends, long
// before its time is over.
func TestLeaveForGood(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]bool{"known before the signal": true, "known after the signal": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			remote := newRemoteSide(t, service.Options{})
			f := newFleet(t, remote, "--drain.linger=2h", "--shutdown.grace=10m")
			leaver := f.proxies[2]
			remote.Hold()
			defer remote.Release()
			keyed := func(i int, key string) reply {
				return f.call(t, i, http.MethodPost, "document/sign/async/base64", signBody(t, key), "Idempotency-Key", key)
			}
			keyed(2, "accepted").want(t, "a request", http.StatusAccepted)
			if known {
				f.scale(t, 2)
				until(t, "the new number is read", func() bool { return leaver.metric(t, "signstash_instances_expected") == 2 })
			}
			terminate(t, leaver)
			if !known {
				wantPhase(t, leaver, "finishing")
				f.scale(t, 2)
			}
			until(t, "it leaves for good", func() bool { _, why := readyz(t, leaver); return why == "leaving for good\n" })
			if d := wantPhase(t, leaver, "finishing"); !d.ForGood || d.PendingOperations != 1 || d.SecondsLeft == nil {
				t.Errorf("its drain status is %+v, want one pending operation and the time left", d)
			}
			late := f.call(t, 2, http.MethodPost, "document/sign/async/base64", signBody(t, "late"))
			late.want(t, "a new request", http.StatusServiceUnavailable, "leaves for good", "such as proxy-0 at 127.0.0.1:")
			if late.header.Get("Retry-After") == "" {
				t.Error("the refusal has no Retry-After")
			}
			for i := range f.proxies {
				f.status(t, i, "accepted").want(t, fmt.Sprint("the status at ", i), http.StatusOK, `"PENDING_EXECUTION"`)
				again := keyed(i, "accepted")
				again.want(t, fmt.Sprint("a repetition at ", i), http.StatusAccepted)
				if again.header.Get("Idempotent-Replayed") != "true" {
					t.Errorf("the repetition at instance %d is not marked", i)
				}
			}
			keyed(0, "new").want(t, "a new key at another instance", http.StatusAccepted)
			remote.Release()
			until(t, "it is signed", func() bool { return strings.Contains(f.status(t, 0, "accepted").body, "EXECUTED") })
			if d := wantPhase(t, leaver, "lingering"); d.ResultsNotFetched != 1 || d.PendingOperations != 0 {
				t.Errorf("its drain status is %+v, want one result that was not fetched", d)
			}
			f.call(t, 1, http.MethodGet, "operation/sign/detail/withExternalReference/accepted", "").
				want(t, "its result", http.StatusOK, `"SIGNED"`, "signedContent")
			wantEnd(t, leaver, "all results were fetched or have expired")
		})
	}
}

// TestLeaveEndsInTime: an operation that the remote side does not sign in time fails with a reason.
// The result of another one is not fetched, so the instance lingers until its time is over. When
// the ordinal returns, everything is there.
func TestLeaveEndsInTime(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	f := newFleet(t, remote, "--drain.linger=2s")
	leaver := f.proxies[2]
	f.call(t, 2, http.MethodPost, "document/sign/async/base64", signBody(t, "done")).
		want(t, "a request", http.StatusAccepted)
	until(t, "it is signed", func() bool { return strings.Contains(f.status(t, 2, "done").body, "EXECUTED") })
	remote.Hold()
	defer remote.Release()
	f.call(t, 2, http.MethodPost, "document/sign/async/base64", signBody(t, "held")).
		want(t, "a request", http.StatusAccepted)
	f.scale(t, 2)
	until(t, "the new number is read", func() bool { return leaver.metric(t, "signstash_instances_expected") == 2 })
	terminate(t, leaver)
	wantEnd(t, leaver, "the time is over")
	f.restart(t, 2)
	f.call(t, 2, http.MethodGet, "operation/sign/detail/withExternalReference/done", "").
		want(t, "the result that was not fetched", http.StatusOK, `"SIGNED"`)
	f.call(t, 2, http.MethodGet, "operation/sign/detail/withExternalReference/held", "").
		want(t, "the operation that did not end", http.StatusOK, `"ERROR_SIGNING"`, "was removed before it was signed")
}

// TestLingerEnds lets an instance linger with a result that nobody fetches, and ends that in each
// way: by a crash, by a return of its ordinal, and by a second signal. Each time it starts again
// and has the result. A stop of all instances is temporary, so nobody lingers.
func TestLingerEnds(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	f := newFleet(t, remote, "--drain.linger=2h")
	leaver := f.proxies[2]
	f.call(t, 2, http.MethodPost, "document/sign/async/base64", signBody(t, "done")).
		want(t, "a request", http.StatusAccepted)
	until(t, "it is signed", func() bool { return strings.Contains(f.status(t, 2, "done").body, "EXECUTED") })
	linger := func() {
		t.Helper()
		f.scale(t, 2)
		until(t, "the new number is read", func() bool { return leaver.metric(t, "signstash_instances_expected") == 2 })
		terminate(t, leaver)
		wantPhase(t, leaver, "lingering")
		until(t, "another instance has its operation", func() bool { // when it has read the new address
			return strings.Contains(f.status(t, 0, "done").body, `"EXECUTED"`)
		})
	}

	linger()
	leaver.Kill()
	f.restart(t, 2)
	f.signed(t, 2, "after the crash")

	linger()
	f.scale(t, 3)
	wantEnd(t, leaver, "a successor waits")
	f.restart(t, 2)
	f.status(t, 2, "done").want(t, "its operation", http.StatusOK, `"EXECUTED"`)

	linger()
	until(t, "it has ended", func() bool { // signals right after the first one are repetitions of it
		_ = syscall.Kill(leaver.PID(), syscall.SIGTERM)
		select {
		case <-leaver.Ended():
			return true
		default:
			return false
		}
	})
	wantEnd(t, leaver, "there was another signal")
	f.restart(t, 2)

	f.scale(t, 0)
	until(t, "the new number is read", func() bool { return leaver.metric(t, "signstash_instances_expected") == 0 })
	terminate(t, leaver)
	wantEnd(t, leaver, "stopped")
	if n := strings.Count(leaver.log(t), `"msg":"lingering"`); n != 3 {
		t.Errorf("it lingered %d times, want 3", n)
	}
}

// TestLeaveWithAnOldPeersFile: a kubelet does not update the files of a pod that it stops, so the
// peers file of a removed instance may name it for ever. The other instances tell it that it was
// removed, and later that it is wanted again.
func TestLeaveWithAnOldPeersFile(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	f := newFleet(t, remote, "--drain.linger=2h")
	leaver, ctx := f.proxies[2], t.Context()
	if err := leaver.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	old, err := affinity.EncodeDirectory(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	leaver.o.Args = append(leaver.o.Args, "--affinity.peers.file="+leaver.file(t, "old.json", string(old)))
	f.restart(t, 2)
	f.call(t, 2, http.MethodPost, "document/sign/async/base64", signBody(t, "done")).
		want(t, "a request", http.StatusAccepted)
	scale := func(expected int) {
		t.Helper()
		f.dir.Removals = map[int]uint64{2: 1}
		f.scale(t, expected)
		until(t, "the others know the new number", func() bool {
			return f.proxies[0].metric(t, "signstash_instances_expected") == float64(expected) &&
				f.proxies[1].metric(t, "signstash_instances_expected") == float64(expected)
		})
	}
	scale(2)
	terminate(t, leaver)
	if d := wantPhase(t, leaver, "lingering"); !d.ForGood {
		t.Errorf("its drain status is %+v, want that it leaves for good", d)
	}
	scale(3)
	wantEnd(t, leaver, "a successor waits")
}

// TestLeaveBySignal: without other instances and without Kubernetes, SIGUSR1 makes an instance
// leave for good.
func TestLeaveBySignal(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	p := newTestProxy(t, append(remote.flags(), "--drain.linger=2h")...).start(t)
	f := &fleet{proxies: []*testProxy{p}}
	f.call(t, 0, http.MethodPost, "document/sign/async/base64", signBody(t, "done")).
		want(t, "a request", http.StatusAccepted)
	if err := syscall.Kill(p.PID(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	wantPhase(t, p, "lingering")
	f.call(t, 0, http.MethodPost, "document/sign/async/base64", signBody(t, "late")).
		want(t, "a new request", http.StatusServiceUnavailable, "send the request to another instance")
	f.call(t, 0, http.MethodGet, "operation/sign/detail/withExternalReference/done", "").
		want(t, "its result", http.StatusOK, `"SIGNED"`)
	wantEnd(t, p, "all results were fetched or have expired")
}
