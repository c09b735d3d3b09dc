package affinity

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestRetryAfterOfSilence checks that Retry-After is as long as the instance has been silent, from
// 1 s to 10 s, and that each instance counts by itself.
func TestRetryAfterOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s silences
		began := time.Now()
		at := func(silent time.Duration) { time.Sleep(time.Until(began.Add(silent))) } // of the fake clock
		want := func(ordinal int, want time.Duration) {
			t.Helper()
			if got := s.noAnswer(ordinal); got != want {
				t.Errorf("after %v: Retry-After of instance %d = %v, want %v", time.Since(began), ordinal, got, want)
			}
		}
		want(1, time.Second)
		at(time.Second / 2)
		want(1, time.Second)
		at(3 * time.Second)
		want(1, 3*time.Second)
		want(2, time.Second)
		at(20 * time.Second)
		want(1, 10*time.Second)
		want(2, 10*time.Second)
		s.answered(1)
		want(1, time.Second)
		want(2, 10*time.Second)
		at(20*time.Second + silenceGap)
		want(2, 10*time.Second)
		at(21*time.Second + 2*silenceGap) // nobody asked for more than silenceGap
		want(2, time.Second)
	})
}

// TestRetryAfterOfErrors checks that all errors about a missing instance carry its Retry-After.
func TestRetryAfterOfErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := Published{Name: "p-1", Ordinal: 1, Instance: "uid", Host: "h", Port: 1, Unreachable: true}
		directory := Directory{Expected: 2, Ever: 3, Endpoints: []Published{gone}}
		forwarder := func(mode Mode, s Source) *Forwarder {
			f, err := NewForwarder(ForwarderConfig{Mode: mode, Name: "p-0", Source: s})
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		get := asked(httptest.NewRequest(http.MethodGet, "/", nil))
		none := httptest.NewRecorder()
		forward := forwarder(Forward, source{directory: directory})
		redirect := forwarder(Redirect, source{directory: directory})
		unread := forwarder(Forward, unreadSource{})
		errorsOf := map[string]func() error{
			"an address that is not known": func() error { _, err := forward.KeyOwner(get, "/"); return err },
			"a former instance":            func() error { _, err := forward.Owner(2); return err },
			"a redirect to it":             func() error { _, err := redirect.Send(none, get, nil, &gone, 0); return err },
			"a peers file never read":      func() error { _, err := unread.Owner(1); return err },
		}
		for _, want := range []time.Duration{time.Second, 4 * time.Second, 10 * time.Second} {
			for name, ask := range errorsOf {
				err := ask()
				if err == nil || signing.AsError(err).RetryAfter != want {
					t.Errorf("%s: error %v with Retry-After %v, want %v", name, err, signing.AsError(err).RetryAfter, want)
				}
			}
			time.Sleep(4*time.Second + 3*(want-time.Second)) // of the fake clock
		}
	})
}

// unreadSource is a Source whose peers file was not read yet.
type unreadSource struct{ Fixed }

func (unreadSource) Directory() (Directory, bool) { return Directory{}, false }

// TestSilenceEnds checks that a useful answer of a peer ends its silence, and that an answer
// without use does not. A client that goes away says nothing about a peer.
func TestSilenceEnds(t *testing.T) {
	status := http.StatusServiceUnavailable
	var stop func()
	f := forwarderTo(t, func(w http.ResponseWriter, r *http.Request) {
		if stop != nil {
			stop()
			<-r.Context().Done()
			return
		}
		w.WriteHeader(status)
	})
	get := httptest.NewRequest(http.MethodGet, "/", nil)
	silent := func(what string, want bool) {
		t.Helper()
		f.peers.silences.mu.Lock()
		defer f.peers.silences.mu.Unlock()
		if _, got := f.peers.silences.of[1]; got != want {
			t.Errorf("%s: the peer is silent: %v, want %v", what, got, want)
		}
	}
	for _, test := range []struct {
		status int
		silent bool
	}{
		{http.StatusServiceUnavailable, true}, {http.StatusNotFound, false},
		{http.StatusUnauthorized, true}, {http.StatusOK, false}, {http.StatusMisdirectedRequest, true},
	} {
		status = test.status
		_, _ = f.KeyOwner(asked(get), "/")
		silent(http.StatusText(status), test.silent)
	}
	status = http.StatusOK
	owner, _ := f.Owner(1)
	if answered, err := f.Send(httptest.NewRecorder(), asked(get), nil, owner, 0); !answered || err != nil {
		t.Errorf("Send = %v, %v", answered, err)
	}
	silent("a forwarded answer", false)

	ctx, cancel := context.WithCancel(t.Context())
	stop = cancel
	if _, err := f.KeyOwner(asked(get.WithContext(ctx)), "/"); signing.KindOf(err) != signing.KindBusy {
		t.Errorf("KeyOwner of a client that goes away = %v, want KindBusy", err)
	}
	silent("a client that went away", false)
}
